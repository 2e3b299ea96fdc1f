import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { catalogue } from "../../src/domain/metrics.ts"
import { metricsMarkdown } from "../../tools/metricsDocs.ts"

describe("docs/metrics.md", () => {
  it("is what the catalogue says; otherwise run node tools/generate.ts", () => {
    assert.strictEqual(readFileSync(new URL("../../docs/metrics.md", import.meta.url), "utf8"), metricsMarkdown())
  })

  it("has one row for each metric and each former name", () => {
    for (const { formerNames, name } of catalogue) {
      assert.strictEqual(metricsMarkdown().split(`\n| \`${name}\` | `).length, 2, name)
      for (const formerName of Object.keys(formerNames ?? {})) {
        assert.strictEqual(metricsMarkdown().split(`\n| \`${formerName}\` | \`${name}`).length, 2, formerName)
      }
    }
  })
})
