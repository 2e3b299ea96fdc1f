import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Metric } from "effect"
import { type AnyMetric, catalogue, labelCombinations, seriesKey, turnAllocations } from "../../src/domain/metrics.ts"
import * as MetricsPrometheus from "../../src/layers/MetricsPrometheus.ts"
import { Metrics } from "../../src/services/Metrics.ts"
import { metricsContract } from "../contract/Metrics.ts"

metricsContract("MetricsPrometheus", MetricsPrometheus.layerIsolated)

/** A histogram has a count where others have their value. */
const suffixOf = ({ kind }: AnyMetric) => (kind === "histogram" ? "_count" : "")

describe("MetricsPrometheus", () => {
  it.effect("tells every series of the catalogue as 0 before anything happened", () =>
    Effect.gen(function* () {
      const text = yield* Effect.flatMap(Metrics, (metrics) => metrics.exposition)
      const lines = new Set(text.split("\n"))
      const isThere = (metric: AnyMetric) =>
        lines.has(`# HELP ${metric.name} ${metric.help}`) &&
        lines.has(`# TYPE ${metric.name} ${metric.kind}`) &&
        labelCombinations(metric).every((labels) => lines.has(`${seriesKey(metric, labels, suffixOf(metric))} 0`))
      assert.deepStrictEqual(
        catalogue.filter((metric) => !isThere(metric)).map(({ name }) => name),
        []
      )
      assert.isTrue(text.endsWith("\n"))
    }).pipe(Effect.provide(MetricsPrometheus.layerIsolated))
  )

  it.effect("shares the registry of its context, so that other exporters see the same figures", () =>
    Effect.gen(function* () {
      yield* Effect.flatMap(Metrics, (metrics) => metrics.inc(turnAllocations, {}))
      const snapshots = yield* Metric.snapshot
      const series = snapshots.find(({ id }) => id === turnAllocations.name)
      assert.deepStrictEqual(series?.state, { count: 1, incremental: true })
    }).pipe(Effect.provide(MetricsPrometheus.layer), Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it.effect("does not turn the attributes of a caller into labels", () =>
    Effect.gen(function* () {
      const metrics = yield* Metrics
      yield* metrics
        .inc(turnAllocations, {})
        .pipe(Effect.provideService(Metric.CurrentMetricAttributes, { peer: "did:key:z6Mk" }))
      const text = yield* metrics.exposition
      assert.include(text, "icn_turn_allocations_total 1\n")
      assert.notInclude(text, "did:key")
    }).pipe(Effect.provide(MetricsPrometheus.layerIsolated))
  )

  it.effect("keeps fresh isolated layers apart", () =>
    Effect.gen(function* () {
      const inc = Effect.flatMap(Metrics, (metrics) =>
        Effect.andThen(metrics.inc(turnAllocations, {}), metrics.value(turnAllocations, {}))
      )
      const own = Layer.fresh(MetricsPrometheus.layerIsolated)
      assert.strictEqual(yield* inc.pipe(Effect.provide(own)), 1)
      assert.strictEqual(yield* inc.pipe(Effect.provide(own)), 1)
    })
  )
})
