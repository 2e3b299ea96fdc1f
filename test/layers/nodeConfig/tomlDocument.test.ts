import { assert, describe, it } from "@effect/vitest"
import { parse, TomlDate } from "smol-toml"
import type { DocumentNode, DocumentTable } from "../../../src/domain/nodeConfigSources.ts"
import type { RawValue } from "../../../src/domain/nodeConfigValue.ts"
import { parseToml } from "../../../src/layers/nodeConfig/tomlDocument.ts"
import { fuzzSeed, makeRandom, type Random } from "../../fixtures/random.ts"

/** The document as plain data, each value as its type and value. */
const plain = (node: DocumentNode): unknown => {
  if (node._tag === "Table")
    return Object.fromEntries(Array.from(node.entries, ([name, inner]) => [name, plain(inner)]))
  return plainValue(node.raw)
}

/** Tables in an array hold nothing that any key wants, and of an array of tables there is only the first. */
const once = (items: ReadonlyArray<unknown>): ReadonlyArray<unknown> =>
  items.every((item) => Array.isArray(item) && item[0] === "table") ? items.slice(0, 1) : items

const plainValue = (raw: RawValue): unknown => {
  if (raw.type === "array") return ["array", once(raw.items.map((item) => plainValue(item.raw)))]
  return "value" in raw ? [raw.type, raw.value] : [raw.type]
}

const lines = (table: DocumentTable): Record<string, number> =>
  Object.fromEntries(
    Array.from(table.entries).flatMap(([name, node]) => [
      [name, node.line],
      ...(node._tag === "Table" ? Object.entries(lines(node)).map(([inner, line]) => [`${name}.${inner}`, line]) : [])
    ])
  )

const faults = (text: string) => parseToml(text).faults.map(({ line, message }) => `${line}: ${message}`)

describe("values", () => {
  it("keep TOML's types apart", () => {
    const text = `i = 1_000
h = 0xff
big = 99999999999999999999
f = 1.0
inf = -inf
s = "a\\tb"
l = 'a\\tb'
m = """
x"""
b = true
d = 1979-05-27
a = [1, "x", [2.0, []], {x = 1}]
t = {x = 1}
t2.y.z = 2`
    assert.deepStrictEqual(plain(parseToml(text).table), {
      i: ["integer", 1000n],
      h: ["integer", 255n],
      big: ["integer", 99999999999999999999n],
      f: ["float", 1],
      inf: ["float", Number.NEGATIVE_INFINITY],
      s: ["string", "a\tb"],
      l: ["string", "a\\tb"],
      m: ["string", "x"],
      b: ["boolean", true],
      d: ["date"],
      a: [
        "array",
        [
          ["integer", 1n],
          ["string", "x"],
          [
            "array",
            [
              ["float", 2],
              ["array", []]
            ]
          ],
          ["table"]
        ]
      ],
      t: { x: ["integer", 1n] },
      t2: { y: { z: ["integer", 2n] } }
    })
  })

  it("know their lines, also with CRLF", () => {
    const text = `a = 1

[b]
c = """
x
"""
d.e = 2
[b.f]
g = {h = 1}`
    const expected = { a: 1, b: 3, "b.c": 4, "b.d": 7, "b.d.e": 7, "b.f": 8, "b.f.g": 9, "b.f.g.h": 9 }
    assert.deepStrictEqual(lines(parseToml(text).table), expected)
    assert.deepStrictEqual(lines(parseToml(text.replaceAll("\n", "\r\n")).table), expected)
  })

  it("know the line of each item of an array", () => {
    const node = parseToml('\na = [ # why\n  "x",\n\n  "y", "z"\n]').table.entries.get("a")
    assert.strictEqual(node?.line, 2)
    const raw = node?._tag === "Value" && node.raw.type === "array" ? node.raw.items : []
    assert.deepStrictEqual(
      raw.map(({ line }) => line),
      [3, 5, 5]
    )
  })

  it("take an array of tables for an array, wherever it begins", () => {
    assert.deepStrictEqual(plain(parseToml("[[a]]\nx = 1\n[[a]]\n[a.b]\ny = 1\n[c]\n[[c.d]]\nz = 1").table), {
      a: ["array", [["table"]]],
      c: { d: ["array", [["table"]]] }
    })
  })

  it("can be called like the members of Object", () => {
    const { faults, table } = parseToml("__proto__ = 1\n[constructor]\n__proto__ = 2\n[toString.__proto__]\nx = 3")
    assert.deepStrictEqual(faults, [])
    assert.deepStrictEqual([...table.entries.keys()], ["__proto__", "constructor", "toString"])
    assert.notProperty({}, "x")
  })
})

describe("faults", () => {
  it("are all told, each with line and column, and the rest is read", () => {
    const text = `a = 1
b = "unterminated
c = 3
c = 4
d
e = = 1
f = 2020-13-01
g = 7`
    const document = parseToml(text)
    assert.deepStrictEqual(faults(text), [
      "2: Unterminated string constant (column 18)",
      '5: expected "=" after the key (column 2)',
      "6: Unexpected token (column 5)",
      "7: Unexpected invalid date (column 14)",
      "4: this key or table is set twice (column 1)"
    ])
    assert.deepStrictEqual([...document.table.entries.keys()], ["a", "c", "g"])
  })

  it("in a table's header take the table along, so that its keys do not fall to the one above", () => {
    const { faults, table } = parseToml("[a]\nx = 1\n[a]\ny = 2\n[b]\nz = 3")
    assert.deepStrictEqual(
      faults.map(({ line }) => line),
      [3]
    )
    assert.deepStrictEqual(plain(table), { a: { x: ["integer", 1n] }, b: { z: ["integer", 3n] } })
  })

  it("that show below the statement's first line hide no more than the statement", () => {
    const cases: ReadonlyArray<readonly [string, ReadonlyArray<number | undefined>, ReadonlyArray<string>]> = [
      ["a = [1,\nb = 2\nc = 3\nd = \n", [1, 4], ["b", "c"]],
      ["a = [\n1,\nx,\n2]\nc = 3", [3], ["c"]],
      ['a = """\nb = 2\nc = 3', [1], ["b", "c"]],
      ["a\n\nc = 3", [1], ["c"]],
      ["c = 1\na = [\n  1,\n", [4], ["c"]]
    ]
    for (const [text, lines, names] of cases) {
      const { faults, table } = parseToml(text)
      assert.deepStrictEqual([faults.map(({ line }) => line), [...table.entries.keys()]], [lines, names], text)
    }
  })

  it("are not looked for without end, and not in a file too long to have been typed", () => {
    const far = `a = 1\nb = """\n${"x\n".repeat(1000)}`
    const long = `x x\ny y\n${"# comment\n".repeat(4000)}`
    for (const text of [far, long]) {
      assert.lengthOf(faults(text), 1)
      assert.strictEqual(parseToml(text).table.entries.size, 0)
    }
  })

  it("are bounded in number", () => {
    assert.lengthOf(faults("x x\n".repeat(1000)), 10)
  })

  it("never repeat what the file says", () => {
    const spellings = [
      "password = hunter2",
      'password = "hunter2',
      "password hunter2",
      'password = "hunter2\\q"',
      'password = "hunter2" hunter2',
      "password = 'hunter2\u0000'",
      'password = "hunter2"\npassword = "hunter2"',
      "password = [hunter2]",
      "password = {hunter2}",
      "[hunter2\n",
      'password = """hunter2',
      'password = "\\uhunter2"',
      "password = 2020-13-13hunter2"
    ]
    for (const text of spellings) {
      assert.isAbove(faults(text).length, 0, text)
      assert.notInclude(faults(text).join(), "hunter2", text)
    }
  })

  it("include control characters and NUL bytes", () => {
    for (const text of ["\u0000", 'a = "x\u0000y"', "a = 1 # \u0007", "a = 1\rb = 2"]) assert.lengthOf(faults(text), 1)
  })

  it("include nesting and lengths that overflow the parser", () => {
    const sentence = "nested too deeply, or a value is too long"
    for (const text of [
      `a = ${"[".repeat(100_000)}`,
      `a = ${"{a=".repeat(50_000)}`,
      `a = ${"[".repeat(50_000)}${"]".repeat(50_000)}`,
      `a = "${"x".repeat(250_000)}"`
    ]) {
      const [fault] = parseToml(text).faults
      assert.isTrue(fault === undefined || fault.message === sentence || fault.line === 1)
    }
    assert.deepStrictEqual(parseToml(`a = ${"{a=".repeat(50_000)}1${"}".repeat(50_000)}`).faults, [
      { line: undefined, message: sentence }
    ])
  })
})

/** Without a carriage return alone, which this parser takes for a line break at the end of a file and others refuse. */
const fragments = [
  ...Array.from("=[]{}.,#\"'\\\n\n\n \t-+_:0123456789aAzZ\u0000\u007f"),
  '"""',
  "'''",
  " = ",
  "\n[a]\n",
  "\n[[b]]\n",
  "\na.b = ",
  "a",
  "b",
  "true",
  "false",
  "inf",
  "nan",
  "1.5",
  "1e9",
  "0x1f",
  "1979-05-27T07:32:00Z",
  '"text"',
  "'text'",
  "\\u00e9",
  "é",
  "\u{1f600}",
  "\r\n",
  "__proto__"
]

const anyText = (random: Random): string =>
  Array.from({ length: random.below(40) }, () => random.pick(fragments)).join("")

const isTable = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof TomlDate)

/** What another parser makes of the same document, in the form of `plain`. */
const reference = (value: unknown): unknown => {
  if (isTable(value)) {
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, reference(inner)]))
  }
  if (Array.isArray(value)) return ["array", once(value.map(referenceItem))]
  if (value instanceof TomlDate) return ["date"]
  if (typeof value === "bigint") return ["integer", value]
  // The one difference that TOML leaves to the reader: how a line ends inside a text of several lines.
  if (typeof value === "string") return ["string", value.replaceAll("\r\n", "\n")]
  return [typeof value === "number" ? "float" : typeof value, value]
}

const referenceItem = (value: unknown): unknown => (isTable(value) ? ["table"] : reference(value))

describe("any text", () => {
  it("is read without a crash, and as another parser reads it", () => {
    const seed = fuzzSeed()
    const random = makeRandom(seed)
    let valid = 0
    for (let run = 0; run < 5000; run++) {
      const text = anyText(random)
      const { faults, table } = parseToml(text)
      if (faults.length > 0) continue
      valid++
      try {
        assert.deepStrictEqual(plain(table), reference(parse(text, { integersAsBigInt: true })))
      } catch (error) {
        throw new Error(`seed ${seed}: ${JSON.stringify(text)}`, { cause: error })
      }
    }
    assert.isAbove(valid, 100)
  })
})
