import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { supervisorErrors } from "../../../../src/domain/metrics.ts"
import type { CallersLimits } from "../../../../src/layers/ledger/thread/Callers.ts"
import * as Thread from "../../../../src/layers/ledger/thread/Thread.ts"
import * as MetricsMemory from "../../../../src/layers/MetricsMemory.ts"
import { Metrics } from "../../../../src/services/Metrics.ts"
import type { ThreadData } from "../../../fixtures/ledgerThread.ts"
import { temporaryDirectory } from "../../../fixtures/temporaryDirectory.ts"

const limits: CallersLimits = {
  callsMax: 1000,
  batchCallsMax: 256,
  batchBytesMax: 1_000_000,
  batchesMax: 2,
  earlyCallsMin: 256,
  earlyBytesMin: 1_000_000
}

const options = (data: ThreadData = {}): Thread.ThreadOptions => ({
  name: "test",
  module: new URL("../../../fixtures/ledgerThread.ts", import.meta.url),
  data: () => data,
  limits,
  heapMiBMax: 64,
  restart: { initialDelayMillis: 1, maxDelayMillis: 4, limit: 100, windowMillis: 1000 }
})

/** A gate that holds the thread until it is opened. */
const gate = () => {
  const shared = new SharedArrayBuffer(4)
  const open = () => {
    Atomics.store(new Int32Array(shared), 0, 1)
    Atomics.notify(new Int32Array(shared), 0)
  }
  return { shared, open }
}

/** Lets what was called before go out. */
const sent = Effect.repeat(Effect.yieldNow, { times: 3 })

const until = Effect.fnUntraced(function* (holds: () => boolean) {
  while (!holds()) yield* Effect.sleep(5)
})

describe("Thread", () => {
  it.live("answers each call with what it returned or threw", () =>
    Effect.gen(function* () {
      const notes: Array<unknown> = []
      const told: Array<unknown> = []
      const thread = yield* Thread.make({
        ...options(),
        onNote: (note) => notes.push(note),
        onTold: (value) => told.push(value)
      })
      assert.strictEqual(yield* thread.call("add", [2]), 2)
      assert.strictEqual(yield* thread.call("add", [3]), 5)
      const failure = yield* Effect.flip(thread.call("fails", []))
      assert.isTrue(failure._tag === "Threw" && failure.thrown.facts["errcode"] === 10, JSON.stringify(failure))
      const unknown = yield* Effect.flip(thread.call("nothing", []))
      assert.isTrue(unknown._tag === "Threw" && unknown.thrown.name === "TypeError", JSON.stringify(unknown))
      yield* thread.call("tells", [{ done: 1 }])
      assert.deepStrictEqual(told, [{ done: 1 }])
      assert.deepStrictEqual(notes, [2, 5, 5, 5, 5])
      assert.strictEqual(thread.restarts(), 0)
    })
  )

  it.live("moves memory that is to be transferred, and copies the rest", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.make(options())
      const bytes = Uint8Array.of(1, 2, 3)
      assert.deepStrictEqual(yield* thread.call("echo", [bytes]), Uint8Array.of(1, 2, 3))
      assert.strictEqual(bytes.length, 3)
      assert.deepStrictEqual(yield* thread.call("echo", [bytes], { transfer: [bytes.buffer] }), Uint8Array.of(1, 2, 3))
      assert.strictEqual(bytes.length, 0)
    })
  )

  it.live("puts all who call at the same time into one batch", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.make(options())
      const sums = yield* Effect.all(
        Array.from({ length: 64 }, () => thread.call("add", [1])),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        sums,
        Array.from({ length: 64 }, (_, index) => index + 1)
      )
      // The batch with the question is the second.
      assert.strictEqual(yield* thread.call("batches", []), 2)
    })
  )

  it.live("keeps 64 callers in a loop together", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.make(options())
      yield* Effect.all(
        Array.from({ length: 64 }, () => Effect.repeat(thread.call("add", [1]), { times: 9 })),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(yield* thread.call("add", [0]), 640)
      assert.isAtMost(Number(yield* thread.call("batches", [])), 12)
    })
  )

  it.live("refuses more calls than may wait, and answers those that do", () =>
    Effect.gen(function* () {
      const { open, shared } = gate()
      const thread = yield* Thread.make({ ...options(), limits: { ...limits, callsMax: 10 } })
      const blocked = yield* Effect.forkChild(thread.call("waits", [shared]), { startImmediately: true })
      const waiting = yield* Effect.forkChild(
        Effect.all(
          Array.from({ length: 9 }, () => thread.call("add", [1])),
          { concurrency: "unbounded" }
        ),
        { startImmediately: true }
      )
      yield* Effect.yieldNow
      const failure = yield* Effect.flip(thread.call("add", [1]))
      assert.deepStrictEqual(failure, { _tag: "NotSent", why: { _tag: "Busy", callsMax: 10 } })
      open()
      yield* Fiber.join(blocked)
      assert.strictEqual((yield* Fiber.join(waiting)).at(-1), 9)
      assert.strictEqual(yield* thread.call("add", [1]), 10)
    })
  )

  it.live("does not send the call of a caller who has gone", () =>
    Effect.gen(function* () {
      const { open, shared } = gate()
      const thread = yield* Thread.make(options())
      const blocked = yield* Effect.forkChild(thread.call("waits", [shared]), { startImmediately: true })
      yield* sent
      const gone = yield* Effect.forkChild(thread.call("add", [100]), { startImmediately: true })
      yield* Fiber.interrupt(gone)
      open()
      yield* Fiber.join(blocked)
      assert.strictEqual(yield* thread.call("add", [1]), 1)
    })
  )

  for (const how of ["ends", "exits", "eats"]) {
    it.live(`starts a thread again that ${how}, and tells those whose calls it had`, () =>
      Effect.gen(function* () {
        const thread = yield* Thread.make(options())
        yield* thread.call("add", [1])
        const lost = yield* Effect.all(
          [
            Effect.exit(thread.call("add", [1])),
            Effect.exit(thread.call(how, [])),
            Effect.exit(thread.call("add", [1]))
          ],
          { concurrency: "unbounded" }
        )
        // A thread that ends after its answers has answered; the others have lost all of the batch.
        if (how !== "ends") {
          for (const exit of lost) {
            assert.isTrue(
              Exit.isFailure(exit) && exit.cause.reasons.some((reason) => JSON.stringify(reason).includes("Lost")),
              JSON.stringify(exit)
            )
          }
        }
        yield* until(() => thread.restarts() === 1)
        // What it knew is gone with it.
        assert.strictEqual(yield* thread.call("add", [5]), 5)
        const metrics = yield* Metrics
        assert.strictEqual(yield* metrics.value(supervisorErrors, { operation: "ledger_storage" }), 1)
      }).pipe(Effect.provide(MetricsMemory.layer))
    )
  }

  it.live("treats an answer that cannot be cloned as the end of the thread", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.make(options())
      const failure = yield* Effect.flip(thread.call("unclonable", []))
      assert.strictEqual(failure._tag, "Lost")
      assert.strictEqual(yield* thread.call("add", [5]), 5)
    })
  )

  it.live("says why it cannot begin", () =>
    Effect.gen(function* () {
      const thrown = yield* Effect.flip(Thread.make(options({ needs: "/nowhere" })))
      assert.strictEqual(thrown.message, "/nowhere is missing")
    })
  )

  it.live("fails calls while it cannot be started again, and takes them when it can", () =>
    Effect.gen(function* () {
      const needs = join(yield* temporaryDirectory, "needed")
      writeFileSync(needs, "")
      const thread = yield* Thread.make(options({ needs }))
      rmSync(needs)
      yield* Effect.exit(thread.call("exits", []))
      yield* until(() => thread.restarts() > 1)
      const failure = yield* Effect.flip(thread.call("add", [1]))
      assert.isTrue(failure._tag === "NotSent" && failure.why._tag === "Down", JSON.stringify(failure))
      writeFileSync(needs, "")
      yield* Effect.retry(thread.call("add", [1]), { while: ({ _tag }) => _tag === "NotSent" })
    })
  )

  it.live("closes after it has done what it had, and answers nobody who comes later", () =>
    Effect.gen(function* () {
      const closedFile = join(yield* temporaryDirectory, "closed")
      const scope = yield* Scope.make()
      const thread = yield* Thread.make(options({ closedFile })).pipe(Scope.provide(scope))
      const { open, shared } = gate()
      const blocked = yield* Effect.forkChild(thread.call("waits", [shared]), { startImmediately: true })
      yield* sent
      const waiting = yield* Effect.forkChild(Effect.flip(thread.call("add", [1])), { startImmediately: true })
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      assert.deepStrictEqual(yield* Fiber.join(waiting), { _tag: "NotSent", why: { _tag: "Closed" } })
      assert.isFalse(existsSync(closedFile))
      open()
      yield* Fiber.join(closing)
      assert.strictEqual(yield* Fiber.join(blocked), 0)
      assert.strictEqual(readFileSync(closedFile, "utf8"), "0")
      assert.deepStrictEqual(yield* Effect.flip(thread.call("add", [1])), { _tag: "NotSent", why: { _tag: "Closed" } })
    })
  )

  it.live("is stopped in the middle of a call that may be abandoned", () =>
    Effect.gen(function* () {
      const { shared } = gate()
      const exit = yield* Effect.scoped(
        Effect.gen(function* () {
          const thread = yield* Thread.make({ ...options(), abandon: true })
          return yield* Effect.forkDetach(Effect.flip(thread.call("waits", [shared])), { startImmediately: true })
        })
      )
      const failure = yield* Fiber.join(exit)
      assert.include(["Lost", "NotSent"], failure._tag)
    })
  )
})
