import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import {
  buildInfo,
  processActiveResources,
  processCpu,
  processHeapTotal,
  processHeapUsed,
  processResidentMemory,
  processStartTime,
  systemUptime
} from "../../src/domain/metrics.ts"
import { version } from "../../src/domain/version.ts"
import * as MetricsMemory from "../../src/layers/MetricsMemory.ts"
import * as ProcessMetrics from "../../src/programs/processMetrics.ts"
import { Metrics } from "../../src/services/Metrics.ts"

const layer = ProcessMetrics.layer.pipe(Layer.provideMerge(MetricsMemory.layer))
const mebibyte = 1024 * 1024

describe("processMetrics", () => {
  it.live("tells this process's figures in base units", () =>
    Effect.gen(function* () {
      const { value } = yield* Metrics
      assert.strictEqual(yield* value(buildInfo, { version }), 1)
      assert.approximately(yield* value(systemUptime, {}), process.uptime(), 1)
      const startedAt = (yield* Effect.clockWith((clock) => clock.currentTimeMillis)) / 1000 - process.uptime()
      assert.approximately(yield* value(processStartTime, {}), startedAt, 1)
      const { system, user } = process.cpuUsage()
      assert.approximately(yield* value(processCpu, {}), (system + user) / 1e6, 1)
      assert.isAbove(yield* value(processResidentMemory, {}), 20 * mebibyte)
      const heapUsed = yield* value(processHeapUsed, {})
      assert.isAbove(heapUsed, mebibyte)
      assert.isAtLeast(yield* value(processHeapTotal, {}), heapUsed)
      assert.isAtLeast(yield* value(processActiveResources, {}), 1)
    }).pipe(Effect.provide(layer))
  )

  it.live("reads anew at each collection", () =>
    Effect.gen(function* () {
      const { value } = yield* Metrics
      const before = yield* value(systemUptime, {})
      yield* Effect.repeat(value(systemUptime, {}), { until: (now) => now > before })
    }).pipe(Effect.provide(layer))
  )
})
