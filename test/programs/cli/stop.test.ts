import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { Command } from "effect/cli"
import { TestConsole } from "effect/testing"
import { join } from "node:path"
import * as DataDirectoryFs from "../../../src/layers/DataDirectoryFs.ts"
import { ProcessEnvironment } from "../../../src/programs/cli/environment.ts"
import { stop } from "../../../src/programs/cli/stop.ts"
import { foreignNode } from "../../fixtures/foreignNode.ts"
import { temporaryDirectory } from "../../fixtures/temporaryDirectory.ts"

describe("icn-node stop", () => {
  it.live("stops a node of another version, whose status it cannot read", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporaryDirectory
      const life = yield* Scope.make()
      const { lock } = yield* DataDirectoryFs.make(dataDir)
      yield* Scope.provide(lock, life)
      const run = Effect.runForkWith(yield* Effect.context())
      yield* foreignNode(join(dataDir, "rpc.sock"), () => run(Scope.close(life, Exit.void)))
      yield* Command.runWith(stop, { version: "0" })(["--json", "--data-dir", dataDir])
      assert.deepStrictEqual(yield* TestConsole.logLines, ['{"stopped":true,"pid":null}'])
    }).pipe(
      Effect.provideService(ProcessEnvironment, {
        variables: {},
        homeDirectory: undefined,
        workingDirectory: "/",
        platform: "linux"
      }),
      Effect.provide([NodeServices.layer, TestConsole.layer])
    )
  )
})
