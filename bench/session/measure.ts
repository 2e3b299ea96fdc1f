/**
 * The measurements, as they run inside a rival's process: the same code for every rival.
 */
import { readdirSync } from "node:fs"
import type { Request, Response } from "./messages.ts"
import { batchBytes, type Link, type Peer } from "./peers/Peer.ts"
import { percentile } from "../turn/statistics.ts"

/** For the compiler to see the hot paths before they count. */
const warmUpMillis = 500

const untilMillis = (millis: number): (() => boolean) => {
  const end = performance.now() + millis
  return () => performance.now() < end
}

const flow = async (link: Link, millis: number): Promise<Response> => {
  const startedAt = performance.now()
  const batches = await link.flow(untilMillis(millis))
  return { _tag: "Flowed", bytes: batches * batchBytes, millis: performance.now() - startedAt }
}

const roundTrips = async (link: Link, millis: number): Promise<Response> => {
  const micros: Array<number> = []
  const startedAt = performance.now()
  const end = startedAt + millis
  let last: number | undefined
  await link.roundTrips(() => {
    const now = performance.now()
    // The first time is before the first message.
    if (last !== undefined) micros.push((now - last) * 1000)
    last = now
    return now < end
  })
  return {
    _tag: "RoundTripped",
    perSecond: micros.length / ((performance.now() - startedAt) / 1000),
    p50Micros: percentile(micros, 50),
    p99Micros: percentile(micros, 99)
  }
}

const cycle = async (peer: Peer, address: string, count: number): Promise<Response> => {
  const failures: Array<string> = []
  const startedAt = performance.now()
  for (let done = 0; done < count; done++) {
    // A soak goes on over what fails, and tells it.
    await peer.cycle(address).catch((error: unknown) => failures.push(String(error)))
  }
  return { _tag: "Cycled", millis: performance.now() - startedAt, failures }
}

const openFiles = (): number => {
  try {
    return readdirSync("/proc/self/fd").length
  } catch {
    return -1
  }
}

const memory = async (): Promise<Response> => {
  const { gc } = globalThis
  if (gc === undefined) throw new Error("memory is measured with --expose-gc only")
  // Finalizers of the first collection free what the second one finds.
  for (let round = 0; round < 3; round++) {
    await new Promise((resolve) => setTimeout(resolve, 200))
    gc()
  }
  const { external, heapUsed, rss } = process.memoryUsage()
  return {
    _tag: "MemoryHeld",
    heapBytes: heapUsed,
    externalBytes: external,
    rssBytes: rss,
    handles: process.getActiveResourcesInfo().length,
    files: openFiles()
  }
}

const cpu = (): Response => {
  const { system, user } = process.cpuUsage()
  return { _tag: "CpuUsed", micros: system + user }
}

/** Answers what can be asked of a peer that is no gossip. */
export const performer = (peer: Peer): ((request: Request) => Promise<Response>) => {
  let address: string | undefined
  let link: Link | undefined
  const open = (): Link => {
    if (link === undefined) throw new Error("nothing is connected")
    return link
  }
  return async (request) => {
    switch (request._tag) {
      case "Listen":
        return { _tag: "Listening", address: await peer.listen() }
      case "Connect":
        address = request.address
        link = await peer.connect(address)
        await flow(link, warmUpMillis)
        await roundTrips(link, warmUpMillis)
        return { _tag: "Done" }
      case "Flow":
        return flow(open(), request.seconds * 1000)
      case "RoundTrips":
        return roundTrips(open(), request.seconds * 1000)
      case "Cpu":
        return cpu()
      case "Cycle":
        if (address === undefined) throw new Error("there is nobody to dial")
        return cycle(peer, address, request.count)
      case "Memory":
        return memory()
      case "Neighbours":
      case "Publish":
      case "Deliveries":
        throw new Error(`${request._tag} is for gossip`)
    }
  }
}
