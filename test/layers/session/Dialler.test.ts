import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { isSmaller } from "../../../src/domain/sessionSettle.ts"
import { make as makeNetwork } from "../../../src/layers/session/memory/Network.ts"
import { failure } from "../../contract/SessionManager.ts"
import { didNumber } from "../../fixtures/dids.ts"
import { makeSessionNode, type SessionNode, uriOf } from "../../fixtures/sessionNodes.ts"
import { within } from "../../fixtures/sessionRogue.ts"

const [here, there, nowhere] = ["198.51.100.1", "198.51.100.2", "192.0.2.99"] as const
const passive = { dialsHeardOf: false, peerExchangeMaxPeers: 0 }
/** Two members, the one with the smaller DID first. */
const [smaller, larger] = isSmaller(didNumber(1).text, didNumber(2).text) ? ([1, 2] as const) : ([2, 1] as const)

const knows = (node: SessionNode, number: number, ...hosts: ReadonlyArray<string>) =>
  node.book.learn(
    didNumber(number),
    hosts.map((host) => uriOf(number, host).address),
    "config"
  )

describe("a dial", () => {
  it.effect("that is interrupted before it has begun leaves no trace that others wait for", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork({ latencyMillis: 1 })
      network.partition([nowhere])
      const a = yield* makeSessionNode(network, { ...passive, number: smaller, host: here })
      const b = yield* makeSessionNode(network, { ...passive, number: larger, host: there })
      yield* knows(a, larger, nowhere)
      yield* knows(b, smaller, here)
      for (const startImmediately of [true, false]) {
        const dial = yield* Effect.forkChild(a.manager.dial(b.did), { startImmediately })
        yield* Fiber.interrupt(dial)
      }
      // The smaller one's own dial would have precedence, and be waited for.
      yield* within(50, b.manager.dial(a.did))
      assert.strictEqual((yield* a.manager.sessions).length, 1)
    })
  )

  it.effect("goes on for as long as one of those who share it is interested, and no longer", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork({ latencyMillis: 1 })
      network.partition([nowhere])
      const node = yield* makeSessionNode(network, { ...passive, number: 1, host: here, dialsMax: 1 })
      yield* knows(node, 2, nowhere)
      const shared = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(failure(node.manager.dial(didNumber(2)))))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(node.dials.length, 1)
      for (const fiber of shared.slice(1)) yield* within(0, Fiber.interrupt(fiber))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(
        (yield* within(0, Fiber.join(shared[0] ?? (yield* Effect.die("no dial")))))?._tag,
        "DialFailed"
      )
      // Its turn is free for others at once when everybody has left.
      const left = yield* Effect.forkChild(node.manager.dial(didNumber(2)))
      yield* TestClock.adjust("1 second")
      yield* within(0, Fiber.interrupt(left))
      yield* makeSessionNode(network, { ...passive, number: 3, host: there })
      yield* knows(node, 3, there)
      yield* within(50, node.manager.dial(didNumber(3)))
      // And the member may be dialled anew.
      yield* makeSessionNode(network, { ...passive, number: 2, host: there })
      yield* knows(node, 2, there)
      yield* within(1000, node.manager.dial(didNumber(2)))
    })
  )

  it.effect("tries the next address after 250 ms, or as soon as all before have failed", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork({ latencyMillis: 1 })
      network.partition([nowhere])
      const node = yield* makeSessionNode(network, { ...passive, number: 1, host: here })
      const refusing = ["198.51.100.11", "198.51.100.12"]
      yield* knows(node, 2, ...refusing, nowhere, there)
      yield* makeSessionNode(network, { ...passive, number: 2, host: there })
      const started = yield* Clock.currentTimeMillis
      yield* within(1000, node.manager.dial(didNumber(2)))
      assert.deepStrictEqual(
        node.dials.map(({ atMillis, target }) => [target.host, atMillis - started]),
        [
          [refusing[0], 0],
          [refusing[1], 2],
          [nowhere, 4],
          [there, 750]
        ]
      )
    })
  )

  it.effect("keeps one session when two ways lead to the member at the same time, at both ends", () =>
    Effect.gen(function* () {
      // Both handshakes are under way together, since a round trip takes longer than the head start.
      for (const latencyMillis of [130, 200, 300, 400]) {
        const network = yield* makeNetwork({ latencyMillis, jitterMillis: 300 }, latencyMillis)
        const a = yield* makeSessionNode(network, { ...passive, number: 1, host: here })
        const b = yield* makeSessionNode(network, { ...passive, number: 2, host: there })
        // The same listener twice: the transport treats it as another address.
        const two = [
          { ...b.uri.address, transport: "quic" as const },
          { ...b.uri.address, transport: "tcp" as const }
        ]
        yield* a.book.learn(b.did, two, "config")
        const dial = yield* Effect.forkChild(Effect.exit(a.manager.dial(b.did)))
        yield* TestClock.adjust("20 seconds")
        assert.isTrue(Exit.isSuccess(yield* Fiber.join(dial)))
        const [fromA, fromB] = [yield* a.manager.sessions, yield* b.manager.sessions]
        assert.deepStrictEqual([fromA.length, fromB.length], [1, 1])
        assert.deepStrictEqual([fromA[0]?.direction, fromB[0]?.direction], ["outbound", "inbound"])
      }
    })
  )

  it.effect("that dies is a defect for whoever asked, and the next one begins anew", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork({ latencyMillis: 1 })
      let broken = true
      const node = yield* makeSessionNode(network, {
        ...passive,
        number: 1,
        host: here,
        wire: (wire) => ({
          ...wire,
          dial: (did, target) => (broken ? Effect.die(new Error("a bug in the transport")) : wire.dial(did, target))
        })
      })
      yield* makeSessionNode(network, { ...passive, number: 2, host: there })
      yield* knows(node, 2, there)
      assert.isTrue(Exit.hasDies(yield* within(50, Effect.exit(node.manager.dial(didNumber(2))))))
      broken = false
      yield* within(50, node.manager.dial(didNumber(2)))
    })
  )
})
