/**
 * Five members, each a process, in a ring of QUIC sessions: a message reaches two neighbours directly and the other two
 * through them. All publish at the same time, at a modest rate that is far from any limit.
 */
import { Console, Effect, Schedule } from "effect"
import { decimal, table } from "../turn/report.ts"
import { percentile } from "../turn/statistics.ts"
import { BenchFailed, type Measured, startPeer } from "./processes.ts"

const members = 5
/** Each member's; together five times as many. */
const sizes = [
  { bytes: 200, everyMillis: 100 },
  { bytes: 10_000, everyMillis: 200 }
] as const
/** For messages that are still on their way. */
const settleMillis = 1000

export interface GossipFigures {
  readonly bytes: number
  readonly messagesPerSecond: number
  readonly expected: number
  readonly delivered: number
  readonly p50Millis: number
  readonly p99Millis: number
  readonly maxMillis: number
}

const neighbours = (peer: Measured) => Effect.map(peer.ask({ _tag: "Neighbours" }, "Counted"), ({ count }) => count)

const ringed = Effect.fnUntraced(function* (peers: ReadonlyArray<Measured>) {
  const addresses = yield* Effect.forEach(peers, (peer) =>
    Effect.map(peer.ask({ _tag: "Listen" }, "Listening"), ({ address }) => address)
  )
  for (const [index, peer] of peers.entries()) {
    const address = addresses[(index + 1) % peers.length]
    if (address !== undefined) yield* peer.ask({ _tag: "Connect", address }, "Done")
  }
  const ready = yield* Effect.forEach(peers, neighbours).pipe(
    Effect.map((counts) => counts.every((count) => count === 2)),
    Effect.repeat({ until: (ready) => ready, schedule: Schedule.spaced("100 millis"), times: 100 })
  )
  if (!ready) return yield* new BenchFailed({ detail: "the ring of gossip does not come together" })
})

/** Publishes from all members at once for so long, for each size. */
export const measureGossip = Effect.fnUntraced(function* (seconds: number, profileDirectory: string | undefined) {
  yield* Console.error("gossip ...")
  const peers = yield* Effect.forEach(Array.from({ length: members }).keys(), (number) =>
    startPeer(["gossip", String(number)], [], profileDirectory)
  )
  yield* ringed(peers)
  const results: Array<GossipFigures> = []
  for (const { bytes, everyMillis } of sizes) {
    const publish = (count: number) =>
      Effect.forEach(peers, (peer) => peer.ask({ _tag: "Publish", bytes, count, everyMillis }, "Done"), {
        concurrency: "unbounded",
        discard: true
      }).pipe(Effect.andThen(Effect.sleep(settleMillis)))
    const collect = Effect.forEach(peers, (peer) => peer.ask({ _tag: "Deliveries" }, "Delivered"))
    // To warm up, and for the mesh to settle.
    yield* publish(Math.round(2000 / everyMillis))
    yield* collect
    const count = Math.round((seconds * 1000) / everyMillis)
    yield* publish(count)
    const millis = (yield* collect).flatMap((one) => one.millis)
    results.push({
      bytes,
      messagesPerSecond: members * (1000 / everyMillis),
      expected: count * members * (members - 1),
      delivered: millis.length,
      p50Millis: percentile(millis, 50),
      p99Millis: percentile(millis, 99),
      maxMillis: percentile(millis, 100)
    })
  }
  return results
}, Effect.scoped)

export const gossipText = (results: ReadonlyArray<GossipFigures>): string =>
  table(
    [`gossip, ring of ${members} processes`, "messages/s", "delivered", "p50, ms", "p99, ms", "longest, ms"],
    results.map((one) => [
      `${one.bytes} B`,
      decimal(one.messagesPerSecond),
      `${one.delivered} of ${one.expected}`,
      decimal(one.p50Millis),
      decimal(one.p99Millis),
      decimal(one.maxMillis)
    ])
  )
