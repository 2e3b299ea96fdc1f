import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { Command } from "effect/cli"
import { TestConsole } from "effect/testing"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { doctor } from "../../../src/programs/cli/doctor.ts"
import { ProcessEnvironment } from "../../../src/programs/cli/environment.ts"
import { CommandFailed } from "../../../src/programs/cli/output.ts"
import { ProgressOutput } from "../../../src/programs/cli/progress.ts"
import { localNodes } from "../../fixtures/localNodes.ts"
import { temporaryDirectory } from "../../fixtures/temporaryDirectory.ts"

const Report = Schema.fromJsonString(
  Schema.Struct({
    ok: Schema.Boolean,
    udp: Schema.String,
    findings: Schema.Array(Schema.Struct({ check: Schema.String, mark: Schema.String, detail: Schema.String })),
    outlook: Schema.Array(Schema.String)
  })
)

/** Runs the command in a directory with this `icn.toml`. */
const run = Effect.fnUntraced(function* (toml: string, args: ReadonlyArray<string> = [], isTerminal = false) {
  const workingDirectory = yield* temporaryDirectory
  writeFileSync(join(workingDirectory, "icn.toml"), toml, { mode: 0o600 })
  const progress: Array<string> = []
  return yield* Effect.gen(function* () {
    const failure = yield* Command.runWith(doctor, { version: "0" })(args).pipe(
      Effect.as(undefined),
      Effect.catch((error) =>
        error instanceof CommandFailed ? Effect.succeed(error) : Effect.die(new Error(String(error)))
      )
    )
    return { out: (yield* TestConsole.logLines).join("\n"), exitCode: failure?.exitCode ?? 0, progress }
  }).pipe(
    Effect.provideService(ProcessEnvironment, {
      variables: {},
      homeDirectory: undefined,
      workingDirectory,
      platform: "linux"
    }),
    Effect.provideService(ProgressOutput, { isTerminal, columns: () => 40, write: (text) => progress.push(text) }),
    Effect.provide(Layer.fresh(Layer.merge(NodeServices.layer, TestConsole.layer)))
  )
})

const section = (dataDir: string, network = "") => `data_dir = "${dataDir}"\n[network]\n${network}`

describe("icn-node doctor", () => {
  it.live("needs no node, and ends with code 0 where nothing that is configured fails", () =>
    Effect.gen(function* () {
      const { exitCode, out, progress } = yield* run(section(yield* temporaryDirectory))
      assert.match(out, /^ok {4}configuration {2}icn\.toml\n- {5}node {11}not running/)
      assert.match(out, /ok {4}ports {10}free: UDP 127\.0\.0\.1 \(any port\), TCP/)
      assert.include(out, "The node listens on loopback only")
      assert.deepStrictEqual([exitCode, progress], [0, []])
    })
  )

  it.live("ends with code 1 and says what to do when something fails, also as JSON", () =>
    Effect.gen(function* () {
      const toml = section(yield* temporaryDirectory, 'stun_servers = ["127.0.0.1:9"]\nlisten_addr = ["0.0.0.0:0"]')
      const { exitCode, out } = yield* run(toml, ["--json"])
      const report = yield* Schema.decodeEffect(Report)(out)
      assert.deepStrictEqual([exitCode, report.ok, report.udp], [1, false, "unknown"])
      assert.deepInclude(
        report.findings.find(({ check }) => check === "STUN"),
        { mark: "fail", detail: "127.0.0.1:9: no answer over UDP" }
      )
    })
  )

  it.live("shows at a terminal what it waits for, and takes that away again", () =>
    Effect.gen(function* () {
      const { progress } = yield* run(section(yield* temporaryDirectory), [], true)
      assert.match(progress[0] ?? "", /checking: /)
      assert.isTrue(progress.every((text) => text.length <= 40 + "\r\u001b[2K".length))
      assert.strictEqual(progress.at(-1), "\r\u001b[2K")
    })
  )

  it.live("tells the problems of a configuration that cannot be read", () =>
    Effect.gen(function* () {
      const { exitCode, out } = yield* run('data_dir = "/data"\n[network]\nlink_port = 70000\nturn_transport = 3')
      assert.strictEqual(exitCode, 1)
      assert.match(out, /^FAIL {2}configuration {2}icn\.toml has 2 problems:/)
      assert.include(out, "network.link_port")
    })
  )

  it.live("knows a node that runs", () =>
    Effect.gen(function* () {
      const [node] = yield* localNodes
      const { out } = yield* run(section(node.dataDir))
      assert.include(out, `ok    node           running, pid ${process.pid}`)
    })
  )
})
