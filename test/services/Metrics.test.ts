import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Layer, Logger, Schema } from "effect"
import { supervisorErrors } from "../../src/domain/metrics.ts"
import type { Operation } from "../../src/domain/operations.ts"
import * as MetricsMemory from "../../src/layers/MetricsMemory.ts"
import { Metrics, report, reportAndIgnore } from "../../src/services/Metrics.ts"

class Boom extends Schema.TaggedError<Boom>()("Boom", { code: Schema.Int }) {
  override get message() {
    return `boom ${this.code}`
  }
}

/** Metrics in memory, and what was logged. */
const harness = Effect.gen(function* () {
  const lines: Array<{ readonly text: string; readonly cause: string | undefined; readonly operation: unknown }> = []
  const logger = Logger.make((options) => {
    const { annotations, cause, level, message } = Logger.formatStructured.log(options)
    lines.push({ text: `${level} ${String(message)}`, cause, operation: annotations["operation"] })
  })
  const context = yield* Layer.build(Layer.merge(MetricsMemory.layer, Logger.layer([logger])))
  const errors = (operation: Operation) =>
    Effect.flatMap(Metrics, (metrics) => metrics.value(supervisorErrors, { operation })).pipe(Effect.provide(context))
  return { context, errors, lines }
})

describe("report", () => {
  it.effect("logs and counts an expected error once, by its message and without a stack", () =>
    Effect.gen(function* () {
      const { context, errors, lines } = yield* harness
      yield* report("turn_allocate", Cause.fail(new Boom({ code: 7 }))).pipe(Effect.provide(context))
      assert.deepStrictEqual(lines, [{ text: "ERROR boom 7", cause: undefined, operation: "turn_allocate" }])
      assert.strictEqual(yield* errors("turn_allocate"), 1)
    })
  )

  it.effect("tells a defect with its stack", () =>
    Effect.gen(function* () {
      const { context, errors, lines } = yield* harness
      yield* report("startup", Cause.die(new RangeError("broken invariant"))).pipe(Effect.provide(context))
      assert.strictEqual(lines.length, 1)
      assert.include(lines[0]?.cause, "RangeError: broken invariant")
      assert.include(lines[0]?.cause, "Metrics.test.ts")
      assert.strictEqual(yield* errors("startup"), 1)
    })
  )

  it.effect("tells an error that passes two reporters only at the first", () =>
    Effect.gen(function* () {
      const { context, errors, lines } = yield* harness
      const inner = Effect.fail(new Boom({ code: 1 })).pipe(Effect.tapCause((cause) => report("turn_refresh", cause)))
      yield* inner.pipe(reportAndIgnore("actor_crash"), Effect.provide(context))
      assert.strictEqual(lines.length, 1)
      assert.strictEqual(yield* errors("turn_refresh"), 1)
      assert.strictEqual(yield* errors("actor_crash"), 0)
    })
  )

  it.effect("tells only what is new of a cause that holds an error told before", () =>
    Effect.gen(function* () {
      const { context, errors, lines } = yield* harness
      const told = Cause.fail(new Boom({ code: 1 }))
      yield* report("turn_refresh", told).pipe(Effect.provide(context))
      const both = Cause.combine(told, Cause.fail(new Boom({ code: 2 })))
      yield* report("actor_crash", both).pipe(Effect.provide(context))
      assert.deepStrictEqual(
        lines.map(({ text }) => text),
        ["ERROR boom 1", "ERROR boom 2"]
      )
      assert.strictEqual(yield* errors("actor_crash"), 1)
    })
  )

  it.effect("counts two equal errors as two, and one cause with two errors as one", () =>
    Effect.gen(function* () {
      const { context, errors, lines } = yield* harness
      yield* report("config", Cause.fail(new Boom({ code: 1 }))).pipe(Effect.provide(context))
      yield* report("config", Cause.fail(new Boom({ code: 1 }))).pipe(Effect.provide(context))
      const both = Cause.combine(Cause.fail(new Boom({ code: 2 })), Cause.fail(new Boom({ code: 3 })))
      yield* report("config", both).pipe(Effect.provide(context))
      assert.strictEqual(lines[2]?.text, "ERROR boom 2; boom 3")
      assert.strictEqual(yield* errors("config"), 3)
    })
  )

  it.effect("counts values without identity every time", () =>
    Effect.gen(function* () {
      const { context, errors, lines } = yield* harness
      yield* report("config", Cause.fail("plain")).pipe(Effect.provide(context))
      yield* report("config", Cause.fail("plain")).pipe(Effect.provide(context))
      assert.strictEqual(lines.length, 2)
      assert.strictEqual(yield* errors("config"), 2)
    })
  )

  it.effect("says nothing of an interruption or of an empty cause", () =>
    Effect.gen(function* () {
      const { context, errors, lines } = yield* harness
      yield* report("startup", Cause.interrupt()).pipe(Effect.provide(context))
      yield* report("startup", Cause.empty).pipe(Effect.provide(context))
      assert.deepStrictEqual(lines, [])
      assert.strictEqual(yield* errors("startup"), 0)
    })
  )

  it.effect("works without metrics", () => report("startup", Cause.fail(new Boom({ code: 1 }))))
})

describe("reportAndIgnore", () => {
  it.effect("goes on after an error and drops the result", () =>
    Effect.gen(function* () {
      const { context, errors } = yield* harness
      const failed: void = yield* Effect.fail(new Boom({ code: 1 })).pipe(
        reportAndIgnore("metrics_update"),
        Effect.provide(context)
      )
      const succeeded: void = yield* Effect.succeed(1).pipe(reportAndIgnore("metrics_update"), Effect.provide(context))
      assert.isUndefined(failed)
      assert.isUndefined(succeeded)
      assert.strictEqual(yield* errors("metrics_update"), 1)
    })
  )

  it.effect("lets an interruption through", () =>
    Effect.gen(function* () {
      const { context, errors } = yield* harness
      const fiber = yield* Effect.never.pipe(
        reportAndIgnore("metrics_update"),
        Effect.provide(context),
        Effect.forkChild({ startImmediately: true })
      )
      yield* Fiber.interrupt(fiber)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)))
      const within = yield* Effect.interrupt.pipe(reportAndIgnore("metrics_update"), Effect.exit)
      assert.isTrue(Exit.hasInterrupts(within))
      assert.strictEqual(yield* errors("metrics_update"), 0)
    })
  )
})
