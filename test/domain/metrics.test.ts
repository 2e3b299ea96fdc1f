import { assert, describe, it } from "@effect/vitest"
import packageJson from "../../package.json" with { type: "json" }
import * as definitions from "../../src/domain/metrics.ts"
import { actors, catalogue, labelCombinations, startupPhases } from "../../src/domain/metrics.ts"
import { operations } from "../../src/domain/operations.ts"
import { version } from "../../src/domain/version.ts"

/** More series than this of one metric would be a label that is not really bounded. */
const seriesMax = 64

describe("the catalogue of metrics", () => {
  it("holds every metric that is defined, once", () => {
    const defined = Object.values<unknown>(definitions).filter(
      (value) => typeof value === "object" && value !== null && "kind" in value
    )
    assert.sameMembers<unknown>([...catalogue], defined)
    assert.strictEqual(new Set(catalogue.map(({ name }) => name)).size, catalogue.length)
  })

  it("follows the naming rules of Prometheus", () => {
    for (const { help, kind, labels, name } of catalogue) {
      assert.match(name, /^(?:icn|process|nodejs)(?:_[a-z0-9]+)+$/)
      assert.strictEqual(name.endsWith("_total"), kind === "counter", name)
      assert.notMatch(name, /_(?:ms|milliseconds|minutes|kb|kilobytes|percent)(?:_|$)/)
      assert.match(help, /^[A-Z].*\.$/, name)
      for (const label of Object.keys(labels)) assert.match(label, /^[a-z_]+$/)
    }
  })

  it("keeps every label bounded", () => {
    for (const metric of catalogue) assert.isAtMost(labelCombinations(metric).length, seriesMax, metric.name)
  })

  it("has no value twice in a list of label values", () => {
    for (const values of [actors, operations, startupPhases]) {
      assert.strictEqual(new Set<string>(values).size, values.length)
    }
  })
})

describe("labelCombinations", () => {
  it("multiplies the values of all labels", () => {
    const metric = { kind: "gauge", name: "g", help: "", labels: { a: ["1", "2"], b: ["x", "y", "z"] } } as const
    assert.strictEqual(
      new Set(labelCombinations(metric).map((labels) => definitions.seriesKey(metric, labels))).size,
      6
    )
    assert.strictEqual(definitions.seriesKey(metric, { b: "x", a: "1" }), 'g{a="1",b="x"}')
  })
})

describe("version", () => {
  it("is that of the package", () => {
    assert.strictEqual(version, packageJson.version)
  })
})
