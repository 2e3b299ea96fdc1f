import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { type controlFailures, networkControlFailures } from "../../../src/domain/networkMetrics.ts"
import * as MetricsMemory from "../../../src/layers/MetricsMemory.ts"
import { endFor } from "../../../src/layers/session/Control.ts"
import { make as makeNetwork } from "../../../src/layers/session/memory/Network.ts"
import { controlMessageBytesMax, encodeControl } from "../../../src/protocol/sessionControl.ts"
import { Metrics } from "../../../src/services/Metrics.ts"
import { SessionClosed, SessionError, StreamReset } from "../../../src/services/SessionManager.ts"
import { bytes, failure } from "../../contract/SessionManager.ts"
import { candidateOf } from "../../fixtures/connectionCandidates.ts"
import { didNumber } from "../../fixtures/dids.ts"
import { makeSessionNode, type SessionNode, uriOf } from "../../fixtures/sessionNodes.ts"
import { home, makeRogue, within, world } from "../../fixtures/sessionRogue.ts"

/** Asks a member and the whole network as fast as it can. */
const askAll = (from: SessionNode, to: SessionNode) =>
  Effect.forEach(
    Array.from({ length: 240 }, (_, index) => index),
    (index) =>
      index % 2 === 0
        ? Effect.ignore(from.manager.ping(to.did))
        : Effect.ignore(from.manager.dial(didNumber(1000 + index))),
    { concurrency: "unbounded" }
  )

/** How often a member did not keep to the protocol, as a node has counted it. */
const failures = (node: SessionNode, reason: (typeof controlFailures)[number]) =>
  node.metrics.value(networkControlFailures, { reason })

describe("a flood", () => {
  it.effect("of candidates ends nothing, and is not stored beyond the first few messages", () =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const { node, rogues } = yield* world([{ number: 2, host: "198.51.100.2" }])
      yield* TestClock.adjust("1 second")
      const [session] = rogues[0]?.sessions ?? []
      assert.isDefined(session)
      for (let number = 100; number < 120; number++) {
        yield* session.send({ _tag: "Candidates", candidates: [candidateOf(number, now, "203.0.113.9")] })
      }
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* node.book.candidates(100)).length, 4)
      assert.strictEqual((yield* node.manager.sessions).length, 1)
    })
  )

  it.effect("of control messages ends the session, and what a busy node says does not", () =>
    Effect.gen(function* () {
      const { node, rogues } = yield* world([{ number: 2, host: "198.51.100.2" }])
      yield* TestClock.adjust("1 second")
      const [session] = rogues[0]?.sessions ?? []
      assert.isDefined(session)
      for (let round = 0; round < 30; round++) {
        for (let id = 0; id < 45; id++) yield* session.send({ _tag: "Ping", id })
        yield* TestClock.adjust("1 second")
      }
      assert.isUndefined(session.closed)
      assert.strictEqual((yield* node.manager.sessions).length, 1)
      for (let id = 0; id < 300; id++) yield* session.send({ _tag: "Ping", id })
      yield* TestClock.adjust("100 millis")
      assert.isDefined(session.closed)
      assert.strictEqual((yield* node.manager.sessions).length, 0)
      assert.strictEqual(yield* failures(node, "flood"), 1)
    })
  )

  it.effect("of long messages ends the session before they cost much", () =>
    Effect.gen(function* () {
      const { network, node } = yield* world([])
      const long = encodeControl({
        _tag: "PeersResponse",
        id: 1,
        peers: Array.from({ length: 100 }, () => ({ did: didNumber(3), addresses: Array(16).fill("x".repeat(500)) })),
        totalKnown: 100
      })
      const rogue = yield* makeRogue(network, { number: 2, host: "198.51.100.2" })
      yield* within(100, rogue.dial(1, home))
      const [session] = rogue.sessions
      assert.isDefined(session)
      const allowed = Math.floor((2 * controlMessageBytesMax) / long.length)
      const sending = yield* Effect.forkChild(
        Effect.forEach(Array.from({ length: allowed - 1 }), () => session.sendBytes(long))
      )
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(sending)
      assert.strictEqual((yield* node.manager.sessions).length, 1)
      const more = yield* Effect.forkChild(Effect.forEach([1, 2], () => session.sendBytes(long)))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(more)
      assert.strictEqual((yield* node.manager.sessions).length, 0)
    })
  )

  it.effect("of questions does not leave this node, however many are asked of it", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork({ latencyMillis: 1 })
      const bootstrapPeers = [uriOf(2, "198.51.100.2")]
      const passive = { dialsHeardOf: false, peerExchangeMaxPeers: 0 }
      const node = yield* makeSessionNode(network, { ...passive, number: 1, host: home, bootstrapPeers })
      const peer = yield* makeSessionNode(network, { ...passive, number: 2, host: "198.51.100.2" })
      yield* TestClock.adjust("1 second")
      const opened = (yield* node.manager.sessions)[0]?.openedAtMillis
      const asking = yield* Effect.forkChild(
        Effect.all([askAll(node, peer), askAll(peer, node)], { concurrency: "unbounded" })
      )
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(asking)
      const sessions = yield* node.manager.sessions
      assert.strictEqual(sessions.length, 1)
      assert.strictEqual(sessions[0]?.openedAtMillis, opened)
    })
  )
})

describe("the end of a session", () => {
  it.effect("is told without naming the member, which whoever tells of it has named", () =>
    Effect.gen(function* () {
      const metrics = yield* Metrics
      const told: Array<string> = []
      const connection = { close: (reason: string) => void told.push(reason) }
      const reasons = [
        new StreamReset({ protocol: "/icn/control/1" }),
        new SessionClosed({ detail: "the connection was lost" })
      ]
      for (const reason of reasons) {
        yield* endFor(metrics, connection, Cause.fail(new SessionError({ peer: didNumber(2).text, reason })))
      }
      assert.deepStrictEqual(told, ["the /icn/control/1 stream was reset", "the connection was lost"])
    }).pipe(Effect.provide(MetricsMemory.layer))
  )
})

describe("a member that does not keep to the protocol", () => {
  it.effect("loses its session over a message that cannot be read, or that comes at the wrong time", () =>
    Effect.gen(function* () {
      const { network, node } = yield* world([])
      const wrong: ReadonlyArray<Uint8Array> = [
        bytes("{"),
        bytes('{"_tag":"Nonsense"}'),
        Uint8Array.of(0xff),
        Uint8Array.of(),
        bytes('{"_tag":"Hello","version":1,"software":"again","candidate":null,"linkPort":null}')
      ]
      for (const [index, message] of wrong.entries()) {
        const rogue = yield* makeRogue(network, { number: 10 + index, host: `198.51.100.${10 + index}` })
        yield* within(100, rogue.dial(1, home))
        assert.strictEqual((yield* node.manager.sessions).length, 1)
        yield* rogue.sessions[0]?.sendBytes(message) ?? Effect.void
        yield* TestClock.adjust("100 millis")
        assert.strictEqual((yield* node.manager.sessions).length, 0)
        assert.isDefined(rogue.sessions[0]?.closed)
      }
      assert.strictEqual(yield* failures(node, "malformed"), wrong.length - 1)
      assert.strictEqual(yield* failures(node, "order"), 1)
    })
  )

  it.effect("is refused for another version, with a reason that says so", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork({ latencyMillis: 1 })
      const node = yield* makeSessionNode(network, { number: 1, host: home, dialsHeardOf: false })
      yield* makeRogue(network, { number: 2, host: "198.51.100.2", hello: { version: 2 } })
      yield* node.book.learn(didNumber(2), [uriOf(2, "198.51.100.2").address], "exchange")
      const reason = yield* within(1000, failure(node.manager.dial(didNumber(2))))
      assert.strictEqual(reason?._tag, "SessionClosed")
      if (reason?._tag === "SessionClosed") {
        assert.include(reason.detail, "version 2 of the control protocol, this node version 1")
      }
      assert.deepStrictEqual(yield* node.manager.sessions, [])
      assert.strictEqual(yield* failures(node, "version"), 1)
    })
  )

  it.effect("has ten seconds to say hello, and its place is free again then", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork({ latencyMillis: 1 })
      const node = yield* makeSessionNode(network, {
        number: 1,
        host: home,
        dialsHeardOf: false,
        peerExchangeMaxPeers: 0,
        connectionsMax: 1
      })
      const mute = yield* makeRogue(network, { number: 2, host: "198.51.100.2", isMute: true })
      const dialling = yield* Effect.forkChild(Effect.exit(mute.dial(1, home)))
      yield* TestClock.adjust("11 seconds")
      yield* Fiber.join(dialling)
      assert.strictEqual(yield* failures(node, "silence"), 1)
      const rogue = yield* makeRogue(network, { number: 3, host: "198.51.100.3" })
      yield* within(100, rogue.dial(1, home))
      assert.strictEqual((yield* node.manager.sessions)[0]?.did.text, didNumber(3).text)
    })
  )
})
