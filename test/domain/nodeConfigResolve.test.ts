import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Duration, Redacted, Schema } from "effect"
import { type KeyPath, leaves } from "../../src/domain/nodeConfig.ts"
import { formatProblem } from "../../src/domain/nodeConfigProblem.ts"
import { resolve } from "../../src/domain/nodeConfigResolve.ts"
import type { Setting } from "../../src/domain/nodeConfigSources.ts"
import type { RawValue } from "../../src/domain/nodeConfigValue.ts"
import { integer, thorough } from "../fixtures/arbitraries.ts"

const inFile = (path: KeyPath, raw: RawValue, line = 1): Setting => ({
  path,
  raw,
  origin: { _tag: "File", file: "icn.toml", line }
})

const text = (path: KeyPath, value: string): Setting => inFile(path, { type: "string", value })
const number = (path: KeyPath, value: number): Setting => inFile(path, { type: "integer", value: BigInt(value) })

const inEnvironment = (path: KeyPath, value: string): Setting => ({
  path,
  raw: { type: "untyped", value },
  origin: { _tag: "Environment", variable: "ICN_X" }
})

const home: Setting = { path: "data_dir", raw: { type: "string", value: "/data" }, origin: { _tag: "Default" } }

const problemsOf = (settings: ReadonlyArray<Setting>, complete = true) =>
  resolve([home, ...settings], complete).problems.map(formatProblem)

const warningsOf = (settings: ReadonlyArray<Setting>) => resolve([home, ...settings], true).warnings.map(formatProblem)

describe("values", () => {
  it("have the types of the program: durations, redacted secrets, parsed addresses", () => {
    const { origins, problems, values } = resolve(
      [
        home,
        text("network.turn_server", "TURN.example"),
        text("network.turn_username", "alice"),
        text("network.turn_password", "correct horse battery"),
        number("network.turn_timeout_ms", 1500),
        text("observability.metrics_bind", "0:0:0:0:0:0:0:1")
      ],
      true
    )
    assert.deepStrictEqual(problems, [])
    assert.deepStrictEqual(values.network.turnServer, { host: "turn.example", port: 3478 })
    assert.strictEqual(
      values.network.turnPassword && Redacted.value(values.network.turnPassword),
      "correct horse battery"
    )
    assert.deepStrictEqual(values.network.turnTimeout, Duration.millis(1500))
    assert.strictEqual(values.observability.metricsBind, "::1")
    assert.deepStrictEqual(origins["network.turn_timeout_ms"], { _tag: "File", file: "icn.toml", line: 1 })
    assert.deepStrictEqual(origins["observability.metrics_port"], { _tag: "Default" })
  })

  it("are those of the strongest source, and a bad value of a weaker one is still told", () => {
    const port: KeyPath = "observability.metrics_port"
    const good = resolve([home, number(port, 1), inEnvironment(port, "2")], true)
    assert.strictEqual(good.values.observability.metricsPort, 2)
    assert.deepStrictEqual(good.origins[port], { _tag: "Environment", variable: "ICN_X" })
    assert.lengthOf(problemsOf([number(port, -1), inEnvironment(port, "2")]), 1)
  })

  it("are shown as they would be written, secrets masked, and left out where there is none", () => {
    const { effective } = resolve([home, text("network.turn_server", "a"), text("network.turn_password", "s")], true)
    const shown = new Map(effective.map(({ path, plain }) => [path, plain]))
    assert.strictEqual(shown.get("network.turn_server"), "a:3478")
    assert.strictEqual(shown.get("network.turn_password"), "<redacted>")
    assert.strictEqual(shown.get("network.turn_keepalive_secs"), 25)
    assert.isUndefined(shown.get("network.turn_username"))
  })

  it("need a data directory from somewhere", () => {
    assert.deepStrictEqual(resolve([], true).problems.map(formatProblem), [
      "data_dir (default): there is no default on this machine; set it"
    ])
  })
})

describe("types", () => {
  const port = "observability.metrics_port"
  const allowed = "expected a whole number from 0 to 65535"
  const cases: ReadonlyArray<readonly [RawValue, string]> = [
    [{ type: "integer", value: -1n }, `-1: ${allowed}`],
    [{ type: "integer", value: 65_536n }, `65536: ${allowed}`],
    [{ type: "integer", value: 2n ** 70n }, `1180591620717411303424: ${allowed}`],
    [{ type: "float", value: 9100 }, `9100.0: ${allowed}, without a decimal point`],
    [{ type: "float", value: 0.5 }, `0.5: ${allowed}`],
    [{ type: "float", value: Number.NaN }, `nan: ${allowed}`],
    [{ type: "float", value: Number.NEGATIVE_INFINITY }, `-inf: ${allowed}`],
    [{ type: "string", value: "9100" }, `"9100": ${allowed}; remove the quotes`],
    [{ type: "string", value: "" }, `"": ${allowed}`],
    [{ type: "boolean", value: true }, `true: ${allowed}`],
    [{ type: "date" }, `a date or time: ${allowed}`],
    [{ type: "array", items: [] }, `an array: ${allowed}`],
    [{ type: "table" }, `a table: ${allowed}`],
    [{ type: "untyped", value: "" }, `"": ${allowed}`],
    [{ type: "untyped", value: "9100.0" }, `"9100.0": ${allowed}`],
    [{ type: "untyped", value: "0x10" }, `"0x10": ${allowed}`],
    [{ type: "untyped", value: "1e3" }, `"1e3": ${allowed}`]
  ]
  it.each(cases)("a port is not %o", (raw, message) => {
    assert.deepStrictEqual(problemsOf([inFile(port, raw)]), [`${port} (icn.toml:1) = ${message}`])
  })

  it.each(["1", "1.0", ".5", "1e-3", "+0.25"])("a fraction can be %s in a variable", (value) => {
    const path = "observability.tracing.sampling_rate"
    assert.strictEqual(
      resolve([home, inEnvironment(path, value)], true).values.observability.tracing.samplingRate,
      Number(value)
    )
  })

  it.each(["", "nan", "inf", "Infinity", "1,5", "0x1", " 1", "1.1", "-0.1"])("a fraction is not %s", (value) => {
    assert.lengthOf(problemsOf([inEnvironment("observability.tracing.sampling_rate", value)]), 1)
  })

  it("a fraction can be written as an integer in the file", () => {
    assert.deepStrictEqual(problemsOf([number("observability.tracing.sampling_rate", 1)]), [])
  })

  it.each(["TRUE", "yes", "1", ""])("a boolean is not %s", (value) => {
    assert.lengthOf(problemsOf([inEnvironment("observability.tracing.enabled", value)]), 1)
  })

  it("a list of TURN servers is refused as such", () => {
    assert.match(
      problemsOf([inFile("network.turn_server", { type: "array", items: [] })]).join(),
      /lists .* not yet supported/
    )
  })

  it("a text has a length and no control characters", () => {
    assert.deepStrictEqual(
      problemsOf([text("network.turn_username", "é".repeat(254)), text("network.turn_password", "p")]),
      []
    )
    for (const name of ["", "a\nb", "a\u0000", "\u007f", "é".repeat(255)]) {
      assert.lengthOf(problemsOf([text("network.turn_username", name), text("network.turn_password", "p")]), 1)
    }
  })
})

describe("rules between keys", () => {
  it("want a password with a user name and a user name with a password", () => {
    assert.deepStrictEqual(problemsOf([text("network.turn_username", "alice")]), [
      "network.turn_username (icn.toml:1): needs turn_password or turn_password_file as well"
    ])
    assert.deepStrictEqual(problemsOf([inEnvironment("network.turn_password", "correct horse")]), [
      "network.turn_password (ICN_X): needs turn_username as well"
    ])
  })

  it("do not blame a key for another one that is wrong or could not be read", () => {
    const username = text("network.turn_username", "alice")
    assert.lengthOf(problemsOf([username, number("network.turn_password", 1)]), 1)
    assert.deepStrictEqual(problemsOf([username], false), [])
  })

  it("keep the first restart delay below the longest", () => {
    const initial = number("supervisor.restart_initial_delay_ms", 1001)
    const max = number("supervisor.restart_max_delay_secs", 1)
    assert.deepStrictEqual(problemsOf([initial, max]), [
      "supervisor.restart_initial_delay_ms (icn.toml:1): must not be longer than restart_max_delay_secs"
    ])
    assert.lengthOf(problemsOf([initial, max], false), 1)
    assert.deepStrictEqual(problemsOf([number("supervisor.restart_initial_delay_ms", 1000), max]), [])
  })

  it("doubt short secrets, counted in characters", () => {
    const warning = "network.turn_password (icn.toml:1): weak secret: shorter than 12 characters"
    assert.deepStrictEqual(warningsOf([text("network.turn_password", "é".repeat(11))]), [warning])
    assert.deepStrictEqual(warningsOf([text("network.turn_password", "é".repeat(12))]), [])
    assert.lengthOf(warningsOf([text("identity.keystore_passphrase", "short")]), 1)
  })

  it.each(["0.0.0.0", "::", "0:0::0"])("doubt metrics on %s", (address) => {
    assert.match(warningsOf([text("observability.metrics_bind", address)]).join(), /readable by everybody/)
  })

  it("doubt the port of OTLP over gRPC", () => {
    assert.match(warningsOf([text("observability.tracing.otlp_endpoint", "http://c:4317")]).join(), /4318/)
  })

  it("doubt multicast when nobody else can reach what was found to listen", () => {
    const enabled = inFile("network.mdns_enabled", { type: "boolean", value: true })
    const reachesNone =
      "network.mdns_enabled (icn.toml:1): reaches no other machine: name interfaces in mdns_interfaces, " +
      "or an address of one in listen_addr"
    const onLoopback =
      "network.mdns_enabled (icn.toml:1): other machines cannot reach this node: " +
      "listen_addr has loopback addresses only"
    const onEth0 = inEnvironment("network.mdns_interfaces", "eth0")
    const listen = (value: string) => inEnvironment("network.listen_addr", value)
    assert.deepStrictEqual(warningsOf([enabled]), [onLoopback])
    assert.deepStrictEqual(warningsOf([enabled, onEth0, listen("[::1]:1,127.1.2.3:0")]), [onLoopback])
    assert.deepStrictEqual(warningsOf([enabled, listen("0.0.0.0:1 [::]:1 127.0.0.1:2")]), [reachesNone])
    assert.deepStrictEqual(warningsOf([enabled, onEth0, listen("0.0.0.0:1")]), [])
    assert.deepStrictEqual(warningsOf([enabled, listen("0.0.0.0:1 192.168.1.10:2")]), [])
    assert.deepStrictEqual(warningsOf([listen("0.0.0.0:1")]), [])
  })

  it("have nothing against the defaults", () => {
    assert.deepStrictEqual([problemsOf([]), warningsOf([])], [[], []])
  })
})

describe("any settings", () => {
  const raw: Arbitrary.Arbitrary<RawValue> = Arbitrary.map(
    Arbitrary.all([integer(0, 7), Arbitrary.schema(Schema.String), Arbitrary.schema(Schema.Finite)]),
    ([kind, value, float]): RawValue => {
      const kinds: ReadonlyArray<RawValue> = [
        { type: "string", value },
        { type: "untyped", value },
        { type: "untyped", value: String(float) },
        { type: "float", value: float },
        { type: "integer", value: BigInt(Math.trunc(float)) },
        { type: "boolean", value: float > 0 },
        { type: "date" },
        { type: "table" }
      ]
      const items = kinds.map((raw) => ({ raw, line: 1 }))
      return kinds[kind] ?? { type: "array", items: items.slice(Math.abs(Math.trunc(float)) % items.length) }
    }
  )

  it.prop(
    "give values or problems, and never show a secret",
    [Arbitrary.array(Arbitrary.all([integer(0, leaves.length - 1), raw]), { maxLength: 20 })],
    ([given]) => {
      const secret = "correct horse battery staple"
      const settings = given.flatMap(([which, value]): ReadonlyArray<Setting> => {
        const leaf = leaves[which]
        if (leaf === undefined) return []
        // Too long to be valid, so that each secret ends up in a problem too.
        const hidden: RawValue = { type: "string", value: secret.repeat(which % 2 === 0 ? 1 : 1000) }
        return [inFile(leaf.path, leaf.key.role === "secret" ? hidden : value)]
      })
      const resolved = resolve(settings, true)
      const shown = JSON.stringify([resolved.problems, resolved.warnings, resolved.effective, resolved.values])
      assert.notInclude(shown, "battery")
    },
    thorough
  )
})
