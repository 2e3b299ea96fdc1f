import { assert, describe, it } from "@effect/vitest"
import { Data, Deferred, Effect, Exit, Fiber, Latch, Scope } from "effect"
import { TestClock } from "effect/testing"
import { supervisorErrors } from "../../../src/domain/metrics.ts"
import * as MetricsMemory from "../../../src/layers/MetricsMemory.ts"
import * as Saver from "../../../src/layers/peerBook/Saver.ts"
import { Metrics } from "../../../src/services/Metrics.ts"

class DiskFull extends Data.TaggedError("DiskFull")<{ readonly message: string }> {}

interface Setup {
  text: string
  readonly written: Array<string>
  problem: Effect.Effect<void, DiskFull>
  readonly touched: Latch.Latch
  readonly scope: Scope.Closeable
}

/** A saver whose text, writings and failures are at hand. */
const setUp = Effect.gen(function* () {
  const setup: Setup = {
    text: "a",
    written: [],
    problem: Effect.void,
    touched: Latch.makeUnsafe(false),
    scope: yield* Scope.make()
  }
  const write = (text: string) =>
    Effect.andThen(
      Effect.suspend(() => setup.problem),
      Effect.sync(() => {
        setup.written.push(text)
      })
    )
  yield* Saver.run(
    setup.touched,
    Effect.sync(() => setup.text),
    "a",
    write
  ).pipe(Scope.provide(setup.scope))
  return setup
})

const change = (setup: Setup, text: string): void => {
  setup.text = text
  setup.touched.openUnsafe()
}

describe("Saver", () => {
  it.effect("writes the first change at once, and many that follow soon once", () =>
    Effect.gen(function* () {
      const setup = yield* setUp
      for (const text of ["b", "c", "d"]) {
        change(setup, text)
        yield* TestClock.adjust(Saver.saveIntervalMillis / 4)
        assert.deepStrictEqual(setup.written, ["b"])
      }
      yield* TestClock.adjust(Saver.saveIntervalMillis / 4 - 1)
      assert.deepStrictEqual(setup.written, ["b"])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(setup.written, ["b", "d"])
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(setup.written, ["b", "d"])
      change(setup, "e")
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(setup.written, ["b", "d", "e"])
    })
  )

  it.effect("writes at most once in each interval, however often something changes", () =>
    Effect.gen(function* () {
      const setup = yield* setUp
      for (let tick = 1; tick <= 100; tick++) {
        change(setup, String(tick))
        yield* TestClock.adjust(Saver.saveIntervalMillis / 10)
      }
      assert.isAtMost(setup.written.length, 11)
      assert.isAtLeast(setup.written.length, 10)
    })
  )

  it.effect("does not write what is written already", () =>
    Effect.gen(function* () {
      const setup = yield* setUp
      change(setup, "a")
      yield* TestClock.adjust("1 minute")
      yield* Scope.close(setup.scope, Exit.void)
      assert.deepStrictEqual(setup.written, [])
    })
  )

  it.effect("writes at the end what has not been written, without waiting", () =>
    Effect.gen(function* () {
      const setup = yield* setUp
      change(setup, "b")
      yield* Scope.close(setup.scope, Exit.void)
      assert.deepStrictEqual(setup.written, ["b"])
    })
  )

  it.effect("lets a writing that has begun come to its end before it closes, and writes what came after", () =>
    Effect.gen(function* () {
      const setup = yield* setUp
      const gate = yield* Deferred.make<void>()
      setup.problem = Deferred.await(gate)
      change(setup, "b")
      yield* TestClock.adjust(Saver.saveIntervalMillis)
      change(setup, "c")
      const closing = yield* Scope.close(setup.scope, Exit.void).pipe(Effect.forkChild({ startImmediately: true }))
      yield* TestClock.adjust("1 minute")
      assert.isUndefined(closing.pollUnsafe())
      assert.deepStrictEqual(setup.written, [])
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(closing)
      assert.deepStrictEqual(setup.written, ["b", "c"])
    })
  )

  it.effect("reports a failed writing and tries again later, without hammering a full disk", () =>
    Effect.gen(function* () {
      const setup = yield* setUp
      const metrics = yield* Metrics
      const failures = metrics.value(supervisorErrors, { operation: "peer_book" })
      setup.problem = Effect.suspend(() => Effect.fail(new DiskFull({ message: "no space left" })))
      change(setup, "b")
      yield* TestClock.adjust(Saver.saveIntervalMillis)
      assert.strictEqual(yield* failures, 1)
      yield* TestClock.adjust(Saver.saveRetryMillis - 1)
      assert.strictEqual(yield* failures, 1)
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* failures, 2)
      setup.problem = Effect.void
      yield* TestClock.adjust(Saver.saveRetryMillis + Saver.saveIntervalMillis)
      assert.deepStrictEqual(setup.written, ["b"])
      setup.problem = Effect.suspend(() => Effect.fail(new DiskFull({ message: "no space left" })))
      change(setup, "c")
      yield* Scope.close(setup.scope, Exit.void)
      assert.strictEqual(yield* failures, 3)
      assert.deepStrictEqual(setup.written, ["b"])
    }).pipe(Effect.provide(MetricsMemory.layer))
  )
})
