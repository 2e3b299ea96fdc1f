import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { supervisorState } from "../../src/domain/metrics.ts"
import * as HealthMemory from "../../src/layers/HealthMemory.ts"
import * as MetricsMemory from "../../src/layers/MetricsMemory.ts"
import { Health } from "../../src/services/Health.ts"
import { Metrics } from "../../src/services/Metrics.ts"

const layer = HealthMemory.layer.pipe(Layer.provideMerge(MetricsMemory.layer))

describe("HealthMemory", () => {
  it.effect("is down before the start and from the beginning of the shutdown", () =>
    Effect.gen(function* () {
      const health = yield* Health
      assert.deepStrictEqual(yield* health.report, { status: "down", state: "stopped", parts: {} })
      const statuses: Array<string> = []
      for (const state of ["starting", "running", "stopping", "stopped"] as const) {
        yield* health.setState(state)
        statuses.push((yield* health.report).status)
      }
      assert.deepStrictEqual(statuses, ["ok", "ok", "down", "down"])
    }).pipe(Effect.provide(layer))
  )

  it.effect("is degraded as long as one part is, and names it", () =>
    Effect.gen(function* () {
      const health = yield* Health
      yield* health.setState("running")
      yield* health.setPart("rpc_server", { status: "ok", detail: "listening" })
      yield* health.setPart("turn", { status: "degraded", detail: "no answer" })
      assert.deepStrictEqual(yield* health.report, {
        status: "degraded",
        state: "running",
        parts: { rpc_server: { status: "ok", detail: "listening" }, turn: { status: "degraded", detail: "no answer" } }
      })
      yield* health.setPart("turn", { status: "ok", detail: "relayed" })
      assert.strictEqual((yield* health.report).status, "ok")
    }).pipe(Effect.provide(layer))
  )

  it.effect("tells the state as 0 stopped, 1 starting, 2 running, 3 stopping", () =>
    Effect.gen(function* () {
      const health = yield* Health
      const metrics = yield* Metrics
      const values: Array<number> = []
      for (const state of ["starting", "running", "stopping", "stopped"] as const) {
        yield* health.setState(state)
        values.push(yield* metrics.value(supervisorState, {}))
      }
      assert.deepStrictEqual(values, [1, 2, 3, 0])
    }).pipe(Effect.provide(layer))
  )
})
