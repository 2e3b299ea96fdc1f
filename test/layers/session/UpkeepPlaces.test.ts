import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import type { PeerUri } from "../../../src/domain/peerAddress.ts"
import { make as makeNetwork } from "../../../src/layers/session/memory/Network.ts"
import { makeSessionNode, type SessionNode, uriOf } from "../../fixtures/sessionNodes.ts"

const [here, there, elsewhere] = ["198.51.100.1", "198.51.100.2", "198.51.100.3"] as const
const passive = { dialsHeardOf: false, peerExchangeMaxPeers: 0 }
const sessions = (node: SessionNode) => Effect.map(node.manager.sessions, (all) => all.length)
const strangers = (count: number) => Array.from({ length: count }, (_, index) => uriOf(1000 + index, elsewhere))
const hearOf = (node: SessionNode, members: ReadonlyArray<PeerUri>) =>
  Effect.forEach(members, ({ address, did }) => node.book.learn(did, [address], "exchange"))
const tried = (node: SessionNode) => new Set(node.dials.map(({ did }) => did))

describe("members that anybody can make up", () => {
  it.effect("take no place from one that is heard of while all places are in use", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork({ latencyMillis: 1 })
      const node = yield* makeSessionNode(network, { number: 1, host: here, peerExchangeMaxPeers: 0 })
      yield* hearOf(node, strangers(40))
      yield* TestClock.adjust("2 minutes")
      const member = yield* makeSessionNode(network, { ...passive, number: 2, host: there })
      yield* hearOf(node, [member.uri])
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* sessions(node), 1)
    })
  )

  it.effect("are all tried in the end, thirty-two at a time, and each once while others wait", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork({ latencyMillis: 1000 })
      const node = yield* makeSessionNode(network, { number: 1, host: here, peerExchangeMaxPeers: 0, dialsMax: 100 })
      yield* hearOf(node, strangers(200))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(node.dials.length, 32)
      // An attempt takes two seconds, and the last ones have no others after them.
      yield* TestClock.adjust("12 seconds")
      assert.strictEqual(tried(node).size, 200)
      assert.isAtMost(node.dials.length, 232)
    })
  )

  it.effect("take no place from those met, who wait in the book for one", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork({ latencyMillis: 1 })
      const node = yield* makeSessionNode(network, { number: 1, host: here, peerExchangeMaxPeers: 0, dialsMax: 500 })
      const met = Array.from({ length: 130 }, (_, index) => uriOf(2000 + index, there))
      for (const { address, did } of met) {
        yield* node.book.learn(did, [address], "session")
        yield* node.book.succeeded(did, address)
      }
      yield* hearOf(node, strangers(64))
      yield* TestClock.adjust("1 second")
      const count = (members: ReadonlyArray<PeerUri>) => members.filter(({ did }) => tried(node).has(did.text)).length
      assert.strictEqual(count(met), 128)
      assert.strictEqual(count(strangers(64)), 64)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(count(met), 130)
    })
  )

  it.effect("are kept as those met once there was a session", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork({ latencyMillis: 1 })
      const node = yield* makeSessionNode(network, { number: 1, host: here, peerExchangeMaxPeers: 0 })
      const member = yield* makeSessionNode(network, { ...passive, number: 2, host: there })
      yield* hearOf(node, [member.uri])
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* sessions(node), 1)
      const stopping = yield* Effect.forkChild(member.stop)
      yield* TestClock.adjust("100 millis")
      yield* Fiber.join(stopping)
      // Enough to push out whoever was only heard of and fails.
      yield* hearOf(node, strangers(200))
      yield* TestClock.adjust("1 minute")
      yield* makeSessionNode(network, { ...passive, number: 2, host: there })
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* sessions(node), 1)
    })
  )
})
