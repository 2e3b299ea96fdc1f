import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { spawn, spawnSync } from "node:child_process"
import { catalogue } from "../../src/domain/metrics.ts"
import * as MetricsPrometheus from "../../src/layers/MetricsPrometheus.ts"
import * as ProcessMetrics from "../../src/programs/processMetrics.ts"
import { Metrics } from "../../src/services/Metrics.ts"

const promtool = process.env["PROMTOOL"] ?? "promtool"
const isMissing = spawnSync(promtool, ["--version"]).error !== undefined
/** Where everything has to be there, a missing program fails the test instead of skipping it. */
const mayBeMissing = process.env["CI"] !== "true"

/** Exit code and everything printed by `promtool check metrics` on a text. */
const checkMetrics = (text: string) =>
  Effect.callback<{ readonly code: number | null; readonly output: string }>((resume) => {
    const child = spawn(promtool, ["check", "metrics"])
    let output = ""
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => (output += chunk.toString()))
    child.on("error", (error) => resume(Effect.die(error)))
    child.on("close", (code) => resume(Effect.succeed({ code, output })))
    child.stdin.end(text)
  })

describe.skipIf(isMissing && mayBeMissing)("promtool (of the package prometheus, or named in PROMTOOL)", () => {
  it.live("accepts the whole exposition without a warning", () =>
    Effect.gen(function* () {
      const text = yield* Effect.flatMap(Metrics, (metrics) => metrics.exposition)
      for (const { name } of catalogue) assert.include(text, `# TYPE ${name} `)
      assert.deepStrictEqual(yield* checkMetrics(text), { code: 0, output: "" })
    }).pipe(Effect.provide(ProcessMetrics.layer.pipe(Layer.provideMerge(MetricsPrometheus.layerIsolated))))
  )

  it.live("would complain of a gauge called _total, so that its silence means something", () =>
    Effect.gen(function* () {
      const { code, output } = yield* checkMetrics("# HELP x_total X.\n# TYPE x_total gauge\nx_total 1\n")
      assert.notStrictEqual(code, 0)
      assert.include(output, "_total")
    })
  )
})
