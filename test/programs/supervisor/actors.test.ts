import { assert, describe, it } from "@effect/vitest"
import { Clock, Data, Effect, Exit, Fiber, Layer, Ref, Scope } from "effect"
import { TestClock } from "effect/testing"
import {
  supervisorActorFlapping,
  supervisorActorRestarts,
  supervisorActorsSpawned,
  supervisorActorSpawnFailures,
  supervisorErrors
} from "../../../src/domain/metrics.ts"
import * as HealthMemory from "../../../src/layers/HealthMemory.ts"
import * as MetricsMemory from "../../../src/layers/MetricsMemory.ts"
import * as Actors from "../../../src/programs/supervisor/actors.ts"
import { Health } from "../../../src/services/Health.ts"
import { Metrics } from "../../../src/services/Metrics.ts"

class Broken extends Data.TaggedError("Broken")<{ readonly attempt: number }> {}

const services = HealthMemory.layer.pipe(Layer.provideMerge(MetricsMemory.layer))

const policy = { initialDelayMillis: 100, maxDelayMillis: 30_000, limit: 5, windowMillis: 60_000 }

/** An actor that fails at once each time, and when it did. */
const failing = Effect.gen(function* () {
  const starts = yield* Ref.make<ReadonlyArray<number>>([])
  const task: Actors.Task<Broken, never> = () =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const attempts = yield* Ref.updateAndGet(starts, (all) => [...all, now])
      return yield* new Broken({ attempt: attempts.length })
    })
  return { starts, task }
})

const stateOf = (actors: Actors.Actors) => Effect.map(actors.status, ([first]) => first?.state)

describe("actors", () => {
  it.effect("restarts a crashing actor after 100 ms, doubling up to 30 s, and never gives it up", () =>
    Effect.gen(function* () {
      const actors = yield* Actors.make(policy, yield* Effect.scope)
      const { starts, task } = yield* failing
      yield* actors.spawn("turn", task)
      yield* TestClock.adjust("3 minutes")
      const gaps = (yield* Ref.get(starts)).map((at, index, all) => at - (all[index - 1] ?? 0))
      assert.deepStrictEqual(
        gaps.slice(0, 13),
        [0, 100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000, 30_000]
      )
      const metrics = yield* Metrics
      const restarts = gaps.length - 1
      assert.strictEqual(yield* metrics.value(supervisorActorRestarts, { actor: "turn" }), restarts)
      assert.strictEqual(yield* metrics.value(supervisorErrors, { operation: "actor_crash" }), restarts + 1)
      assert.strictEqual(yield* metrics.value(supervisorActorsSpawned, { actor: "turn" }), 1)
    }).pipe(Effect.provide(services))
  )

  it.effect("degrades on the sixth restart within a minute and says so once", () =>
    Effect.gen(function* () {
      const actors = yield* Actors.make(policy, yield* Effect.scope)
      const { task } = yield* failing
      yield* actors.spawn("turn", task)
      yield* TestClock.adjust(3099)
      assert.strictEqual(yield* stateOf(actors), "waiting")
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* stateOf(actors), "degraded")
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(yield* stateOf(actors), "degraded")
      const metrics = yield* Metrics
      assert.strictEqual(yield* metrics.value(supervisorActorFlapping, { actor: "turn" }), 1)
      const { parts, status } = yield* Effect.flatMap(Health, (health) => health.report)
      assert.notStrictEqual(status, "ok")
      assert.include(parts.turn?.detail, "degraded, restarted 8 times: Broken")
    }).pipe(Effect.provide(services))
  )

  it.effect("counts a flapping actor as recovered only after it stayed up for a whole window", () =>
    Effect.gen(function* () {
      const actors = yield* Actors.make(policy, yield* Effect.scope)
      const broken = yield* Ref.make(true)
      yield* actors.spawn(
        "turn",
        Effect.fnUntraced(function* (ready) {
          if (yield* Ref.get(broken)) return yield* new Broken({ attempt: 0 })
          yield* ready
          return yield* Effect.never
        })
      )
      yield* TestClock.adjust("4 seconds")
      yield* Ref.set(broken, false)
      // The next restart comes 6.3 s after the first crash.
      yield* TestClock.adjust("2300 millis")
      assert.strictEqual(yield* stateOf(actors), "degraded")
      yield* TestClock.adjust("59999 millis")
      assert.strictEqual(yield* stateOf(actors), "degraded")
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* stateOf(actors), "running")
    }).pipe(Effect.provide(services))
  )

  it.effect("restarts after a defect and after a task that simply returns", () =>
    Effect.gen(function* () {
      const actors = yield* Actors.make(policy, yield* Effect.scope)
      const runs = yield* Ref.make(0)
      yield* actors.spawn("metrics_update", () =>
        Effect.flatMap(
          Ref.updateAndGet(runs, (n) => n + 1),
          (n) => (n === 1 ? Effect.die(new Error("defect")) : n === 2 ? Effect.void : Effect.never)
        )
      )
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Ref.get(runs), 3)
      const [status] = yield* actors.status
      assert.include(status?.lastError, "the task returned")
    }).pipe(Effect.provide(services))
  )

  it.effect("hands the failure of a required actor's start to the caller and does not restart it", () =>
    Effect.gen(function* () {
      const actors = yield* Actors.make(policy, yield* Effect.scope)
      const { starts, task } = yield* failing
      const error = yield* Effect.flip(actors.spawnRequired("rpc_server", task))
      assert.strictEqual(error._tag, "Broken")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Ref.get(starts)).length, 1)
      const metrics = yield* Metrics
      assert.strictEqual(yield* metrics.value(supervisorActorSpawnFailures, { actor: "rpc_server" }), 1)
      assert.strictEqual(yield* metrics.value(supervisorActorsSpawned, { actor: "rpc_server" }), 0)
    }).pipe(Effect.provide(services))
  )

  it.effect("waits for a required actor to be ready and restarts it when it crashes later", () =>
    Effect.gen(function* () {
      const actors = yield* Actors.make(policy, yield* Effect.scope)
      const runs = yield* Ref.make(0)
      const spawning = yield* actors
        .spawnRequired(
          "rpc_server",
          Effect.fnUntraced(function* (ready) {
            yield* Ref.update(runs, (n) => n + 1)
            yield* Effect.sleep("2 seconds")
            yield* ready
            yield* Effect.sleep("1 second")
            return yield* new Broken({ attempt: 0 })
          })
        )
        .pipe(Effect.forkChild({ startImmediately: true }))
      yield* TestClock.adjust("1999 millis")
      assert.isUndefined(spawning.pollUnsafe())
      yield* TestClock.adjust(1)
      yield* Fiber.join(spawning)
      yield* TestClock.adjust("1100 millis")
      assert.strictEqual(yield* Ref.get(runs), 2)
    }).pipe(Effect.provide(services))
  )

  it.effect("stops actors in reverse order of their start and runs their finalizers", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const actors = yield* Actors.make(policy, scope)
      const closed = yield* Ref.make<ReadonlyArray<string>>([])
      for (const name of ["metrics_server", "turn", "rpc_server"] as const) {
        yield* actors.spawn(
          name,
          Effect.fnUntraced(function* (ready) {
            yield* Effect.addFinalizer(() => Ref.update(closed, (all) => [...all, name]))
            yield* ready
            return yield* Effect.never
          })
        )
      }
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* Ref.get(closed), ["rpc_server", "turn", "metrics_server"])
    }).pipe(Effect.provide(services))
  )
})
