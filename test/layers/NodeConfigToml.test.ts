import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Duration, Effect, FileSystem, Result } from "effect"
import { Did } from "../../src/domain/did.ts"
import { leaves } from "../../src/domain/nodeConfig.ts"
import { variableAt } from "../../src/domain/nodeConfigSources.ts"
import { effectiveToml, exampleToml, sample } from "../../src/domain/nodeConfigToml.ts"
import * as PeerAddress from "../../src/domain/peerAddress.ts"
import { format as formatAddress } from "../../src/domain/transportAddress.ts"
import * as NodeConfigToml from "../../src/layers/NodeConfigToml.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { integer, transportAddress } from "../fixtures/arbitraries.ts"
import { uncommentedExample } from "../fixtures/nodeConfig/example.ts"
import { makeWorkspace, problemsOf, withFiles } from "../fixtures/nodeConfig/workspace.ts"

const level = (name: string) => `[observability]\nlog_level = "${name}"\n`

/** The example file names secrets in a directory of the machine; the tests have them in theirs. */
const here = (text: string) => text.replaceAll("/run/secrets", "secrets")

const did = Result.getOrThrow(Did.parse("did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"))

/** Members with and without a transport, by name, IPv4 and IPv6. */
const peerList = Arbitrary.map(Arbitrary.array(transportAddress, { maxLength: 64 }), (addresses) => [
  ...new Set(
    addresses.map(({ host, port }, index) => {
      const address = { host: index % 3 === 0 ? `n${index}.example` : host, port: Math.max(port, 1) }
      const transport = (["any", "quic", "tcp"] as const)[index % 3] ?? "any"
      return PeerAddress.format({ did, address: { ...address, transport } })
    })
  )
])

describe("where the file is looked for", () => {
  it.effect("flag, variable, working directory, configuration home, nowhere", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { directory, load, write } = yield* makeWorkspace
      assert.strictEqual((yield* load()).source, "defaults, no configuration file")
      const home = yield* write("home/.config/icn-node/icn.toml", level("trace"))
      assert.strictEqual((yield* load()).source, home)
      const xdg = yield* write("xdg/icn-node/icn.toml", level("trace"))
      assert.strictEqual((yield* load({ env: { XDG_CONFIG_HOME: `${directory}/xdg/` } })).source, xdg)
      assert.strictEqual((yield* load({ env: { XDG_CONFIG_HOME: "xdg" } })).source, home)
      const mac = yield* write("home/Library/Application Support/icn-node/icn.toml", level("trace"))
      assert.strictEqual((yield* load({ platform: "darwin" })).source, mac)
      const local = yield* write("icn.toml", level("debug"))
      assert.strictEqual((yield* load()).source, "icn.toml")
      const env = { ICN_CONFIG: yield* write("by-variable.toml", level("warn")) }
      assert.strictEqual((yield* load({ env })).values.observability.logLevel, "warn")
      yield* write("by-flag.toml", level("error"))
      const byFlag = yield* load({ env, file: "by-flag.toml" })
      assert.strictEqual(byFlag.values.observability.logLevel, "error")
      assert.deepStrictEqual(byFlag.origins["observability.log_level"], {
        _tag: "File",
        file: "by-flag.toml",
        line: 2
      })
      yield* fs.remove(local)
      yield* fs.makeDirectory(local)
      assert.deepStrictEqual(yield* problemsOf(load()), ["(file) (icn.toml): is a directory, not a file"])
    }).pipe(withFiles)
  )

  it.effect("a named file must be there", () =>
    Effect.gen(function* () {
      const { load } = yield* makeWorkspace
      assert.deepStrictEqual(yield* problemsOf(load({ file: "no.toml" })), ["(file) (no.toml): does not exist"])
      const env = { ICN_CONFIG: "no.toml", ICN_OBSERVABILITY_METRICS_PORT: "x" }
      assert.deepStrictEqual(yield* problemsOf(load({ env })), [
        "(file) (no.toml): does not exist",
        'observability.metrics_port (ICN_OBSERVABILITY_METRICS_PORT) = "x": expected a whole number from 0 to 65535'
      ])
      assert.deepStrictEqual(yield* problemsOf(load({ env: { ICN_CONFIG: "" } })), [
        "(file) (ICN_CONFIG): is a directory, not a file"
      ])
    }).pipe(withFiles)
  )

  it.effect("refuses what is no small UTF-8 text", () =>
    Effect.gen(function* () {
      const { load, write } = yield* makeWorkspace
      yield* write("big.toml", "#".repeat(NodeConfigToml.fileBytesMax + 1))
      yield* write("full.toml", "#".repeat(NodeConfigToml.fileBytesMax))
      yield* write("latin1.toml", Uint8Array.of(0x23, 0xe9))
      yield* write("bom.toml", Uint8Array.of(0xef, 0xbb, 0xbf, 0x23, 0x0a))
      yield* write("nul.toml", 'data_dir = "a\u0000b"\n')
      const why = (file: string) => problemsOf(load({ file }))
      assert.deepStrictEqual(yield* why("big.toml"), ["(file) (big.toml): is larger than 262144 bytes"])
      assert.deepStrictEqual(yield* why("latin1.toml"), ["(file) (latin1.toml): is not UTF-8 text"])
      assert.match((yield* why("nul.toml")).join(), /^\(syntax\) \(nul\.toml:1\): not valid TOML: Control characters/)
      assert.deepStrictEqual(yield* why("/dev/null"), ["(file) (/dev/null): is no regular file"])
      assert.match((yield* why("big.toml/x")).join(), /cannot be read/)
      yield* load({ file: "full.toml" })
      yield* load({ file: "bom.toml" })
    }).pipe(withFiles)
  )
})

describe("order", () => {
  it.effect("defaults < file < environment < flags, each with its origin", () =>
    Effect.gen(function* () {
      const { load, write } = yield* makeWorkspace
      yield* write(
        "icn.toml",
        "[observability]\nmetrics_port = 1\n[supervisor]\nrestart_limit = 2\nshutdown_timeout_secs = 3"
      )
      const env = { ICN_OBSERVABILITY_METRICS_PORT: "4", ICN_SUPERVISOR_RESTART_LIMIT: "5" }
      const { origins, values } = yield* load({ env, flags: { "observability.metrics_port": "6" } })
      assert.strictEqual(values.observability.metricsPort, 6)
      assert.strictEqual(values.supervisor.restartLimit, 5)
      assert.deepStrictEqual(values.supervisor.shutdownTimeout, Duration.seconds(3))
      assert.deepStrictEqual(values.supervisor.restartWindow, Duration.seconds(60))
      assert.deepStrictEqual(origins["observability.metrics_port"], { _tag: "Flag", flag: "--metrics-port" })
      assert.deepStrictEqual(origins["supervisor.restart_limit"], {
        _tag: "Environment",
        variable: "ICN_SUPERVISOR_RESTART_LIMIT"
      })
      assert.deepStrictEqual(origins["supervisor.shutdown_timeout_secs"], { _tag: "File", file: "icn.toml", line: 5 })
      assert.deepStrictEqual(origins["supervisor.restart_window_secs"], { _tag: "Default" })
    }).pipe(withFiles)
  )

  it.effect.each([
    { without: "secret", lines: /^\w+(?:password|passphrase) = .*$/gm },
    { without: "secretFile", lines: /^\w+_file = .*$/gm }
  ])(
    "every key can be set by its variable and means the same as in the file, without a $without",
    ({ lines, without }) =>
      Effect.gen(function* () {
        const { load, write } = yield* makeWorkspace
        yield* write("secrets/turn_password", "correct horse battery")
        yield* write("secrets/keystore_passphrase", "correct horse battery")
        // A secret and the file of it exclude each other, so each of the two rounds leaves one of them out.
        const some = leaves.filter(({ key }) => key.role !== without)
        const env = Object.fromEntries(some.map(({ key, path }) => [variableAt(path), here(String(sample(key)))]))
        yield* write("all.toml", here(uncommentedExample()).replace(lines, ""))
        const fromFile = yield* load({ file: "all.toml" })
        const fromEnvironment = yield* load({ env })
        assert.deepStrictEqual(fromEnvironment.values, fromFile.values)
        for (const { path } of some) {
          assert.strictEqual(fromEnvironment.origins[path]._tag, "Environment", path)
          assert.strictEqual(fromFile.origins[path]._tag, "File", path)
        }
      }).pipe(withFiles)
  )

  it.effect.prop(
    "what config print shows means the same when it is read as the file",
    {
      addresses: Arbitrary.array(transportAddress, { minLength: 1, maxLength: 8 }),
      peers: peerList,
      timeout: integer(500, 120_000)
    },
    ({ addresses, peers, timeout }) =>
      Effect.gen(function* () {
        const { load, options, write } = yield* makeWorkspace
        const flags = {
          "network.listen_addr": [...new Set(addresses.map(formatAddress))].join(","),
          "network.bootstrap_peers": peers.join(" "),
          "network.dial_timeout_ms": String(timeout)
        }
        const { config, effective } = yield* NodeConfigToml.load({ ...options, flags })
        yield* write("printed.toml", effectiveToml(config.source, effective))
        assert.deepStrictEqual((yield* load({ file: "printed.toml" })).values, config.values)
      }).pipe(withFiles),
    { arbitrary: { runs: 40, size: 1000 } }
  )

  it.effect("the example file is accepted as it is", () =>
    Effect.gen(function* () {
      const { load, write } = yield* makeWorkspace
      yield* write("icn.toml", exampleToml())
      const { origins, warnings } = yield* load()
      assert.deepStrictEqual(warnings, [])
      for (const { path } of leaves) assert.strictEqual(origins[path]._tag, "Default")
    }).pipe(withFiles)
  )
})

describe("paths", () => {
  it.effect("of the file start at its directory, others at the working directory, ~ is home", () =>
    Effect.gen(function* () {
      const { directory, load, write } = yield* makeWorkspace
      yield* write("etc/icn.toml", 'data_dir = "data"')
      const dataDir = (more: Partial<NodeConfigToml.Options>) => Effect.map(load(more), ({ values }) => values.dataDir)
      assert.strictEqual(yield* dataDir({ file: "etc/icn.toml" }), `${directory}/etc/data`)
      assert.strictEqual(yield* dataDir({ env: { ICN_DATA_DIR: "data" } }), `${directory}/data`)
      assert.strictEqual(
        yield* dataDir({ flags: { data_dir: "../data/" } }),
        yield* dataDir({ env: { ICN_DATA_DIR: "../data" } })
      )
      assert.strictEqual(yield* dataDir({ flags: { data_dir: "~/data" } }), `${directory}/home/data`)
      assert.strictEqual(yield* dataDir({ flags: { data_dir: "~other" } }), `${directory}/~other`)
      assert.strictEqual(yield* dataDir({ flags: { data_dir: "/data" } }), "/data")
    }).pipe(withFiles)
  )

  it.effect("the data directory's default follows the platform, and must be set for an account without home", () =>
    Effect.gen(function* () {
      const { directory, load } = yield* makeWorkspace
      const home = `${directory}/home`
      const dataDir = (more: Partial<NodeConfigToml.Options>) => Effect.map(load(more), ({ values }) => values.dataDir)
      assert.strictEqual(yield* dataDir({}), `${home}/.local/share/icn-node`)
      assert.strictEqual(yield* dataDir({ env: { XDG_DATA_HOME: "/xdg" } }), "/xdg/icn-node")
      assert.strictEqual(yield* dataDir({ platform: "darwin" }), `${home}/Library/Application Support/icn-node`)
      assert.deepStrictEqual(yield* problemsOf(load({ homeDirectory: undefined })), [
        "data_dir (default): there is no default on this machine; set it"
      ])
    }).pipe(withFiles)
  )
})

it.effect("the layer offers what was loaded", () =>
  Effect.gen(function* () {
    const { options } = yield* makeWorkspace
    const layer = NodeConfigToml.layer({ ...options, env: { ICN_NETWORK_TURN_SERVER: "turn.example.org" } })
    const { source, values } = yield* Effect.provide(NodeConfig, layer)
    assert.deepStrictEqual(values.network.turnServer, { host: "turn.example.org", port: 3478 })
    assert.strictEqual(source, "defaults, no configuration file")
  }).pipe(withFiles)
)
