/**
 * Tries a TURN server the way a member would need it, over each transport that the configuration allows: allocates,
 * then sends one packet from a second socket to the relayed address and back, so that both directions of the relay are
 * proved. Where only TCP gets out of this network that socket is of no use, so a second allocation sends as well. Says
 * what it found, also when only part of it works.
 */
import { Clock, Deferred, Duration, Effect, Random, Schema } from "effect"
import { family, format, type TransportAddress } from "../domain/transportAddress.ts"
import { transportsOf, type TurnConfig, withTransport } from "../domain/turnConfig.ts"
import type { TurnTransport } from "../domain/turnServer.ts"
import { type TurnAllocation, TurnClient, type TurnError } from "../services/TurnClient.ts"
import { Udp, type UdpEndpoint, type UdpError } from "../services/Udp.ts"

/** A round trip through a relay takes well under a second; a lost packet is sent again three times. */
const probeTimeout = Duration.seconds(4)
const probeInterval = Duration.seconds(1)

/** The relay was allocated, but no packet came through it. */
export class RelaySilent extends Schema.TaggedError<RelaySilent>()("RelaySilent", {
  direction: Schema.Literals(["peer to relay", "relay to peer"]),
  relayedAddress: Schema.String
}) {
  override get message() {
    return (
      `allocated, but no packet came through ${this.relayedAddress} (${this.direction}); ` +
      "is the server's relay port range open in its firewall, and its external address set?"
    )
  }
}

/** What one transport does. */
export interface TurnTransportCheck {
  readonly transport: TurnTransport
  readonly ok: boolean
  /** Addresses as `host:port`, with brackets around an IPv6 address. */
  readonly relayedAddress?: string
  readonly mappedAddress?: string
  readonly lifetimeSeconds?: number
  /** From this machine through the relay and back. */
  readonly rttMs?: number
  readonly error?: string
}

export interface TurnCheckResult {
  readonly server: string
  /** Whether a node would get a relay: over one transport, at least. */
  readonly ok: boolean
  /** In the order in which a node tries them; empty when there was nothing to try. */
  readonly transports: ReadonlyArray<TurnTransportCheck>
  /** Why there was nothing to try. */
  readonly error?: string
}

/** Sends until `received` is done, or fails with `silent`. */
const probe = <E>(send: () => void, received: Deferred.Deferred<void>, silent: E) =>
  Effect.forever(Effect.andThen(Effect.sync(send), Effect.sleep(probeInterval))).pipe(
    Effect.raceFirst(Deferred.await(received)),
    Effect.timeoutOrElse({ duration: probeTimeout, orElse: () => Effect.fail(silent) })
  )

const equalBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, index) => byte === b[index])

/** Who sends through the relay and hears it: a socket of this machine, or another allocation. */
interface OtherEnd {
  readonly send: (payload: Uint8Array, to: TransportAddress) => void
  readonly onReceive: (receive: (payload: Uint8Array) => void) => void
}

const socketEnd = (socket: UdpEndpoint): OtherEnd => ({
  send: (payload, to) => socket.send(payload, to),
  onReceive: (receive) => socket.onReceive(receive)
})

const allocationEnd = (allocation: TurnAllocation): OtherEnd => ({
  send: (payload, to) => void allocation.send(to, payload),
  onReceive: (receive) => allocation.onReceive(receive)
})

/** One packet each way between any of the other ends and the allocation; milliseconds of the round trip. */
const roundTrip = Effect.fnUntraced(function* (
  allocation: TurnAllocation,
  others: ReadonlyArray<OtherEnd>,
  relayed: TransportAddress
) {
  const token = Uint8Array.from(yield* Effect.forEach(Array.from({ length: 16 }), () => Random.nextIntBetween(0, 256)))
  const outward = yield* Deferred.make<void>()
  const back = yield* Deferred.make<void>()
  const peers = new Map<string, TransportAddress>()
  allocation.onReceive((payload, from) => {
    if (!equalBytes(payload, token)) return
    peers.set(format(from), from)
    Deferred.doneUnsafe(outward, Effect.void)
  })
  for (const other of others) {
    other.onReceive((payload) => {
      if (equalBytes(payload, token)) Deferred.doneUnsafe(back, Effect.void)
    })
  }
  const relayedAddress = format(relayed)
  const started = yield* Clock.currentTimeNanos
  yield* probe(
    () => others.forEach((other) => other.send(token, relayed)),
    outward,
    new RelaySilent({ direction: "peer to relay", relayedAddress })
  )
  yield* probe(
    () => peers.forEach((peer) => allocation.send(peer, token)),
    back,
    new RelaySilent({ direction: "relay to peer", relayedAddress })
  )
  return Number((yield* Clock.currentTimeNanos) - started) / 1e6
})

/** A second allocation that may send to the first one, and be answered; none where the server grants only one. */
const secondAllocation = Effect.fnUntraced(
  function* (config: TurnConfig, first: TurnAllocation, relayed: TransportAddress) {
    const second = yield* TurnClient.use((client) => client.allocate(config))
    const state = second.state()
    if (state === undefined) return []
    yield* second.permit(relayed.host)
    yield* first.permit(state.relayedAddress.host)
    return [allocationEnd(second)]
  },
  (made) => Effect.orElseSucceed(made, (): ReadonlyArray<OtherEnd> => [])
)

/** Tries one transport, whatever the configuration says of it. Never fails: what went wrong is part of the result. */
export const turnCheckOver: (
  config: TurnConfig,
  transport: TurnTransport
) => Effect.Effect<TurnTransportCheck, never, TurnClient | Udp> = Effect.fnUntraced(function* (config, transport) {
  const client = yield* TurnClient
  const udp = yield* Udp
  let known: Omit<TurnTransportCheck, "ok" | "error" | "rttMs"> = { transport }
  return yield* Effect.gen(function* () {
    const over = config.pipe(withTransport(transport))
    const allocation = yield* client.allocate(over)
    const state = allocation.state()
    if (state === undefined) return { ...known, ok: false, error: "the allocation was lost at once" }
    const { lifetimeSeconds, mappedAddress, relayedAddress } = state
    known = { transport, relayedAddress: format(relayedAddress), mappedAddress: format(mappedAddress), lifetimeSeconds }
    // Behind the same NAT as this client, so its packets come from the same address.
    const loopback = mappedAddress.host === "127.0.0.1" || mappedAddress.host === "::1"
    const any = family(relayedAddress.host) === 6 ? "::" : "0.0.0.0"
    const plain = yield* udp.bind({ host: loopback ? mappedAddress.host : any, port: 0 })
    yield* allocation.permit(mappedAddress.host)
    const second = transport === "tcp" ? yield* secondAllocation(over, allocation, relayedAddress) : []
    const rttMs = yield* roundTrip(allocation, [socketEnd(plain), ...second], relayedAddress)
    return { ...known, ok: true, rttMs }
  }).pipe(
    Effect.scoped,
    Effect.catch((error: TurnError | UdpError | RelaySilent) =>
      Effect.succeed({ ...known, ok: false, error: error.message })
    )
  )
})

/** Tries all transports that the configuration allows, at the same time and each for itself. */
export const turnCheck: (config: TurnConfig) => Effect.Effect<TurnCheckResult, never, TurnClient | Udp> =
  Effect.fnUntraced(function* (config) {
    const transports = yield* Effect.forEach(transportsOf(config), (transport) => turnCheckOver(config, transport), {
      concurrency: "unbounded"
    })
    return { server: format(config.server), ok: transports.some(({ ok }) => ok), transports }
  })
