import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Logger, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { supervisorErrors } from "../../../src/domain/metrics.ts"
import { make as makeNetwork } from "../../../src/layers/session/memory/Network.ts"
import type { SessionOptions } from "../../../src/layers/session/Settings.ts"
import { bytes, echo, failure } from "../../contract/SessionManager.ts"
import { makeSessionNode, uriOf } from "../../fixtures/sessionNodes.ts"
import { within } from "../../fixtures/sessionRogue.ts"

const [here, there] = ["198.51.100.1", "198.51.100.2"] as const
const passive = { dialsHeardOf: false, peerExchangeMaxPeers: 0 }
const protocol = "/test/streams/1"

/** Two nodes with a session that `a` dialled. */
const couple = Effect.fnUntraced(function* (options: SessionOptions = {}) {
  const network = yield* makeNetwork({ latencyMillis: 1, idleTimeoutMillis: 3_600_000 })
  const bootstrapPeers = [uriOf(2, there)]
  const a = yield* makeSessionNode(network, { ...passive, ...options, number: 1, host: here, bootstrapPeers })
  const b = yield* makeSessionNode(network, { ...passive, ...options, number: 2, host: there })
  yield* TestClock.adjust("5 seconds")
  assert.strictEqual((yield* b.manager.sessions).length, 1)
  return { network, a, b }
})

describe("opening a stream", () => {
  it.effect("frees its place at once when it is interrupted, failed or timed out", () =>
    Effect.gen(function* () {
      const { a, b, network } = yield* couple({ streamsPerPeerMax: 1 })
      yield* b.manager.handle(protocol, echo)
      // The session was heard of a moment ago, so nobody doubts it.
      yield* TestClock.adjust(5200)
      network.partition([there])
      const opening = yield* Effect.forkScoped(a.manager.open(b.did, protocol))
      yield* TestClock.adjust("1 second")
      const busy = yield* failure(Effect.scoped(a.manager.open(b.did, protocol)))
      assert.strictEqual(busy?._tag, "SessionLimitReached")
      yield* within(0, Fiber.interrupt(opening))
      const slow = yield* Effect.forkChild(failure(Effect.scoped(a.manager.open(b.did, protocol))))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Fiber.join(slow))?._tag, "SessionTimeout")
      network.heal()
      yield* TestClock.adjust("1 second")
      const unknown = yield* within(100, failure(Effect.scoped(a.manager.open(b.did, "/test/none/1"))))
      assert.strictEqual(unknown?._tag, "ProtocolUnsupported")
      const stream = yield* within(100, a.manager.open(b.did, protocol))
      yield* stream.send(bytes("still here"))
      assert.isDefined(yield* within(100, stream.receive))
    })
  )

  it.effect("counts streams down when both sides have ended, so that any number can follow one another", () =>
    Effect.gen(function* () {
      const { a, b } = yield* couple({ streamsPerPeerMax: 2 })
      yield* b.manager.handle(protocol, echo)
      for (let round = 0; round < 50; round++) {
        yield* Effect.gen(function* () {
          const stream = yield* within(20, a.manager.open(b.did, protocol))
          yield* stream.send(bytes("x"))
          yield* stream.end
          assert.strictEqual((yield* within(20, Stream.runCollect(stream.frames))).length, 1)
        }).pipe(Effect.scoped)
        yield* TestClock.adjust(10)
      }
    })
  )
})

describe("a handler", () => {
  it.effect("that stops reading early leaves nobody waiting for room, and the stream ends", () =>
    Effect.gen(function* () {
      const { a, b } = yield* couple({ streamsPerPeerMax: 1 })
      yield* b.manager.handle(protocol, (stream) => Effect.andThen(stream.receive, stream.send(bytes("enough"))))
      for (let round = 0; round < 3; round++) {
        yield* Effect.gen(function* () {
          const stream = yield* within(100, a.manager.open(b.did, protocol))
          const frame = new Uint8Array(100_000)
          const sending = yield* Effect.forkChild(
            Effect.andThen(
              Effect.forEach(Array.from({ length: 50 }), () => stream.send(frame)),
              stream.end
            )
          )
          yield* TestClock.adjust("10 seconds")
          assert.isDefined(sending.pollUnsafe())
          yield* Fiber.join(sending)
          assert.strictEqual((yield* within(100, Stream.runCollect(stream.frames))).length, 1)
        }).pipe(Effect.scoped)
        yield* TestClock.adjust(10)
      }
    })
  )

  it.effect("is one for each protocol, also when two begin at once, and the place is free afterwards", () =>
    Effect.gen(function* () {
      const { a, b } = yield* couple()
      const first = yield* Scope.make()
      const exits = yield* Effect.forEach(
        [1, 2, 3],
        () => Effect.exit(Scope.provide(b.manager.handle(protocol, echo), first)),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(exits.filter(Exit.isSuccess).length, 1)
      yield* Scope.close(first, Exit.void)
      const unserved = yield* within(100, failure(Effect.scoped(a.manager.open(b.did, protocol))))
      assert.strictEqual(unserved?._tag, "ProtocolUnsupported")
      yield* b.manager.handle(protocol, echo)
      yield* within(100, Effect.scoped(a.manager.open(b.did, protocol)))
    })
  )

  it.effect("whose protocol is no longer served resets its streams", () =>
    Effect.gen(function* () {
      const { a, b } = yield* couple()
      const scope = yield* Scope.make()
      yield* Scope.provide(b.manager.handle(protocol, echo), scope)
      const stream = yield* within(100, a.manager.open(b.did, protocol))
      yield* stream.send(bytes("x"))
      yield* within(100, stream.receive)
      yield* within(100, Scope.close(scope, Exit.void))
      assert.strictEqual((yield* within(100, failure(stream.receive)))?._tag, "StreamReset")
    })
  )

  it.effect("learns at once that this node has closed the session, whoever opened the stream", () =>
    Effect.gen(function* () {
      const { a, b, network } = yield* couple()
      const reasons: Array<string | undefined> = []
      const handler = (stream: Parameters<typeof echo>[0]) =>
        Effect.map(failure(stream.receive), (reason) => void reasons.push(reason?._tag))
      yield* a.manager.handle(protocol, handler)
      yield* b.manager.handle(protocol, handler)
      yield* within(100, a.manager.open(b.did, protocol))
      yield* within(100, b.manager.open(a.did, protocol))
      // Word of it reaches nobody.
      network.partition([there])
      yield* within(1000, a.manager.close(b.did))
      assert.deepStrictEqual(reasons, ["SessionClosed"])
      yield* within(1000, b.manager.close(a.did))
      assert.deepStrictEqual(reasons, ["SessionClosed", "SessionClosed"])
    })
  )

  it.effect("counts every failure of a handler, and logs no flood of them", () =>
    Effect.gen(function* () {
      const { a, b } = yield* couple()
      const lines: Array<string> = []
      const capture = Logger.make(({ message }) => void lines.push(String(message)))
      yield* b.manager
        .handle(protocol, () => Effect.fail({ detail: "garbage" }))
        .pipe(Effect.provide(Logger.layer([capture])))
      const failOnce = Effect.scoped(
        Effect.flatMap(a.manager.open(b.did, protocol), (stream) => failure(stream.receive))
      )
      for (let round = 0; round < 30; round++) yield* within(50, failOnce)
      assert.strictEqual(yield* b.metrics.value(supervisorErrors, { operation: "session_handler" }), 30)
      assert.isAtLeast(lines.length, 20)
      assert.isAtMost(lines.length, 22)
    })
  )
})
