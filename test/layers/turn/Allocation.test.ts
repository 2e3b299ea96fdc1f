import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Redacted, Scope } from "effect"
import { TestClock } from "effect/testing"
import { turnAllocations } from "../../../src/domain/metrics.ts"
import * as TurnConfig from "../../../src/domain/turnConfig.ts"
import * as TurnUdp from "../../../src/layers/TurnUdp.ts"
import * as UdpMemory from "../../../src/layers/UdpMemory.ts"
import { Metrics } from "../../../src/services/Metrics.ts"
import { Udp } from "../../../src/services/Udp.ts"
import { allocate, config, failure, failuresOf, inWorld, momentsOf, startServer, timed, watchEvents } from "./world.ts"

describe("Allocation", () => {
  it.effect("needs two requests: one for the challenge, one with credentials", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      yield* allocate()
      assert.deepStrictEqual(
        server.requests().map(({ authenticated, method }) => [method, authenticated]),
        [
          ["allocate", false],
          ["allocate", true]
        ]
      )
      assert.strictEqual(yield* (yield* Metrics).value(turnAllocations, {}), 1)
    }).pipe(inWorld())
  )

  it.effect("stops after the second 401", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      const wrong = config.pipe(TurnConfig.withCredentials("user", Redacted.make("wrong-secret")))
      const { atSeconds, error } = yield* failure(allocate(wrong), "10 millis")
      assert.strictEqual(server.requests().length, 2)
      assert.isBelow(atSeconds, 0.1)
      assert.deepStrictEqual([error.reason._tag, error.code], ["TurnUnauthorized", 401])
      assert.include(error.message, "example.org")
      assert.notInclude(error.message, "wrong-secret")
      assert.strictEqual(yield* failuresOf("unauthorised"), 1)
    }).pipe(inWorld())
  )

  it.effect("says that credentials are needed where none are given", () =>
    Effect.gen(function* () {
      yield* startServer()
      const { error } = yield* failure(allocate(TurnConfig.make(config.server)), "10 millis")
      assert.strictEqual(error.reason._tag, "TurnUnauthorized")
    }).pipe(inWorld())
  )

  it.effect("takes a new nonce and asks again", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      server.script(({ authenticated }) =>
        authenticated && server.requests().length < 3 ? { _tag: "Stale" } : undefined
      )
      yield* allocate()
      assert.strictEqual(server.requests().length, 3)
    }).pipe(inWorld())
  )

  it.effect("gives up on a server that accepts none of its nonces", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      server.script(({ authenticated }) => (authenticated ? { _tag: "Stale" } : undefined))
      const { error } = yield* failure(allocate(), "10 millis")
      assert.deepStrictEqual([error.reason._tag, error.code], ["TurnProtocolError", 438])
      // The challenge, the request with its nonce, and three more with new ones.
      assert.strictEqual(server.requests().length, 5)
    }).pipe(inWorld())
  )

  it.effect("asks from another local port when the server holds an allocation for this one", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      server.script(({ authenticated }) =>
        authenticated && server.requests().length < 5 ? { _tag: "Refuse", code: 437, signed: false } : undefined
      )
      const allocation = yield* allocate()
      assert.isDefined(allocation.state())
      assert.strictEqual(new Set(server.requests().map(({ from }) => from.port)).size, 3)
    }).pipe(inWorld())
  )

  it.effect("tries three local ports and no more", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      server.script(({ authenticated }) => (authenticated ? { _tag: "Refuse", code: 437, signed: false } : undefined))
      const { error } = yield* failure(allocate(), "10 millis")
      assert.strictEqual(error.reason._tag, "TurnMismatch")
      assert.strictEqual(new Set(server.requests().map(({ from }) => from.port)).size, 3)
      assert.strictEqual(yield* failuresOf("mismatch"), 1)
    }).pipe(inWorld())
  )

  const refusals = [
    { code: 486, reason: "TurnQuotaReached", label: "quota" },
    { code: 508, reason: "TurnQuotaReached", label: "quota" },
    { code: 442, reason: "TurnQuotaReached", label: "quota" },
    { code: 403, reason: "TurnQuotaReached", label: "quota" },
    { code: 441, reason: "TurnUnauthorized", label: "unauthorised" },
    { code: 300, reason: "TurnProtocolError", label: "protocol" },
    { code: 420, reason: "TurnProtocolError", label: "protocol" },
    { code: 500, reason: "TurnProtocolError", label: "protocol" }
  ] as const
  it.effect.each(refusals)("turns $code into $reason and counts it as $label", ({ code, label, reason }) =>
    Effect.gen(function* () {
      const server = yield* startServer()
      server.script(({ authenticated }) => (authenticated ? { _tag: "Refuse", code } : undefined))
      const { error } = yield* failure(allocate(), "10 millis")
      assert.deepStrictEqual([error.method, error.reason._tag, error.code], ["allocate", reason, code])
      assert.strictEqual(error.server, "127.0.0.1:3478")
      assert.strictEqual(yield* failuresOf(label), 1)
    }).pipe(inWorld())
  )

  it.effect("does not believe a refusal without a signature", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      server.script(({ authenticated }) => (authenticated ? { _tag: "Refuse", code: 486, signed: false } : undefined))
      const { error } = yield* failure(allocate(), "1 second")
      assert.strictEqual(error.reason._tag, "TurnTimeout")
    }).pipe(inWorld())
  )

  it.effect("refuses a lifetime of zero", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      server.script(() => ({ _tag: "Grant", lifetimeSeconds: 0 }))
      const { error } = yield* failure(allocate(), "10 millis")
      assert.deepStrictEqual([error.reason._tag, error.code], ["TurnProtocolError", 0])
    }).pipe(inWorld())
  )

  it.effect("fails, typed, for a user name that no request can hold", () =>
    Effect.gen(function* () {
      yield* startServer()
      const long = config.pipe(TurnConfig.withCredentials("u".repeat(600), Redacted.make("password")))
      const { error } = yield* failure(allocate(long), "10 millis")
      assert.strictEqual(error.reason._tag, "TurnProtocolError")
    }).pipe(inWorld())
  )

  it.effect("asks the next address of a name when the first is silent or refuses", () =>
    Effect.gen(function* () {
      const server = yield* startServer({ address: { host: "10.0.0.3", port: 3478 } })
      const named = { ...config, server: { host: "turn.example.org", port: 3478 } }
      const { atMillis, exit } = yield* timed(allocate(named), "100 millis")
      assert.deepStrictEqual((yield* exit).state()?.server, server.address)
      // 39.5 s for the silent one, nothing for the one that refuses.
      assert.strictEqual(atMillis, 39_500)
    }).pipe(
      inWorld({
        resolve: () => ["10.0.0.1", "10.0.0.2", "10.0.0.3"],
        deliveries: ({ to }) => (to.host === "10.0.0.1" ? [] : [0])
      })
    )
  )

  it.effect("takes a Refresh that is granted no lifetime for the end of the allocation", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      const allocation = yield* allocate()
      const events = yield* watchEvents(allocation)
      server.script(({ method }) => (method === "refresh" ? { _tag: "Grant", lifetimeSeconds: 0 } : undefined))
      // Before the next Refresh could be answered with 437.
      yield* TestClock.adjust("25100 millis")
      assert.deepStrictEqual(
        events.map((event) => (event._tag === "Lost" ? event.error.reason._tag : event._tag)),
        ["TurnMismatch", "Relocated"]
      )
    }).pipe(inWorld())
  )

  it.effect("waits for a resolver no longer than for a server", () => {
    const speechless = Layer.effect(
      Udp,
      Udp.useSync((udp) => Udp.of({ ...udp, resolve: () => Effect.never }))
    ).pipe(Layer.provide(UdpMemory.layer()))
    return Effect.gen(function* () {
      const { atSeconds, error } = yield* failure(allocate(), "500 millis")
      assert.deepStrictEqual([error.method, error.code, atSeconds], ["resolve", "ETIMEDOUT", 39.5])
    }).pipe(Effect.scoped, Effect.provide(Layer.provide(TurnUdp.layer, speechless)))
  })

  it.effect("releases the allocation when the scope closes", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      yield* Effect.scoped(allocate())
      assert.deepStrictEqual(server.allocations(), [])
      assert.deepStrictEqual(momentsOf(server, "refresh"), [0])
    }).pipe(inWorld())
  )

  it.effect("waits one second for the release to be confirmed, and sends it twice", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      const scope = yield* Scope.make()
      yield* Scope.provide(allocate(), scope)
      server.script(() => ({ _tag: "Drop" }))
      const { atMillis } = yield* timed(Scope.close(scope, Exit.void), "100 millis")
      assert.strictEqual(atMillis, 1_000)
      assert.deepStrictEqual(momentsOf(server, "refresh"), [0, 0.5])
    }).pipe(inWorld())
  )

  it.effect("releases what an interrupted request may have got, without waiting", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      server.script(({ authenticated, method }) =>
        authenticated && method === "allocate" ? { _tag: "Alter", alter: () => new Uint8Array(0) } : undefined
      )
      const { atMillis, exit } = yield* timed(
        Effect.timeoutOption(Effect.scoped(allocate()), "3 seconds"),
        "100 millis"
      )
      assert.isTrue(Exit.isSuccess(exit))
      assert.strictEqual(atMillis, 3_000)
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(server.allocations(), [])
    }).pipe(inWorld())
  )
})
