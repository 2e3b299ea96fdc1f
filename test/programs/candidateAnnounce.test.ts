import { assert, describe } from "@effect/vitest"
import { Effect, Option } from "effect"
import { addressKey } from "../../src/domain/peerAddress.ts"
import { candidatesPublished } from "../../src/domain/metrics.ts"
import { candidateAnnounce, candidateTopic } from "../../src/programs/candidateAnnounce.ts"
import { listen, until } from "../fixtures/gossipNotes.ts"
import { type MemoryGossipNode, type Network, node as makeNode } from "../fixtures/gossipMemory.ts"
import { worldTest } from "../fixtures/gossipWorld.ts"

const start = (node: MemoryGossipNode) =>
  candidateAnnounce(Effect.void).pipe(Effect.provide(node.context), Effect.forkScoped({ startImmediately: true }))

const published = (node: MemoryGossipNode) => node.metrics.value(candidatesPublished, {})
const knows = (node: MemoryGossipNode, other: MemoryGossipNode) =>
  Effect.map(node.book.candidate(other.did), Option.isSome)

/** In a row, so that candidates of the ends come by gossip only. */
const row = Effect.fnUntraced(function* (network: Network, options: Parameters<typeof makeNode>[2] = {}) {
  const [a, b, c] = [yield* makeNode(network, undefined, options), yield* makeNode(network), yield* makeNode(network)]
  for (const each of [a, b, c]) yield* start(each)
  yield* b.connect(c)
  return { a, b, c }
})

describe("candidateAnnounce", () => {
  worldTest("tells everybody where a node is, once it has neighbours, and again before that expires", (network) =>
    Effect.gen(function* () {
      const { a, b, c } = yield* row(network)
      yield* Effect.sleep(20_000)
      assert.strictEqual(yield* published(a), 0)
      yield* a.connect(b)
      yield* until(knows(c, a))
      const candidate = Option.getOrThrow(yield* c.book.candidate(a.did))
      const [address] = yield* a.manager.listening
      assert.deepStrictEqual(
        candidate.addresses.map(({ address }) => addressKey(address)),
        address === undefined ? [] : [addressKey(address)]
      )
      // Longer than one of them holds.
      let told = yield* published(a)
      assert.strictEqual(told, 1)
      for (let round = 0; round < 2; round++) {
        yield* Effect.sleep(200_000)
        assert.isTrue(yield* knows(c, a))
        const now = yield* published(a)
        assert.isAtLeast(now - told, 1)
        assert.isAtMost(now - told, 2)
        told = now
      }
    })
  )

  worldTest("tells newcomers, but not each one by itself", (network) =>
    Effect.gen(function* () {
      const { a, b } = yield* row(network)
      yield* a.connect(b)
      yield* until(Effect.map(published(a), (count) => count === 1))
      const newcomers = [yield* makeNode(network), yield* makeNode(network), yield* makeNode(network)]
      const [first] = newcomers
      if (first === undefined) return
      const heard = yield* listen(first, candidateTopic)
      for (const each of newcomers) yield* a.connect(each)
      yield* until(Effect.map(published(a), (count) => count === 2))
      yield* Effect.sleep(60_000)
      assert.strictEqual(yield* published(a), 2)
      assert.strictEqual(heard.filter(({ author }) => author.text === a.did.text).length, 1)
    })
  )

  worldTest("announces nothing when it is told to announce no addresses, and still listens", (network) =>
    Effect.gen(function* () {
      const { a, b, c } = yield* row(network, { announceAddresses: "none" })
      yield* a.connect(b)
      yield* until(knows(a, c))
      yield* Effect.sleep(400_000)
      assert.strictEqual(yield* published(a), 0)
      assert.isFalse(yield* knows(c, a))
    })
  )

  worldTest("takes down only what a member says of itself", (network) =>
    Effect.gen(function* () {
      const { a, b, c } = yield* row(network)
      const stranger = yield* makeNode(network)
      yield* a.connect(b)
      yield* until(knows(c, a))
      yield* a.gossip.publish(candidateTopic, yield* stranger.manager.connectionCandidate)
      yield* Effect.sleep(5000)
      assert.isFalse(yield* knows(c, stranger))
      assert.isFalse(yield* knows(b, stranger))
    })
  )

  worldTest("believes no private address that came through others", (network) =>
    Effect.gen(function* () {
      const [a, b, c] = [
        yield* makeNode(network, undefined, { host: "192.168.1.10" }),
        yield* makeNode(network, undefined, { host: "192.168.1.11" }),
        yield* makeNode(network, undefined, { host: "192.168.1.12" })
      ]
      for (const each of [a, b, c]) yield* start(each)
      yield* a.connect(b)
      yield* b.connect(c)
      yield* until(knows(b, a))
      yield* Effect.sleep(10_000)
      assert.strictEqual((yield* b.book.addresses(a.did)).length, 1)
      assert.deepStrictEqual(yield* c.book.addresses(a.did), [])
    })
  )
})
