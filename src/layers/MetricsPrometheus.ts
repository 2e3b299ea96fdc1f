/**
 * Metrics in Effect's own metric registry, told as Prometheus text; whatever else exports that registry (OTLP, a host
 * application) sees them too. Every series of the catalogue exists from the start with the value 0, so that rates and
 * alerts work before the first event.
 */
import { Cause, Context, Effect, Layer, Metric } from "effect"
import { PrometheusMetrics } from "effect/observability"
import { makeMetricSamples } from "../domain/metricSamples.ts"
import {
  type AnyMetric,
  catalogue,
  type Counter,
  type Gauge,
  type Histogram,
  labelCombinations,
  type Labels,
  seriesKey,
  supervisorErrors
} from "../domain/metrics.ts"
import { Metrics, type MetricsShape, report } from "../services/Metrics.ts"

/** Builds each series once: attaching labels costs four times as much as an update. */
const memoized = <M extends AnyMetric, S>(build: (metric: M, labels: Labels) => S) => {
  const known = new Map<string, S>()
  return (metric: M, labels: Labels): S => {
    const key = seriesKey(metric, labels)
    const present = known.get(key)
    if (present !== undefined) return present
    const built = build(metric, labels)
    known.set(key, built)
    return built
  }
}

const makeSeries = () => ({
  counter: memoized(({ help, name }: Counter, attributes) =>
    Metric.counter(name, { description: help, attributes, incremental: true })
  ),
  gauge: memoized(({ help, name }: Gauge, attributes) => Metric.gauge(name, { description: help, attributes })),
  histogram: memoized(({ boundaries, help, name }: Histogram, attributes) =>
    Metric.histogram(name, { description: help, attributes, boundaries })
  )
})

const make = Effect.gen(function* () {
  // Only the registry: attributes of whoever calls must not become labels.
  const context = Context.make(Metric.MetricRegistry, yield* Metric.MetricRegistry)
  const series = makeSeries()

  /** Reading a series also registers it. */
  const read = (metric: AnyMetric, labels: Labels): number => {
    switch (metric.kind) {
      case "counter":
        return series.counter(metric, labels).valueUnsafe(context).count
      case "gauge":
        return series.gauge(metric, labels).valueUnsafe(context).value
      case "histogram":
        return series.histogram(metric, labels).valueUnsafe(context).count
    }
  }
  const add = (metric: Counter, labels: Labels, by: number) => series.counter(metric, labels).updateUnsafe(by, context)
  const set = (metric: Gauge, labels: Labels, value: number) =>
    series.gauge(metric, labels).updateUnsafe(value, context)

  for (const metric of catalogue) for (const labels of labelCombinations(metric)) read(metric, labels)

  const samples = makeMetricSamples({ add, set })
  const collect: Effect.Effect<void> = Effect.suspend(() =>
    Effect.forEach(samples.collect(), (thrown) => report("metrics_update", Cause.die(thrown)), { discard: true }).pipe(
      // Whoever asks for the figures, failures are counted here.
      Effect.provideService(Metrics, service)
    )
  )
  const service: MetricsShape = {
    inc: (metric, labels, by = 1) => Effect.sync(() => add(metric, labels, by)),
    set: (metric, labels, value) => Effect.sync(() => set(metric, labels, value)),
    observe: (metric, labels, value) =>
      Effect.sync(() => series.histogram(metric, labels).updateUnsafe(value, context)),
    sample: (metric, labels, read) =>
      Effect.acquireRelease(
        Effect.sync(() => samples.open(metric, labels, read)),
        (sample) => Effect.sync(() => samples.close(sample))
      ).pipe(Effect.asVoid),
    collect,
    errorInc: (operation) => Effect.sync(() => add(supervisorErrors, { operation }, 1)),
    value: (metric, labels) => Effect.map(collect, () => read(metric, labels)),
    exposition: collect.pipe(Effect.andThen(Effect.sync(() => PrometheusMetrics.formatUnsafe(context))))
  }
  return service
})

/** Measures into the metric registry of the context that builds it: the process's own unless another is provided. */
export const layer: Layer.Layer<never> = Layer.effect(Metrics, make)

/**
 * Measures into a registry of its own, which whatever is built on this layer uses too. For several nodes in one
 * process, each with `Layer.fresh`.
 */
export const layerIsolated: Layer.Layer<never> = layer.pipe(
  Layer.provideMerge(Layer.sync(Metric.MetricRegistry, () => new Map()))
)
