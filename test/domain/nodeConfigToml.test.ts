import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import { parse } from "smol-toml"
import { leaves } from "../../src/domain/nodeConfig.ts"
import { jsonSchema } from "../../src/domain/nodeConfigJsonSchema.ts"
import { referenceMarkdown } from "../../src/domain/nodeConfigReference.ts"
import type { Effective } from "../../src/domain/nodeConfigResolve.ts"
import { variableAt } from "../../src/domain/nodeConfigSources.ts"
import { effectiveJson, effectiveToml, exampleToml, sample, tomlValue } from "../../src/domain/nodeConfigToml.ts"
import { uncommentedExample } from "../fixtures/nodeConfig/example.ts"

const at = (document: unknown, path: string): unknown =>
  path
    .split(".")
    .reduce<unknown>(
      (inner, name) => (typeof inner === "object" && inner !== null ? Reflect.get(inner, name) : undefined),
      document
    )

const lists = (listenAddr: ReadonlyArray<string>, peers: ReadonlyArray<string>): ReadonlyArray<Effective> => [
  { path: "network.listen_addr", plain: listenAddr, origin: { _tag: "Default" } },
  { path: "network.bootstrap_peers", plain: peers, origin: { _tag: "Flag", flag: "--bootstrap" } }
]

const wellFormed = (texts: ReadonlyArray<string>) => texts.map((text) => text.toWellFormed())

describe("the example file", () => {
  it("points editors to the schema and is valid TOML that sets nothing", () => {
    assert.isTrue(exampleToml().startsWith("#:schema ./icn.schema.json\n"))
    assert.deepStrictEqual(parse(exampleToml()), {
      network: {},
      rate_limiting: { fallback: {} },
      identity: {},
      cooperative: {},
      observability: { tracing: {} },
      supervisor: {}
    })
  })

  it("shows each key with its default or example once its line is uncommented", () => {
    const document = parse(uncommentedExample())
    for (const { key, path } of leaves) assert.deepStrictEqual(at(document, path), sample(key), path)
  })

  it("tells the default where it shows an example", () => {
    assert.include(exampleToml().replaceAll("\n# ", " "), 'Default: ["127.0.0.1:0"].')
    assert.include(exampleToml(), '\n# listen_addr = ["0.0.0.0:7777", "[::]:7777"]\n')
  })

  it("keeps to a width that editors show", () => {
    for (const line of exampleToml().split("\n")) assert.isAtMost(line.length, 100)
  })
})

describe("the reference page", () => {
  it("has a row for each key with its variable and allowed values", () => {
    for (const { key, path } of leaves) {
      const name = path.slice(path.lastIndexOf(".") + 1)
      const row = referenceMarkdown()
        .split("\n")
        .find((line) => line.startsWith(`| \`${name}\` |`) && line.endsWith(`| \`${variableAt(path)}\` |`))
      assert.include(row ?? "", key.allowed.replaceAll("|", "\\|"), path)
    }
  })
})

describe("the JSON Schema", () => {
  it("describes each key with its default and allows no others", () => {
    for (const { key, path } of leaves) {
      const property = at(jsonSchema, `properties.${path.split(".").join(".properties.")}`)
      assert.deepStrictEqual(at(property, "type"), key.type === "list" ? ["array", "string"] : key.type, path)
      assert.deepStrictEqual(at(property, "default"), key.default, path)
      assert.include(String(at(property, "description")), key.doc, path)
    }
    for (const table of ["", "properties.network.", "properties.observability.properties.tracing."]) {
      assert.isFalse(at(jsonSchema, `${table}additionalProperties`))
    }
  })

  it("knows what a list holds and how much of it", () => {
    const { items, maxItems, minItems, uniqueItems } = Object(
      at(jsonSchema, "properties.network.properties.listen_addr")
    )
    assert.deepStrictEqual([items, minItems, maxItems, uniqueItems], [{ type: "string" }, 1, 8, true])
  })

  it("knows ranges and choices", () => {
    const { maximum, minimum, type } = Object(at(jsonSchema, "properties.observability.properties.metrics_port"))
    assert.deepStrictEqual([type, minimum, maximum], ["integer", 0, 65_535])
    const levels = at(jsonSchema, "properties.observability.properties.log_level.enum")
    assert.deepStrictEqual(levels, ["trace", "debug", "info", "warn", "error"])
  })
})

describe("values in effect", () => {
  const effective: ReadonlyArray<Effective> = [
    { path: "data_dir", plain: '/a "b"\\\n\u007f', origin: { _tag: "Flag", flag: "--data-dir" } },
    { path: "network.turn_server", plain: undefined, origin: { _tag: "Default" } },
    { path: "network.turn_timeout_ms", plain: 5, origin: { _tag: "File", file: "a\nb.toml", line: 3 } },
    { path: "observability.tracing.sampling_rate", plain: 1, origin: { _tag: "Default" } }
  ]

  it("print as valid TOML with their origins, whatever a file is called", () => {
    const text = effectiveToml("x\ny", effective)
    assert.deepStrictEqual(parse(text), {
      data_dir: '/a "b"\\\n\u007f',
      network: { turn_timeout_ms: 5 },
      observability: { tracing: { sampling_rate: 1 } }
    })
    assert.include(text, "turn_timeout_ms = 5 # a\\u{a}b.toml:3")
    assert.include(text, "# turn_server is not set")
    assert.include(text, "sampling_rate = 1.0 # default")
  })

  it("nest as in the file when printed as JSON", () => {
    assert.deepStrictEqual(effectiveJson(effective), {
      data_dir: '/a "b"\\\n\u007f',
      network: { turn_timeout_ms: 5 },
      observability: { tracing: { sampling_rate: 1 } }
    })
  })

  it("write a list on one line, or an item a line where that is too long, with the origin on the first", () => {
    const long = "x".repeat(60)
    const text = effectiveToml("x", lists([], [long, long]))
    assert.include(text, "\nlisten_addr = [] # default\n")
    assert.include(text, `\nbootstrap_peers = [ # --bootstrap\n  "${long}",\n  "${long}"\n]`)
  })

  it.prop(
    "survive as lists being written and read, and being told as JSON",
    [Arbitrary.array(Arbitrary.schema(Schema.String)), Arbitrary.array(Arbitrary.schema(Schema.String))],
    ([some, others]) => {
      const values = lists(wellFormed(some), wellFormed(others))
      const expected = { network: { listen_addr: wellFormed(some), bootstrap_peers: wellFormed(others) } }
      assert.deepStrictEqual(parse(effectiveToml("x", values)), expected)
      assert.deepStrictEqual(effectiveJson(values), expected)
    },
    { arbitrary: { runs: 500, size: 100 } }
  )

  it.prop(
    "survive being written and read",
    [Arbitrary.schema(Schema.String), Arbitrary.schema(Schema.Finite)],
    ([text, float]) => {
      const document = parse(`a = ${tomlValue(text, "string")}\nb = ${tomlValue(float, "number")}`)
      // JavaScript's minus zero is written without its sign.
      assert.deepStrictEqual(document, { a: text.toWellFormed(), b: float + 0 })
    },
    { arbitrary: { runs: 500, size: 200 } }
  )
})
