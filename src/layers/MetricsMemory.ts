/**
 * Metrics in a plain map: for tests that assert on values and for embedders who want the figures without a registry.
 * Tells a histogram by its count and sum only.
 */
import { Cause, Effect, Layer } from "effect"
import { makeMetricSamples } from "../domain/metricSamples.ts"
import { type AnyMetric, type Labels, seriesKey, supervisorErrors } from "../domain/metrics.ts"
import { Metrics, type MetricsShape, report } from "../services/Metrics.ts"

const make = (): MetricsShape => {
  const values = new Map<string, number>()

  const addTo = (key: string, by: number) => values.set(key, (values.get(key) ?? 0) + by)
  const add = (metric: AnyMetric, labels: Labels, by: number): void => {
    if (by >= 0) addTo(seriesKey(metric, labels), by)
  }
  const set = (metric: AnyMetric, labels: Labels, value: number): void => {
    values.set(seriesKey(metric, labels), value)
  }

  const samples = makeMetricSamples({ add, set })
  const collect: Effect.Effect<void> = Effect.suspend(() =>
    Effect.forEach(samples.collect(), (thrown) => report("metrics_update", Cause.die(thrown)), { discard: true }).pipe(
      // Whoever asks for the figures, failures are counted here.
      Effect.provideService(Metrics, service)
    )
  )
  const read = (metric: AnyMetric, labels: Labels): number =>
    values.get(seriesKey(metric, labels, metric.kind === "histogram" ? "_count" : "")) ?? 0

  const service: MetricsShape = {
    inc: (metric, labels, by = 1) => Effect.sync(() => add(metric, labels, by)),
    set: (metric, labels, value) => Effect.sync(() => set(metric, labels, value)),
    observe: (metric, labels, value) =>
      Effect.sync(() => {
        addTo(seriesKey(metric, labels, "_count"), 1)
        addTo(seriesKey(metric, labels, "_sum"), value)
      }),
    sample: (metric, labels, read) =>
      Effect.acquireRelease(
        Effect.sync(() => samples.open(metric, labels, read)),
        (sample) => Effect.sync(() => samples.close(sample))
      ).pipe(Effect.asVoid),
    collect,
    errorInc: (operation) => Effect.sync(() => add(supervisorErrors, { operation }, 1)),
    value: (metric, labels) => Effect.map(collect, () => read(metric, labels)),
    exposition: Effect.map(collect, () => Array.from(values, ([key, value]) => `${key} ${value}\n`).join(""))
  }
  return service
}

/** A fresh, empty set of figures for each build. */
export const layer: Layer.Layer<never> = Layer.sync(Metrics, make)
