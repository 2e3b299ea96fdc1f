/**
 * What is measured over links: how fast files go, how soon a dialled member is reached and how soon straight, how soon
 * the next path carries data when one is cut, and whether a byte is lost meanwhile.
 */
import { Effect, Fiber } from "effect"
import * as Nodes from "../../test/system/natNodes.ts"
import type { Sample } from "../session/figures.ts"
import type { End, Pair, World } from "./world.ts"

/** Slow enough that a transfer lasts while its path changes. */
const slowBytesPerSecond = 1_000_000
const slowFileBytes = 60_000_000
/** Longer than the queue of a slow uplink. */
const settleMillis = 200
/** Cuts of each path; a path that is lost again and again is trusted later and later. */
export const cutsPerPair = 2

const received = ({ from, to }: Pair) => Effect.map(Nodes.session(to.node, from.node), (found) => found?.bytesIn ?? 0)

/** Bytes a second of one file, as the sender counts the time. */
const flow = Effect.fnUntraced(function* (home: string, { from, to }: Pair, name: string, bytes: number) {
  const file = Nodes.makeFile(home, name, bytes)
  const last = (yield* Nodes.send(from.node, to.node, file)).at(-1)
  if (last?._tag !== "Sent") return yield* Effect.die(new Error(`${name} did not come through`))
  return { rate: bytes / last.seconds, kind: last.path?.kind }
})

/** Connects the three pairs whose speed is compared; the one without a link is told where its member is. */
const connect = Effect.fnUntraced(function* ({ direct, native, relayed }: World) {
  yield* Nodes.dial(native.from.node, native.to.node, `${native.to.host.outside}:7777`)
  yield* Nodes.dial(direct.from.node, direct.to.node)
  yield* Nodes.dial(relayed.from.node, relayed.to.node)
  yield* Nodes.untilPath(native.from.node, native.to.node, ["direct"])
  yield* Nodes.untilPath(direct.from.node, direct.to.node, ["direct"])
  yield* Nodes.untilPath(relayed.from.node, relayed.to.node, ["relayed"])
})

export const measureThroughput = Effect.fnUntraced(function* (world: World, rounds: number, bytes: number) {
  yield* connect(world)
  const rivals = ["native", "direct", "relayed"] as const
  const samples: Array<Sample> = []
  for (let round = 0; round <= rounds; round++) {
    for (let turn = 0; turn < rivals.length; turn++) {
      const rival = rivals[(round + turn) % rivals.length] ?? "native"
      const { kind, rate } = yield* flow(world.home, world[rival], `${rival} ${round}`, bytes)
      const wanted = rival === "relayed" ? "relayed" : "direct"
      if (kind !== wanted) return yield* Effect.die(new Error(`the way of ${rival} was ${String(kind)}`))
      // The first round is to warm up.
      if (round > 0) samples.push({ rival, figure: "MB/s", round, value: rate / 1e6 })
    }
  }
  return samples
})

/** Seconds from a dial to the session, and to the path of the best kind that there is. */
const dialled = Effect.fnUntraced(function* ({ from, to }: Pair, kind: "reflexive" | "relayed") {
  const began = performance.now()
  const { seconds } = yield* Nodes.dial(from.node, to.node)
  yield* Nodes.untilPath(from.node, to.node, [kind])
  return { session: seconds, best: (performance.now() - began) / 1000 }
})

export const measureDials = Effect.fnUntraced(function* ({ cones, syms }: World) {
  const punched = yield* Effect.forEach(cones, (pair) => dialled(pair, "reflexive"))
  const relayed = yield* Effect.forEach(syms, (pair) => dialled(pair, "relayed"))
  return { punched, relayed }
})

/** Cuts the straight path and waits for data on another, then for the straight one again. */
const cutOnce = Effect.fnUntraced(function* (pair: Pair) {
  const { from, to } = pair
  yield* from.host.cut(to.host.outside)
  // What was on its way, behind the cut, has arrived.
  yield* Effect.sleep(settleMillis)
  const before = yield* received(pair)
  const { millis } = yield* Nodes.until("data", received(pair), (now) => now > before + 50_000)
  yield* Nodes.untilPath(from.node, to.node, ["relayed"])
  yield* from.host.restore
  yield* Nodes.untilPath(from.node, to.node, ["reflexive"], 60_000)
  return (millis + settleMillis) / 1000
})

const switches = ({ from, to }: Pair) =>
  Effect.map(Nodes.session(from.node, to.node), (found) => found?.path.switches ?? 0)

const limitAll = (ends: Iterable<End>, bytesPerSecond: number | undefined) =>
  Effect.forEach(ends, ({ host }) => host.limit(bytesPerSecond), { discard: true })

/** While each pair sends a file: seconds until the next path carries data, switches, and whether each file is whole. */
export const measureCuts = Effect.fnUntraced(function* ({ cones, home }: World) {
  const senders = new Set(cones.map(({ from }) => from))
  yield* limitAll(senders, slowBytesPerSecond)
  const seconds: Array<number> = []
  let switched = 0
  let lostBytes = 0
  for (const [number, pair] of cones.entries()) {
    const file = Nodes.makeFile(home, `cut ${number}`, slowFileBytes)
    const before = yield* switches(pair)
    const sending = yield* Effect.forkChild(Nodes.send(pair.from.node, pair.to.node, file))
    yield* Nodes.until("a beginning", received(pair), (now) => now > 0)
    for (let count = 0; count < cutsPerPair; count++) seconds.push(yield* cutOnce(pair))
    switched += (yield* switches(pair)) - before
    yield* pair.from.host.limit(undefined)
    const events = yield* Fiber.join(sending)
    yield* pair.from.host.limit(slowBytesPerSecond)
    const whole = Nodes.arrived(pair.to.directory, file) === file.sha256
    if (!whole || events.some(({ _tag }) => _tag === "Retrying")) lostBytes += slowFileBytes
  }
  yield* limitAll(senders, undefined)
  return { seconds, switched, lostBytes }
})
