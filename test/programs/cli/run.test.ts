import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { Command } from "effect/cli"
import { ProcessEnvironment } from "../../../src/programs/cli/environment.ts"
import type { CommandFailed } from "../../../src/programs/cli/output.ts"
import { run } from "../../../src/programs/cli/run.ts"

describe("run", () => {
  it.effect("takes addresses, members, port and level from flags, and ends with 78 and every one that is wrong", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const workingDirectory = yield* fs.makeTempDirectoryScoped({ prefix: "icn-cli-" })
      const flags = [
        "--listen",
        "[::]:7777,0.0.0.0",
        "--bootstrap",
        "icn://",
        "--metrics-port",
        "-1",
        "--log-level",
        "x"
      ]
      const failure = yield* Command.runWith(run, { version: "0" })(flags).pipe(
        Effect.as(undefined),
        Effect.catchTag("CommandFailed", (error: CommandFailed) => Effect.succeed(error)),
        Effect.provideService(ProcessEnvironment, {
          variables: {},
          homeDirectory: workingDirectory,
          workingDirectory,
          platform: "linux"
        })
      )
      assert.strictEqual(failure?.exitCode, 78)
      assert.deepStrictEqual(failure?.text.split("\n"), [
        "configuration has 4 problems:",
        '  network.listen_addr[1] (--listen) = "0.0.0.0": the port is missing; 0 takes a free one',
        '  network.bootstrap_peers (--bootstrap) = "icn://": the member is missing: icn://DID@host:port',
        '  observability.metrics_port (--metrics-port) = "-1": expected a whole number from 0 to 65535',
        '  observability.log_level (--log-level) = "x": expected one of "trace", "debug", "info", "warn", "error"'
      ])
    }).pipe(Effect.provide(NodeServices.layer))
  )
})
