import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { makeMetricSamples } from "../../src/domain/metricSamples.ts"
import { processCpu, seriesKey, turnLifetimeLeft } from "../../src/domain/metrics.ts"

const makeSink = () => {
  const values = new Map<string, number>()
  const samples = makeMetricSamples({
    add: (metric, labels, by) => {
      assert.isAtLeast(by, 0)
      const key = seriesKey(metric, labels)
      values.set(key, (values.get(key) ?? 0) + by)
    },
    set: (metric, labels, value) => {
      values.set(seriesKey(metric, labels), value)
    }
  })
  return { samples, values }
}

const Reading = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000 }))

describe("metric samples", () => {
  it.prop(
    "a counter ends with the sum of what its samples reached, whatever the order of readings and closings",
    [Schema.Array(Schema.Tuple([Schema.Array(Reading), Schema.Boolean]))],
    ([histories]) => {
      const { samples, values } = makeSink()
      const sources = histories.map(([increments, closes]) => {
        const source = { count: 0, increments, closes }
        return { source, sample: samples.open(processCpu, {}, () => source.count) }
      })
      for (const { sample, source } of sources) {
        for (const increment of source.increments) {
          source.count += increment
          if (increment % 2 === 0) samples.collect()
        }
        if (source.closes) samples.close(sample)
      }
      samples.collect()
      const expected = sources.reduce((sum, { source }) => sum + source.count, 0)
      assert.strictEqual(values.get(processCpu.name) ?? 0, expected)
    },
    { arbitrary: { runs: 100, size: 20 } }
  )

  it("takes a figure that went backwards as counted from 0 again", () => {
    const { samples, values } = makeSink()
    let count = 10
    samples.open(processCpu, {}, () => count)
    samples.collect()
    count = 4
    samples.collect()
    assert.strictEqual(values.get(processCpu.name), 14)
  })

  it("tells a reading that is no number once, and keeps the latest good one", () => {
    const { samples, values } = makeSink()
    let left = 30
    samples.open(turnLifetimeLeft, {}, () => left)
    assert.deepStrictEqual(samples.collect(), [])
    left = Number.NaN
    assert.strictEqual(samples.collect().length, 1)
    assert.strictEqual(samples.collect().length, 0)
    assert.strictEqual(values.get(turnLifetimeLeft.name), 30)
  })

  it("closes a sample once", () => {
    const { samples, values } = makeSink()
    const sample = samples.open(processCpu, {}, () => 5)
    samples.close(sample)
    samples.close(sample)
    samples.collect()
    assert.strictEqual(values.get(processCpu.name), 5)
  })
})
