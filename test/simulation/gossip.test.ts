/**
 * Fifty nodes gossip over a lossy network that splits and heals. The seed is in the test's name; FUZZ_SEED sets it to
 * see a failure again.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Random, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import type { PeerUri } from "../../src/domain/peerAddress.ts"
import * as GossipMemory from "../../src/layers/GossipMemory.ts"
import * as IdentityMemory from "../../src/layers/IdentityMemory.ts"
import * as PeerBookMemory from "../../src/layers/PeerBookMemory.ts"
import * as SessionMemory from "../../src/layers/SessionMemory.ts"
import { Gossip, type GossipTopic } from "../../src/services/Gossip.ts"
import { SessionManager } from "../../src/services/SessionManager.ts"
import { didNumber } from "../fixtures/dids.ts"
import { fuzzSeed, makeRandom } from "../fixtures/random.ts"
import { inVirtualTime } from "../fixtures/virtualTime.ts"

const size = 50
const half = size / 2
const indices = Array.from({ length: size }, (_, index) => index)
const topic: GossipTopic<string> = { name: "test:news", schema: Schema.String }
const start = 1_800_000_000_000

const until = (condition: Effect.Effect<boolean>): Effect.Effect<void> =>
  Effect.flatMap(condition, (holds) => (holds ? Effect.void : Effect.andThen(Effect.sleep(50), until(condition))))

const uriOf = (index: number): PeerUri => ({
  did: didNumber(index),
  address: { host: `198.51.100.${index + 1}`, port: 7777, transport: "any" }
})

const sideOf = (index: number): number => (index < half ? 0 : 1)

/** Whom each node dials: each half is a ring with chords of its own, and some links go across. */
const links = (seed: number): ReadonlyArray<readonly [number, number]> => {
  const random = makeRandom(seed)
  const found = new Map<string, readonly [number, number]>()
  const add = (a: number, b: number) => {
    if (a !== b) found.set([a, b].toSorted((x, y) => x - y).join(), [a, b])
  }
  for (const index of indices) {
    const base = sideOf(index) * half
    add(index, base + ((index - base + 1) % half))
    add(index, base + random.below(half))
  }
  for (let across = 0; across < 10; across++) add(random.below(half), half + random.below(half))
  return [...found.values()]
}

const seedOf = (number: number): Uint8Array => {
  const seed = new Uint8Array(32)
  new DataView(seed.buffer).setUint32(0, number)
  return seed
}

const makeNode = Effect.fnUntraced(function* (
  network: SessionMemory.MemoryNetwork,
  index: number,
  dials: ReadonlyArray<number>
) {
  const { address } = uriOf(index)
  const layer = GossipMemory.layer().pipe(
    Layer.provideMerge(
      SessionMemory.layer({
        network,
        host: address.host,
        port: address.port,
        bootstrapPeers: dials.map(uriOf),
        dialsHeardOf: false,
        peerExchangeMaxPeers: 0,
        redial: { initialMillis: 200, maxMillis: 2000, attemptsMax: 10 }
      })
    ),
    Layer.provideMerge(PeerBookMemory.layer),
    Layer.provideMerge(IdentityMemory.layer(seedOf(index)))
  )
  const context = yield* Layer.buildWithScope(layer, yield* Effect.scope)
  const gossip = Context.get(context, Gossip)
  const heard: Array<string> = []
  const stream = yield* gossip.subscribe(topic)
  yield* Effect.forkScoped(
    Stream.runForEach(stream, ({ author, message }) => Effect.sync(() => heard.push(`${author.text} ${message}`)))
  )
  return { index, gossip, sessions: Context.get(context, SessionManager), heard }
})

const seed = fuzzSeed()

describe("gossip among fifty nodes", () => {
  it.effect(
    `reaches everybody connected, and nobody twice (seed ${seed})`,
    () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(start)
        yield* inVirtualTime(Effect.scoped(story))
      }).pipe(Random.withSeed(seed)),
    120_000
  )
})

const story = Effect.gen(function* () {
  const random = makeRandom(seed)
  const all = links(seed)
  const network = yield* SessionMemory.makeNetwork(
    { latencyMillis: 20, jitterMillis: 20, loss: 0.2, idleTimeoutMillis: 5000 },
    seed
  )
  const nodes = yield* Effect.forEach(indices, (index) =>
    makeNode(
      network,
      index,
      all.filter(([from]) => from === index).map(([, to]) => to)
    )
  )
  const degrees = (present: ReadonlyArray<readonly [number, number]>) =>
    indices.map((index) => present.filter((link) => link.includes(index)).length)

  /** Waits until each node knows of each neighbour that it listens. */
  const settled = (present: ReadonlyArray<readonly [number, number]>) => {
    const wanted = degrees(present)
    return until(
      Effect.map(
        Effect.forEach(nodes, ({ gossip }) => gossip.topics),
        (lists) => lists.every((list, index) => list[0]?.neighbours === wanted[index])
      )
    )
  }

  let sent = 0
  /** Some random nodes publish; returns what was published, with its author. */
  const publish = Effect.fnUntraced(function* (count: number) {
    const published: Array<{ readonly from: number; readonly key: string }> = []
    for (let index = 0; index < count; index++) {
      const from = random.below(size)
      const message = `message ${sent++}`
      const node = nodes[from]
      if (node !== undefined) yield* node.gossip.publish(topic, message)
      published.push({ from, key: `${didNumber(from).text} ${message}` })
      yield* Effect.sleep(random.below(50))
    }
    return published
  })

  const arrived = (published: ReadonlyArray<{ readonly from: number; readonly key: string }>, reach: typeof sameSide) =>
    until(
      Effect.sync(() =>
        published.every(({ from, key }) =>
          nodes.every(({ heard, index }) => index === from || !reach(from, index) || heard.includes(key))
        )
      )
    )

  const across = all.filter(([a, b]) => sideOf(a) !== sideOf(b))
  assert.isAbove(across.length, 0)

  yield* settled(all)
  yield* arrived(yield* publish(20), everybody)

  network.partition(
    indices.filter((index) => sideOf(index) === 0).map((index) => uriOf(index).address.host),
    indices.filter((index) => sideOf(index) === 1).map((index) => uriOf(index).address.host)
  )
  // Some while links still wait for what will not come, and some when they are gone.
  const early = yield* publish(5)
  yield* settled(all.filter((link) => !across.includes(link)))
  const apart = yield* publish(20)
  yield* arrived([...early, ...apart], sameSide)
  for (const { from, key } of apart) {
    for (const { heard, index } of nodes) {
      if (!sameSide(from, index)) assert.isFalse(heard.includes(key), `${key} crossed the split to ${index}`)
    }
  }

  network.heal()
  yield* settled(all)
  yield* arrived(yield* publish(20), everybody)

  for (const { heard, index } of nodes) {
    assert.strictEqual(new Set(heard).size, heard.length, `node ${index} heard something twice`)
    assert.isFalse(
      heard.some((key) => key.startsWith(didNumber(index).text)),
      `node ${index} heard itself`
    )
  }
})

const sameSide = (a: number, b: number): boolean => sideOf(a) === sideOf(b)
const everybody = (_from: number, _to: number): boolean => true
