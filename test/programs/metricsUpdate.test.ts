import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import { TestClock } from "effect/testing"
import { lagStatistics, systemEventLoopLag, turnDroppedPackets } from "../../src/domain/metrics.ts"
import * as MetricsMemory from "../../src/layers/MetricsMemory.ts"
import { metricsUpdate } from "../../src/programs/metricsUpdate.ts"
import { Metrics } from "../../src/services/Metrics.ts"

/** Keeps the event loop busy, as a long computation would. */
const block = (millis: number): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, millis)
}

describe("metricsUpdate", () => {
  it.effect("updates at once and then at the configured interval, for ever", () =>
    Effect.gen(function* () {
      const metrics = yield* Metrics
      let readings = 0
      yield* metrics.sample(turnDroppedPackets, {}, () => ++readings)
      const ready = yield* Deferred.make<void>()
      yield* Effect.forkScoped(metricsUpdate("7 seconds")(Effect.asVoid(Deferred.succeed(ready, undefined))))
      yield* Deferred.await(ready)
      const seen = [readings]
      for (const step of ["6999 millis", "1 millis", "7 seconds", "70 seconds"] as const) {
        yield* TestClock.adjust(step)
        seen.push(readings)
      }
      assert.deepStrictEqual(seen, [1, 1, 2, 3, 13])
    }).pipe(Effect.provide(MetricsMemory.layer))
  )

  it.live("tells how late the event loop ran since the update before", () =>
    Effect.gen(function* () {
      const metrics = yield* Metrics
      const max = metrics.value(systemEventLoopLag, { statistic: "max" })
      yield* Effect.forkScoped(metricsUpdate("100 millis")(Effect.void))
      // Blocks until it is noticed, since the first measurement only starts the measuring.
      yield* Effect.sync(() => block(150)).pipe(
        Effect.andThen(Effect.sleep("50 millis")),
        Effect.andThen(max),
        Effect.repeat({ until: (seconds) => seconds > 0.1 })
      )
      for (const statistic of lagStatistics) {
        assert.isBelow(yield* metrics.value(systemEventLoopLag, { statistic }), 60)
      }
      // Without more blocking a later interval forgets it.
      yield* Effect.repeat(Effect.delay(max, "50 millis"), { until: (seconds) => seconds < 0.1 })
    }).pipe(Effect.provide(MetricsMemory.layer), Effect.timeout("20 seconds"))
  )
})
