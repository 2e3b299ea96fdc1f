/**
 * Figures that plain code keeps (bytes relayed, memory in use) and metrics read when they are collected. Pure
 * book-keeping over a place to write to: what one reading adds to a counter, what the readings of a gauge sum up to,
 * what remains when a sample closes. Whoever holds it decides when to collect and tells of the failures.
 */
import { Result } from "effect"
import { type Counter, type Gauge, type Labels, seriesKey } from "./metrics.ts"

/** Where collected figures go. */
export interface MetricSink {
  readonly add: (metric: Counter, labels: Labels, by: number) => void
  readonly set: (metric: Gauge, labels: Labels, value: number) => void
}

/** One open source of a figure. */
export interface MetricSample {
  readonly metric: Counter | Gauge
  readonly labels: Labels
  readonly read: () => number
  /** The latest good reading. */
  latest: number
  failing: boolean
}

export interface MetricSamples {
  readonly open: (metric: Counter | Gauge, labels: Labels, read: () => number) => MetricSample
  /** Reads every open sample. Returns what those threw that had not been failing before. */
  readonly collect: () => ReadonlyArray<unknown>
  /** Takes a last reading for a counter, takes the sample's share out of a gauge. */
  readonly close: (sample: MetricSample) => void
}

/** Reads a sample; a reading that is not a finite number is a failure like a thrown error. */
const readSample = (sample: MetricSample): Result.Result<number, unknown> =>
  Result.flatMap(Result.try({ try: sample.read, catch: (thrown) => thrown }), (value): Result.Result<number, unknown> =>
    Number.isFinite(value)
      ? Result.succeed(value)
      : Result.fail(new RangeError(`a sample of ${sample.metric.name} read ${value}`))
  )

export const makeMetricSamples = (sink: MetricSink): MetricSamples => {
  // By series, because the samples of one gauge are written as one sum.
  const seriesByKey = new Map<string, Set<MetricSample>>()

  /** Brings one sample up to date; returns its failure when it is a new one. */
  const update = (sample: MetricSample): ReadonlyArray<unknown> => {
    const reading = readSample(sample)
    if (Result.isFailure(reading)) {
      const isNew = !sample.failing
      sample.failing = true
      return isNew ? [reading.failure] : []
    }
    sample.failing = false
    // A figure that went backwards was reset by its owner, so all of it is new: what Prometheus assumes too.
    const increase = reading.success >= sample.latest ? reading.success - sample.latest : reading.success
    if (sample.metric.kind === "counter") sink.add(sample.metric, sample.labels, increase)
    sample.latest = reading.success
    return []
  }

  const writeGauge = (metric: Gauge, labels: Labels, samples: ReadonlySet<MetricSample>): void => {
    let sum = 0
    for (const sample of samples) sum += sample.latest
    sink.set(metric, labels, sum)
  }

  return {
    open: (metric, labels, read) => {
      const sample: MetricSample = { metric, labels, read, latest: 0, failing: false }
      const key = seriesKey(metric, labels)
      seriesByKey.set(key, (seriesByKey.get(key) ?? new Set()).add(sample))
      return sample
    },
    collect: () => {
      const failures: Array<unknown> = []
      for (const samples of seriesByKey.values()) {
        for (const sample of samples) failures.push(...update(sample))
        const [first] = samples
        if (first?.metric.kind === "gauge") writeGauge(first.metric, first.labels, samples)
      }
      return failures
    },
    close: (sample) => {
      const key = seriesKey(sample.metric, sample.labels)
      const samples = seriesByKey.get(key)
      if (samples?.delete(sample) !== true) return
      if (samples.size === 0) seriesByKey.delete(key)
      // The owner is going away, so a failing last reading tells nothing that anybody could still act on.
      if (sample.metric.kind === "counter") update(sample)
      else writeGauge(sample.metric, sample.labels, samples)
    }
  }
}
