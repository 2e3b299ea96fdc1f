import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import type { PeerAddress } from "../../../src/domain/peerAddress.ts"
import { make as makeNetwork } from "../../../src/layers/session/memory/Network.ts"
import { signedBy } from "../../fixtures/connectionCandidates.ts"
import { didNumber, keyNumber } from "../../fixtures/dids.ts"
import { makeSessionNode, type SessionNode, uriOf } from "../../fixtures/sessionNodes.ts"

const [here, there] = ["198.51.100.1", "198.51.100.2"] as const
const passive = { dialsHeardOf: false, peerExchangeMaxPeers: 0 }
const sessions = (node: SessionNode) => Effect.map(node.manager.sessions, (all) => all.length)
const signedCandidate = (number: number, timestamp: number, address: PeerAddress) =>
  signedBy(keyNumber(number), { addresses: [{ kind: "host", address }], timestamp })

describe("a session that was closed on purpose", () => {
  /** Two nodes that know each other; `bootstrap` is the one that has the other one in its configuration. */
  const pair = Effect.fnUntraced(function* (bootstrap?: "closing" | "closed") {
    const network = yield* makeNetwork({ latencyMillis: 1 })
    const common = { peerExchangeMaxPeers: 0, chance: 0 }
    const [a, b] = [
      yield* makeSessionNode(network, {
        ...common,
        number: 1,
        host: here,
        bootstrapPeers: bootstrap === "closing" ? [uriOf(2, there)] : []
      }),
      yield* makeSessionNode(network, {
        ...common,
        number: 2,
        host: there,
        bootstrapPeers: bootstrap === "closed" ? [uriOf(1, here)] : []
      })
    ]
    yield* a.book.learn(b.did, [b.uri.address], "exchange")
    yield* b.book.learn(a.did, [a.uri.address], "exchange")
    yield* TestClock.adjust("10 seconds")
    assert.deepStrictEqual([yield* sessions(a), yield* sessions(b)], [1, 1])
    const closing = yield* Effect.forkChild(a.manager.close(b.did))
    yield* TestClock.adjust("100 millis")
    yield* Fiber.join(closing)
    return { a, b, network }
  })
  /** Both hear of each other again, as they do in a network. */
  const rumour = Effect.fnUntraced(function* (a: SessionNode, b: SessionNode) {
    for (let port = 1; port <= 3; port++) {
      yield* a.book.learn(b.did, [{ ...b.uri.address, port }], "exchange")
      yield* b.book.learn(a.did, [{ ...a.uri.address, port }], "exchange")
      const now = yield* Clock.currentTimeMillis
      yield* a.book.storeCandidate(signedCandidate(2, now, b.uri.address), "public")
      yield* b.book.storeCandidate(signedCandidate(1, now, a.uri.address), "public")
      yield* TestClock.adjust("2 minutes")
    }
  })
  const dialling = Effect.fnUntraced(function* (from: SessionNode, to: SessionNode) {
    const fiber = yield* Effect.forkChild(from.manager.dial(to.did))
    yield* TestClock.adjust("5 seconds")
    yield* Fiber.join(fiber)
  })

  it.effect("stays closed on both sides, whatever is heard, until either side asks for it", () =>
    Effect.gen(function* () {
      for (const asks of ["closing", "closed"] as const) {
        const { a, b } = yield* pair()
        assert.deepStrictEqual([yield* sessions(a), yield* sessions(b)], [0, 0])
        const before = a.dials.length + b.dials.length
        yield* rumour(a, b)
        yield* TestClock.adjust("1 hour")
        a.moveTo({ host: "203.0.113.1", port: 1, transport: "any" })
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(a.dials.length + b.dials.length, before)
        yield* asks === "closing" ? dialling(a, b) : dialling(b, a)
        assert.deepStrictEqual([yield* sessions(a), yield* sessions(b)], [1, 1])
      }
    })
  )

  it.effect("is kept again after that", () =>
    Effect.gen(function* () {
      const { a, b, network } = yield* pair()
      yield* dialling(b, a)
      yield* TestClock.adjust("10 seconds")
      const stopping = yield* Effect.forkChild(b.stop)
      yield* TestClock.adjust("100 millis")
      yield* Fiber.join(stopping)
      // This one does not dial, so it is the closing side that has to.
      const again = yield* makeSessionNode(network, { ...passive, number: 2, host: there })
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual([yield* sessions(a), yield* sessions(again)], [1, 1])
    })
  )

  it.effect("is tried again after somebody asked for it in vain", () =>
    Effect.gen(function* () {
      const { a, b, network } = yield* pair()
      const stopping = yield* Effect.forkChild(b.stop)
      yield* TestClock.adjust("100 millis")
      yield* Fiber.join(stopping)
      const asking = yield* Effect.forkChild(Effect.exit(a.manager.dial(b.did)))
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(asking)
      yield* makeSessionNode(network, { ...passive, number: 2, host: there })
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* sessions(a), 1)
    })
  )

  it.effect("stays closed where the other one is a bootstrap peer of this node", () =>
    Effect.gen(function* () {
      const { a, b } = yield* pair("closing")
      yield* rumour(a, b)
      assert.deepStrictEqual([yield* sessions(a), yield* sessions(b)], [0, 0])
    })
  )

  it.effect("comes back where this node is a bootstrap peer of the other one, after a pause that grows", () =>
    Effect.gen(function* () {
      const { a, b } = yield* pair("closed")
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual([yield* sessions(a), yield* sessions(b)], [1, 1])
      yield* Effect.forkScoped(
        Stream.runForEach(a.manager.events, (event) =>
          event._tag === "Opened" ? Effect.delay(a.manager.close(b.did), 6000) : Effect.void
        ),
        { startImmediately: true }
      )
      const closing = yield* Effect.forkChild(a.manager.close(b.did))
      yield* TestClock.adjust("10 minutes")
      yield* Fiber.join(closing)
      // Six seconds of a session and up to half a minute of pause, each.
      assert.isAtMost(b.dials.length, 30)
      assert.isAtLeast(b.dials.length, 15)
    })
  )

  it.effect("is not opened by an attempt that was under way", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork({ latencyMillis: 500 })
      const bootstrapPeers = [uriOf(2, there)]
      const a = yield* makeSessionNode(network, { ...passive, number: 1, host: here, bootstrapPeers })
      yield* makeSessionNode(network, { ...passive, number: 2, host: there })
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(a.dials.length, 1)
      yield* a.manager.close(didNumber(2))
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(yield* sessions(a), 0)
      assert.strictEqual(a.dials.length, 1)
    })
  )
})
