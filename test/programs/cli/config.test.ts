import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Path, Schema } from "effect"
import { Command } from "effect/cli"
import { TestConsole } from "effect/testing"
import { parse } from "smol-toml"
import { leaves } from "../../../src/domain/nodeConfig.ts"
import { jsonSchema } from "../../../src/domain/nodeConfigJsonSchema.ts"
import { referenceMarkdown } from "../../../src/domain/nodeConfigReference.ts"
import { config } from "../../../src/programs/cli/config.ts"
import { ProcessEnvironment } from "../../../src/programs/cli/environment.ts"
import type { CommandFailed } from "../../../src/programs/cli/output.ts"

const decodeJson = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Unknown))

/** Runs `icn-node config …` in a directory that holds `icn.toml`, and keeps what it prints. */
const run = Effect.fnUntraced(function* (
  args: ReadonlyArray<string>,
  toml = "",
  variables: Readonly<Record<string, string>> = {}
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const workingDirectory = yield* fs.makeTempDirectoryScoped({ prefix: "icn-cli-" })
  yield* fs.writeFileString(path.join(workingDirectory, "icn.toml"), toml, { mode: 0o600 })
  const failure = yield* Command.runWith(config, { version: "0" })(args).pipe(
    Effect.as(undefined),
    Effect.catchTag("CommandFailed", (error: CommandFailed) => Effect.succeed(error)),
    Effect.provideService(ProcessEnvironment, {
      variables,
      homeDirectory: "/home/alice",
      workingDirectory,
      platform: "linux"
    })
  )
  const out = (yield* TestConsole.logLines).join("\n")
  const err = (yield* TestConsole.errorLines).join("\n")
  return { exitCode: failure?.exitCode ?? 0, text: failure?.text, out, err }
}, Effect.provide(NodeServices.layer))

describe("config check", () => {
  it.effect("says ok with the file's name, and warnings on standard error", () =>
    Effect.gen(function* () {
      const { err, exitCode, out } = yield* run(["check"], '[observability]\nmetrics_bind = "0.0.0.0"\nhealth_port = 1')
      assert.deepStrictEqual([exitCode, out], [0, "ok: icn.toml"])
      assert.deepStrictEqual(err.split("\n"), [
        "warning: observability.metrics_bind (icn.toml:2): metrics and health are readable by everybody who reaches " +
          "any address of this machine",
        "warning: observability.health_port (icn.toml:3): known, without effect in this version: /health is served " +
          "on metrics_port"
      ])
    })
  )

  it.effect("ends with 78 and every problem", () =>
    Effect.gen(function* () {
      const { err, exitCode, out, text } = yield* run(["check"], "x = 1\n[network]\nrpc_port = 1\nturn_server = 1", {
        ICN_NETWORK_TURN_KEEPALIVE_SECS: ""
      })
      assert.deepStrictEqual([exitCode, out], [78, ""])
      assert.match(err, /^warning: network\.rpc_port \(icn\.toml:3\)/)
      assert.deepStrictEqual(text?.split("\n"), [
        "icn.toml has 3 problems:",
        "  x (icn.toml:1): unknown key",
        '  network.turn_server (icn.toml:4) = 1: expected "host:port", "[v6]:port" or "turn:host:port" ' +
          "(port 3478 when left out), in quotes",
        '  network.turn_keepalive_secs (ICN_NETWORK_TURN_KEEPALIVE_SECS) = "": ' +
          "expected a whole number of seconds from 1 to 600"
      ])
    })
  )

  it.effect("tells the same as JSON, and nothing else on standard output", () =>
    Effect.gen(function* () {
      const good = yield* run(["check", "--json"])
      assert.deepStrictEqual(decodeJson(good.out), { ok: true, problems: [], warnings: [] })
    })
  )

  it.effect("tells problems as JSON with key, origin, line, value found and what is allowed", () =>
    Effect.gen(function* () {
      const { err, exitCode, out } = yield* run(["check", "--json"], "\ndata_dir = 1", { ICN_X: "1" })
      assert.deepStrictEqual([exitCode, err], [78, ""])
      assert.deepStrictEqual(decodeJson(out), {
        ok: false,
        problems: [
          {
            key: "data_dir",
            origin: "icn.toml:2",
            line: 2,
            found: "1",
            problem: "expected a path of at most 4095 bytes, on one line, in quotes"
          }
        ],
        warnings: [{ key: "ICN_X", origin: "environment", problem: "unknown variable, ignored" }]
      })
    })
  )

  it.effect("checks the file that --config names", () =>
    Effect.gen(function* () {
      const { exitCode, text } = yield* run(["check", "--config", "/nowhere/icn.toml"])
      assert.deepStrictEqual(
        [exitCode, text],
        [78, "/nowhere/icn.toml has 1 problem:\n  (file) (/nowhere/icn.toml): does not exist"]
      )
    })
  )
})

describe("config print", () => {
  const toml = '[network]\nturn_server = "TURN.example.org"\nturn_username = "alice"\nturn_password = "hunter2hunter2"'
  const variables = { ICN_OBSERVABILITY_METRICS_PORT: "0" }

  it.effect("is valid TOML with origins and masked secrets", () =>
    Effect.gen(function* () {
      const { exitCode, out } = yield* run(["print", "--data-dir", "/data"], toml, variables)
      assert.strictEqual(exitCode, 0)
      const { data_dir, network } = parse(out)
      assert.strictEqual(data_dir, "/data")
      assert.deepInclude(network, { turn_server: "turn.example.org:3478", turn_password: "<redacted>" })
      assert.include(out, "# Read from: icn.toml\n")
      assert.include(out, 'data_dir = "/data" # --data-dir\n')
      assert.include(out, "metrics_port = 0 # ICN_OBSERVABILITY_METRICS_PORT\n")
      assert.include(out, "turn_keepalive_secs = 25 # default\n")
      assert.notInclude(out, "hunter2")
    })
  )

  it.effect("is one JSON document with values named as in the file and the origin of each key", () =>
    Effect.gen(function* () {
      const { out } = yield* run(["print", "--json"], toml, variables)
      const { origins, source, values } = Object(decodeJson(out))
      assert.strictEqual(source, "icn.toml")
      assert.deepInclude(values.network, {
        listen_addr: ["127.0.0.1:0"],
        bootstrap_peers: [],
        turn_server: "turn.example.org:3478",
        turn_username: "alice",
        turn_password: "<redacted>",
        turn_allocation_lifetime_secs: 600,
        turn_keepalive_secs: 25,
        turn_timeout_ms: 39_500
      })
      assert.strictEqual(values.observability.metrics_port, 0)
      assert.strictEqual(values.data_dir, "/home/alice/.local/share/icn-node")
      assert.sameMembers(
        Object.keys(origins),
        leaves.map(({ path }) => path)
      )
      assert.strictEqual(origins["network.turn_password"], "icn.toml:4")
      assert.strictEqual(origins["observability.metrics_port"], "ICN_OBSERVABILITY_METRICS_PORT")
      assert.strictEqual(origins["observability.log_level"], "default")
      assert.notInclude(out, "hunter2")
    })
  )

  it.effect("shows lists as they were understood", () =>
    Effect.gen(function* () {
      const { out } = yield* run(["print"], "[network]\nlisten_addr = '[0:0::0]:7777'", {
        ICN_NETWORK_MDNS_INTERFACES: "eth0, 192.168.1.10\teth1"
      })
      assert.include(out, '\nlisten_addr = ["[::]:7777"] # icn.toml:2\n')
      assert.include(out, '\nmdns_interfaces = ["eth0", "192.168.1.10", "eth1"] # ICN_NETWORK_MDNS_INTERFACES\n')
    })
  )

  it.effect("prints nothing of a configuration that cannot be used", () =>
    Effect.gen(function* () {
      const { exitCode, out } = yield* run(["print"], "x = 1")
      assert.deepStrictEqual([exitCode, out], [78, ""])
    })
  )
})

describe("config schema and docs", () => {
  it.effect("print what is shipped", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(decodeJson((yield* run(["schema"])).out), jsonSchema)
    })
  )

  it.effect("print the reference", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* run(["docs"])).out, referenceMarkdown().trimEnd())
    })
  )

  it.effect("print the reference as JSON", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(decodeJson((yield* run(["docs", "--json"])).out), {
        markdown: referenceMarkdown().trimEnd()
      })
    })
  )
})
