import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, FiberSet, PubSub } from "effect"
import { TestClock } from "effect/testing"
import type { Did } from "../../../src/domain/did.ts"
import { networkConnectionsRejected } from "../../../src/domain/metrics.ts"
import type { Dialler } from "../../../src/domain/sessionSettle.ts"
import * as MetricsMemory from "../../../src/layers/MetricsMemory.ts"
import type { Control } from "../../../src/layers/session/Control.ts"
import * as Settings from "../../../src/layers/session/Settings.ts"
import { sourceOf, Table } from "../../../src/layers/session/Table.ts"
import type { WireAttempt, WireConnection } from "../../../src/layers/session/Wire.ts"
import { Metrics } from "../../../src/services/Metrics.ts"
import type { SessionEvent } from "../../../src/services/SessionManager.ts"
import { didNumber } from "../../fixtures/dids.ts"

const makeTable = Effect.fnUntraced(function* (options: Settings.SessionOptions = {}) {
  const events = yield* PubSub.unbounded<SessionEvent>()
  const run = yield* FiberSet.makeRuntime<never, void, never>()
  return new Table(didNumber(0), { ...Settings.defaults, ...options }, yield* Metrics, events, run)
})

const attemptOf = (number: number, host: string, dialler: Dialler = "peer"): WireAttempt => ({
  did: didNumber(number),
  dialler,
  remote: { host, port: 1 },
  link: undefined
})

/** What a transport makes of an attempt; closing it tells the table. */
const connect = (table: Table, { dialler, did, remote }: WireAttempt) => {
  const gone = Deferred.makeUnsafe<void>()
  const closings: Array<string> = []
  const connection: WireConnection = {
    did,
    dialler,
    remote,
    link: undefined,
    transport: "memory",
    openStream: () => Effect.die(new Error("nobody opens a stream here")),
    close: (reason) => {
      closings.push(reason)
      Deferred.doneUnsafe(gone, Effect.void)
      table.closed(connection, reason)
    },
    closed: Deferred.await(gone)
  }
  table.opened(connection)
  return { connection, closings }
}

const stage = (table: Table, did: Did) => table.get(did)?.stage._tag

describe("Table", () => {
  it.effect("frees the place of an attempt that was admitted and never came up", () =>
    Effect.gen(function* () {
      const table = yield* makeTable({ connectionsMax: 1 })
      assert.isTrue(yield* table.admit(attemptOf(1, "192.0.2.1")))
      assert.isFalse(yield* table.admit(attemptOf(2, "192.0.2.2")))
      yield* TestClock.adjust("14 seconds")
      assert.isFalse(yield* table.admit(attemptOf(2, "192.0.2.2")))
      yield* TestClock.adjust("1 second")
      assert.isTrue(yield* table.admit(attemptOf(2, "192.0.2.2")))
    })
  )

  it.effect("leaves a connection alone once it has come up", () =>
    Effect.gen(function* () {
      const table = yield* makeTable()
      const attempt = attemptOf(1, "192.0.2.1")
      yield* table.admit(attempt)
      table.hooks = { ...table.hooks, greet: () => Effect.never }
      const { closings } = connect(table, attempt)
      assert.strictEqual(stage(table, attempt.did), "Greeting")
      table.abandoned(attempt)
      yield* TestClock.adjust("9 seconds")
      assert.strictEqual(stage(table, attempt.did), "Greeting")
      // The greeting has a bound of its own.
      yield* TestClock.adjust("1 second")
      assert.isUndefined(table.get(attempt.did))
      assert.strictEqual(closings.length, 1)
    })
  )

  it.effect("is not confused by late news of an attempt that another one has replaced", () =>
    Effect.gen(function* () {
      const table = yield* makeTable()
      const [first, second] = [attemptOf(1, "192.0.2.1"), attemptOf(1, "192.0.2.9")]
      table.hooks = { greet: () => Effect.never, answers: () => Effect.succeed(false) }
      yield* table.admit(first)
      const old = connect(table, first)
      const replacing = yield* Effect.forkChild(table.admit(second))
      yield* TestClock.adjust("5 seconds")
      assert.isTrue(yield* Fiber.join(replacing))
      assert.strictEqual(old.closings.length, 1)
      // A transport that tells twice, or in another order.
      table.abandoned(first)
      table.closed(old.connection, "late")
      assert.strictEqual(stage(table, second.did), "Admitted")
      assert.deepStrictEqual(connect(table, first).closings, ["it was not admitted"])
      assert.strictEqual(stage(table, second.did), "Admitted")
      assert.deepStrictEqual(connect(table, second).closings, [])
      assert.strictEqual(stage(table, second.did), "Greeting")
    })
  )

  it.effect("does not wait for an answer of a connection that is gone meanwhile", () =>
    Effect.gen(function* () {
      const table = yield* makeTable()
      const [first, second] = [attemptOf(1, "192.0.2.1"), attemptOf(1, "192.0.2.1")]
      const silent: Control = { send: () => Effect.never, receive: Effect.never, ask: () => Effect.never }
      table.hooks = {
        greet: (entry, connection) =>
          Effect.sync(() => {
            entry.stage = { _tag: "Open", connection, control: silent, atMillis: 0 }
          }),
        answers: () => Effect.never
      }
      yield* table.admit(first)
      const old = connect(table, first)
      const admitting = yield* Effect.forkChild(table.admit(second), { startImmediately: true })
      assert.isUndefined(admitting.pollUnsafe())
      table.closed(old.connection, "it said goodbye")
      assert.isTrue(yield* Fiber.join(admitting))
    })
  )

  it.effect("holds the limit of one address against handshakes that began at the same time", () =>
    Effect.gen(function* () {
      const table = yield* makeTable({ connectionsPerAddressMax: 3 })
      const metrics = yield* Metrics
      const host = "192.0.2.1"
      const numbers = [1, 2, 3, 4, 5]
      assert.isTrue(numbers.every(() => table.admitSource(host)))
      const admitted = yield* Effect.filter(numbers, (number) => table.admit(attemptOf(number, host)))
      assert.deepStrictEqual(admitted, [1, 2, 3])
      assert.isFalse(table.admitSource(host))
      assert.strictEqual(yield* metrics.value(networkConnectionsRejected, { reason: "address" }), 3)
      // Own dials to the same address, and others from elsewhere, are not concerned.
      assert.isTrue(yield* table.admit(attemptOf(6, host, "self")))
      assert.isTrue(yield* table.admit(attemptOf(7, "192.0.2.2")))
    }).pipe(Effect.provide(MetricsMemory.layer))
  )

  it.effect("lets nobody in once it has said goodbye", () =>
    Effect.gen(function* () {
      const table = yield* makeTable()
      const attempt = attemptOf(1, "192.0.2.1")
      yield* table.admit(attempt)
      yield* table.goodbye("the node stops")
      assert.isUndefined(table.get(attempt.did))
      assert.isFalse(table.admitSource("192.0.2.1"))
      assert.isFalse(yield* table.admit(attempt))
      assert.deepStrictEqual(connect(table, attempt).closings, ["it was not admitted"])
    })
  )

  it.effect("never admits this node itself", () =>
    Effect.gen(function* () {
      const table = yield* makeTable()
      assert.isFalse(yield* table.admit(attemptOf(0, "192.0.2.1")))
      assert.isFalse(yield* table.admit(attemptOf(0, "192.0.2.1", "self")))
    })
  )

  it.effect("ends a connection whose greeting dies, with what it died of", () =>
    Effect.gen(function* () {
      const table = yield* makeTable()
      const attempt = attemptOf(1, "192.0.2.1")
      table.hooks = { ...table.hooks, greet: () => Effect.die(new Error("a bug in the greeting")) }
      yield* table.admit(attempt)
      assert.deepStrictEqual(connect(table, attempt).closings, ["a bug in the greeting"])
      assert.isUndefined(table.get(attempt.did))
    })
  )

  it("takes a public IPv6 network for one source, and every other address for its own", () => {
    assert.strictEqual(sourceOf("2600:1:2:3::1"), sourceOf("2600:1:2:3:ffff::2"))
    assert.notStrictEqual(sourceOf("2600:1:2:3::1"), sourceOf("2600:1:2:4::1"))
    for (const host of ["192.0.2.1", "127.0.0.1", "::1", "fd00::1", "fe80::1"]) assert.strictEqual(sourceOf(host), host)
  })
})
