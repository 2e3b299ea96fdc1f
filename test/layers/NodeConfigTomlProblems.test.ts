import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { fileURLToPath } from "node:url"
import { leaves } from "../../src/domain/nodeConfig.ts"
import { formatProblem } from "../../src/domain/nodeConfigProblem.ts"
import * as NodeConfigToml from "../../src/layers/NodeConfigToml.ts"
import { makeWorkspace, withFiles } from "../fixtures/nodeConfig/workspace.ts"
import { fuzzSeed, makeRandom } from "../fixtures/random.ts"

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/nodeConfig/${name}`, import.meta.url))

describe("a bad file", () => {
  it.effect("is told of with every error at once, in the order of its lines", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { load, write } = yield* makeWorkspace
      yield* write("icn.toml", yield* fs.readFileString(fixture("bad-input.txt")), 0o644)
      const error = yield* Effect.flip(load({ env: { ICN_SUPERVISOR_RESTART_WINDOW_SECS: "1m" } }))
      const warnings = error.warnings.map((warning) => `warning: ${formatProblem(warning)}\n`).join("")
      assert.strictEqual(`${error.message}\n${warnings}`, yield* fs.readFileString(fixture("bad-output.txt")))
    }).pipe(withFiles)
  )

  it.effect("with thousands of problems names the first hundred and counts the rest", () =>
    Effect.gen(function* () {
      const { load, write } = yield* makeWorkspace
      yield* write("icn.toml", Array.from({ length: 5000 }, (_, index) => `key${index} = 1`).join("\n"))
      const { problems } = yield* Effect.flip(load())
      assert.lengthOf(problems, NodeConfigToml.problemsMax + 1)
      assert.strictEqual(problems.at(-1)?.problem, "and 4900 more")
    }).pipe(withFiles)
  )

  it.effect("of any kind gives values or problems, never a defect", () =>
    Effect.gen(function* () {
      const { load, write } = yield* makeWorkspace
      const seed = fuzzSeed()
      const random = makeRandom(seed)
      const names = leaves.flatMap(({ path }) => path.split("."))
      const values = [
        "1",
        "-1",
        "1.0",
        "1e400",
        "inf",
        "true",
        '"x"',
        "''",
        '"[::1]:1"',
        "[]",
        "[[1]]",
        "{}",
        "07:32:00",
        "x",
        ""
      ]
      const statement = (): string => {
        const path = Array.from({ length: 1 + random.below(3) }, () => random.pick(names)).join(".")
        return random.pick([
          `[${path}]`,
          `[[${path}]]`,
          `${path} = ${random.pick(values)}`,
          `${path} = ${random.pick(values)}`
        ])
      }
      for (let run = 0; run < 300; run++) {
        const text = Array.from({ length: random.below(12) }, statement).join("\n")
        yield* write("icn.toml", text)
        const exit = yield* Effect.result(load()).pipe(
          Effect.catchDefect((defect) => Effect.die(new Error(`seed ${seed}: ${text}`, { cause: defect })))
        )
        if (exit._tag === "Failure") assert.isNotEmpty(exit.failure.problems, text)
      }
    }).pipe(withFiles)
  )
})
