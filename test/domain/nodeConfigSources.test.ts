import { assert, describe, it } from "@effect/vitest"
import { leaves } from "../../src/domain/nodeConfig.ts"
import { formatProblem } from "../../src/domain/nodeConfigProblem.ts"
import {
  type DocumentNode,
  type DocumentTable,
  readDocument,
  readEnvironment,
  readFlags,
  variableAt
} from "../../src/domain/nodeConfigSources.ts"

const value: DocumentNode = { _tag: "Value", line: 7, raw: { type: "string", value: "hunter2" } }

const table = (entries: Record<string, DocumentNode>, line = 1): DocumentTable => ({
  _tag: "Table",
  line,
  entries: new Map(Object.entries(entries))
})

const read = (entries: Record<string, DocumentNode>) => {
  const { problems, settings, warnings } = readDocument(table(entries), "icn.toml")
  return {
    settings: settings.map(({ path }) => path),
    problems: problems.map(formatProblem),
    warnings: warnings.map(formatProblem)
  }
}

describe("readDocument", () => {
  it("finds every key at its place", () => {
    const root = new Map<string, DocumentNode>()
    for (const { path } of leaves) {
      let at = root
      const names = path.split(".")
      for (const name of names.slice(0, -1)) {
        const next = at.get(name)
        const entries = new Map(next?._tag === "Table" ? next.entries : [])
        at.set(name, { _tag: "Table", line: 1, entries })
        at = entries
      }
      at.set(names.at(-1) ?? "", value)
    }
    const { problems, settings, warnings } = readDocument({ _tag: "Table", line: 1, entries: root }, "icn.toml")
    assert.deepStrictEqual(settings.map(({ path }) => path).toSorted(), leaves.map(({ path }) => path).toSorted())
    assert.deepStrictEqual([problems, warnings], [[], []])
  })

  it("names an unknown key, its place and what was meant, and never its value", () => {
    assert.deepStrictEqual(read({ network: table({ turn_pasword: value }) }), {
      settings: [],
      problems: ["network.turn_pasword (icn.toml:7): unknown key; did you mean network.turn_password?"],
      warnings: []
    })
  })

  it("complains of an unknown table once, not of each of its keys", () => {
    assert.deepStrictEqual(read({ tracing: table({ enabled: value, x: value }, 3) }).problems, [
      "tracing (icn.toml:3): unknown table; did you mean observability.tracing?"
    ])
  })

  it("wants a table where a section is", () => {
    assert.deepStrictEqual(read({ network: value }).problems, ["network (icn.toml:7): expected a table: [network]"])
  })

  it("takes a table where a key is for a value of the wrong type", () => {
    const { settings } = readDocument(table({ data_dir: table({ x: value }) }), "icn.toml")
    assert.deepStrictEqual(
      settings.map(({ raw }) => raw.type),
      ["table"]
    )
  })

  it("warns of the reference's keys, and once of a table of them", () => {
    const gateway = table({ enabled: value, jwt_secret: value, audit_retention: table({ retention_days: value }) }, 9)
    assert.deepStrictEqual(read({ network: table({ rpc_port: value }), gateway }), {
      settings: [],
      problems: [],
      warnings: [
        "network.rpc_port (icn.toml:7): known, without effect in this version",
        "gateway (icn.toml:9): known, without effect in this version"
      ]
    })
  })

  it("tells the reference's tables of rate limits that have an effect from those that have none", () => {
    const limits = table({ enabled: value, fallback: table({ burst_capacity: value }), known: table({}, 4) })
    assert.deepStrictEqual(read({ rate_limiting: limits }), {
      settings: ["rate_limiting.enabled", "rate_limiting.fallback.burst_capacity"],
      problems: [],
      warnings: ["rate_limiting.known (icn.toml:4): known, without effect in this version"]
    })
  })

  it("says where /health is to somebody who sets health_port", () => {
    const [warning] = read({ observability: table({ health_port: value }) }).warnings
    assert.match(warning ?? "", /\/health is served on metrics_port/)
  })

  it("still finds unknown keys in tables without effect", () => {
    const gateway = table({ audit_retention: table({ days: value }), enable: value })
    assert.deepStrictEqual(read({ gateway }).problems, [
      "gateway.audit_retention.days (icn.toml:7): unknown key",
      "gateway.enable (icn.toml:7): unknown key; did you mean rate_limiting.enabled?"
    ])
  })

  it("takes the names of Object's own properties for unknown keys", () => {
    const entries = new Map<string, DocumentNode>([
      ["__proto__", table({ x: value })],
      ["constructor", value],
      ["toString", value]
    ])
    const { problems, settings } = readDocument({ _tag: "Table", line: 1, entries }, "icn.toml")
    assert.deepStrictEqual([problems.length, settings.length], [3, 0])
  })

  it("takes a quoted name with a dot for one name, not for a place in a table", () => {
    assert.deepStrictEqual(read({ "network.turn_server": value, "network.rpc_port": value }), {
      settings: [],
      problems: [
        '"network.turn_server" (icn.toml:7): unknown key; did you mean network.turn_server?',
        '"network.rpc_port" (icn.toml:7): unknown key'
      ],
      warnings: []
    })
  })

  it("shows a hostile name on one line and without control characters", () => {
    const [problem] = read({ [`\u001b[2J\n\u202e${"x".repeat(1000)}`]: value }).problems
    assert.match(problem ?? "", /^"\\u\{1b\}\[2J\\u\{a\}\\u\{202e\}x+…" \(icn\.toml:7\): unknown key$/)
    assert.isBelow(problem?.length ?? 0, 150)
  })
})

describe("readEnvironment", () => {
  it("finds every key by its variable", () => {
    const { settings, warnings } = readEnvironment(
      Object.fromEntries(leaves.map(({ path }) => [variableAt(path), "value"]))
    )
    assert.deepStrictEqual(
      settings.map(({ path }) => path),
      leaves.map(({ path }) => path)
    )
    assert.deepStrictEqual(warnings, [])
  })

  it("gives the passphrase its short name and the other keys the name of their path", () => {
    assert.strictEqual(variableAt("identity.keystore_passphrase"), "ICN_KEYSTORE_PASSPHRASE")
    assert.strictEqual(variableAt("network.turn_server"), "ICN_NETWORK_TURN_SERVER")
    assert.strictEqual(variableAt("observability.tracing.enabled"), "ICN_OBSERVABILITY_TRACING_ENABLED")
    assert.strictEqual(variableAt("data_dir"), "ICN_DATA_DIR")
  })

  it("warns of unknown variables without their values, and leaves other programs' alone", () => {
    const { problems, settings, warnings } = readEnvironment({
      ICN_CONFIG: "icn.toml",
      ICN_NETWORK_TURN_PASWORD: "hunter2",
      ICN_GATEWAY_JWT_SECRET: "hunter2",
      ICN_DATA_DIR: undefined,
      PATH: "/bin",
      NOT_ICN_DATA_DIR: "x"
    })
    assert.deepStrictEqual([problems, settings], [[], []])
    assert.deepStrictEqual(warnings.map(formatProblem), [
      "ICN_NETWORK_TURN_PASWORD (environment): unknown variable, ignored; did you mean ICN_NETWORK_TURN_PASSWORD?",
      "ICN_GATEWAY_JWT_SECRET (environment): known, without effect in this version"
    ])
  })

  it("takes an empty variable for set", () => {
    assert.deepStrictEqual(
      readEnvironment({ ICN_NETWORK_TURN_SERVER: "" }).settings.map(({ raw }) => raw),
      [{ type: "untyped", value: "" }]
    )
  })
})

describe("readFlags", () => {
  it("names the flag as it is typed", () => {
    assert.deepStrictEqual(readFlags({ data_dir: "/x", "observability.metrics_port": "0" }), [
      { path: "data_dir", raw: { type: "untyped", value: "/x" }, origin: { _tag: "Flag", flag: "--data-dir" } },
      {
        path: "observability.metrics_port",
        raw: { type: "untyped", value: "0" },
        origin: { _tag: "Flag", flag: "--metrics-port" }
      }
    ])
  })

  it("knows the short names of some", () => {
    assert.deepStrictEqual(
      readFlags({ "network.listen_addr": "x", "network.bootstrap_peers": "y" }).map(({ origin }) => origin),
      [
        { _tag: "Flag", flag: "--listen" },
        { _tag: "Flag", flag: "--bootstrap" }
      ]
    )
  })
})
