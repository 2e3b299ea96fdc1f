/**
 * The measurements, as they run inside a client's process: the same code for every client, and per datagram only a
 * count, or one reading of the clock where round trips are asked for.
 */
import { randomBytes } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"
import type { Allocation, Client } from "./clients/Client.ts"
import type { Allocate, Allocated, Echoed, Exchange, Open } from "./messages.ts"
import { percentile } from "./statistics.ts"

/** For the compiler to see the hot path before it counts. */
const warmUp = { window: 64, seconds: 1 }
/** For echoes that are still on their way when a measurement ends. */
const drainMillis = 50
/** Datagrams are sent anew when nothing has come back for so long. */
const silenceMillis = 200
/** A client that is refused more often does not work. */
const repetitionsMax = 100

/** An allocation with a way to the peer. */
export interface Relay {
  readonly allocation: Allocation
  readonly payloadBytes: number
  send: () => void
  /** Called with each echo's bytes. */
  onEcho: (bytes: number) => void
}

const ignore = (): void => {}

const percentiles = (values: ReadonlyArray<number>) => ({ p50: percentile(values, 50), p99: percentile(values, 99) })

/** Keeps a window of datagrams going between the client and the peer. */
export const exchange = async (
  relay: Relay,
  { seconds, window }: Pick<Exchange, "seconds" | "window">
): Promise<Echoed> => {
  const roundTrips: Array<number> = []
  let echoes = 0
  let sent = 0
  let sentAt = 0
  const send = (): void => {
    sent++
    relay.send()
  }
  const fill = (): void => {
    for (let count = 0; count < window; count++) send()
  }
  const onEcho = (): void => {
    echoes++
    send()
  }
  const onTimedEcho = (): void => {
    const now = performance.now()
    roundTrips.push((now - sentAt) * 1000)
    sentAt = now
    onEcho()
  }
  const count = window === 1 ? onTimedEcho : onEcho
  relay.onEcho = (bytes) => {
    if (bytes === relay.payloadBytes) count()
  }
  let seen = -1
  const watch = setInterval(() => {
    if (echoes === seen) fill()
    seen = echoes
  }, silenceMillis)
  const cpuBefore = process.cpuUsage()
  const startedAt = performance.now()
  sentAt = startedAt
  fill()
  await sleep(seconds * 1000)
  const elapsedSeconds = (performance.now() - startedAt) / 1000
  const { system, user } = process.cpuUsage(cpuBefore)
  clearInterval(watch)
  relay.onEcho = ignore
  if (echoes === 0) throw new Error("nothing came back through the relay")
  await sleep(drainMillis)
  return {
    _tag: "Echoed",
    echoesPerSecond: echoes / elapsedSeconds,
    cpuMicrosPerEcho: (system + user) / echoes,
    ...(window === 1 ? { roundTripMicros: percentiles(roundTrips) } : {}),
    // What is on its way at the end is not lost.
    lost: Math.max(0, sent - echoes - window)
  }
}

/** Opens what `exchange` needs and warms it up. */
export const open = async (client: Client, { payloadBytes, peer, server }: Open): Promise<Relay> => {
  const allocation = await client.allocate(server)
  const relay: Relay = { allocation, payloadBytes, send: ignore, onEcho: ignore }
  relay.send = await allocation.relayTo(peer, randomBytes(payloadBytes), (bytes) => relay.onEcho(bytes))
  await exchange(relay, warmUp)
  return relay
}

/** Times allocations: socket, challenge and Allocate, as an application waits for them. */
export const measureAllocations = async (client: Client, { count, server }: Allocate): Promise<Allocated> => {
  const millis: Array<number> = []
  let repeated = 0
  while (millis.length < count) {
    const startedAt = performance.now()
    const allocation = await client.allocate(server).catch((cause: unknown) => {
      if (++repeated > repetitionsMax) throw cause
      return undefined
    })
    if (allocation === undefined) continue
    millis.push(performance.now() - startedAt)
    await allocation.close()
  }
  return { _tag: "Allocated", millis: percentiles(millis), repeated }
}
