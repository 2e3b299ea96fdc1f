import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { homedir } from "node:os"
import { ProcessEnvironment } from "../../../src/programs/cli/environment.ts"

describe("ProcessEnvironment", () => {
  it.effect("is the real process unless something else is provided", () =>
    Effect.gen(function* () {
      const { homeDirectory, platform, variables, workingDirectory } = yield* ProcessEnvironment
      assert.strictEqual(variables["PATH"], process.env["PATH"])
      assert.deepStrictEqual([homeDirectory, platform, workingDirectory], [homedir(), process.platform, process.cwd()])
    })
  )

  it.effect("can be set, so that nothing of the process shows through", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* ProcessEnvironment).variables, { ICN_DATA_DIR: "/data" })
    }).pipe(
      Effect.provideService(ProcessEnvironment, {
        variables: { ICN_DATA_DIR: "/data" },
        homeDirectory: undefined,
        workingDirectory: "/",
        platform: "linux"
      })
    )
  )
})
