import { assert, describe, it } from "@effect/vitest"
import { check } from "../../tools/architecture.ts"

const header = "/** What this is for. */\n"

/** The rules that a set of files breaks, as "file: rule". */
const broken = (files: Readonly<Record<string, string>>): ReadonlyArray<string> =>
  check(new Map(Object.entries(files))).map(({ file, rule }) => `${file}: ${rule}`)

const one = (file: string, code: string): ReadonlyArray<string> => broken({ [file]: header + code })

describe("architecture", () => {
  it("accepts imports that go down and refuses those that go up", () => {
    assert.deepStrictEqual(one("src/layers/A.ts", 'import { b } from "../services/B.ts"\n'), [])
    assert.deepStrictEqual(one("src/services/b.ts", 'import { a } from "../layers/A.ts"\n'), [
      "src/services/b.ts: services imports layers: src/layers/A.ts"
    ])
    assert.lengthOf(one("src/domain/a.ts", 'export { b } from "../protocol/b.ts"\n'), 1)
    assert.lengthOf(one("src/layers/A.ts", 'const b = await import("../programs/b.ts")\n'), 1)
  })

  it("refuses libraries, Node.js and running effects in pure code, but takes data and types", () => {
    assert.lengthOf(one("src/domain/a.ts", 'import { readFileSync } from "node:fs"\n'), 1)
    assert.lengthOf(one("src/protocol/a.ts", 'import { Effect, Result } from "effect"\n'), 1)
    assert.deepStrictEqual(
      one(
        "src/protocol/a.ts",
        'import { createHash } from "node:crypto"\nimport { type Effect, Result } from "effect"\n'
      ),
      []
    )
    assert.deepStrictEqual(one("src/protocol/a.ts", 'import * as Result from "effect/Result"\n'), [])
    assert.lengthOf(one("src/protocol/a.ts", 'import * as Queue from "effect/Queue"\n'), 1)
    assert.lengthOf(one("src/services/a.ts", 'import { createServer } from "node:http"\n'), 1)
  })

  it("keeps the inside of a layer to that layer", () => {
    const code = 'import { a } from "./turn/Allocation.ts"\n'
    assert.deepStrictEqual(one("src/layers/TurnUdp.ts", code), [])
    assert.lengthOf(one("src/layers/LedgerSqlite.ts", code), 1)
    const technology = 'import { a } from "./libp2p/Node.ts"\n'
    assert.deepStrictEqual(one("src/layers/SessionLibp2p.ts", technology), [])
    assert.lengthOf(one("src/layers/SessionMemory.ts", technology), 1)
    const part = 'import { a } from "../../libp2p/Node.ts"\n'
    assert.deepStrictEqual(one("src/layers/session/libp2p/Wire.ts", part), [])
    assert.lengthOf(one("src/layers/session/memory/Wire.ts", part), 1)
  })

  it("finds cycles", () => {
    const found = broken({
      "src/domain/a.ts": `${header}import { b } from "./b.ts"\n`,
      "src/domain/b.ts": `${header}import { a } from "./a.ts"\n`
    })
    assert.deepStrictEqual(found, [
      "src/domain/a.ts: import cycle: src/domain/a.ts -> src/domain/b.ts -> src/domain/a.ts"
    ])
  })

  it("refuses time, randomness and environment outside the named edges, but not in comments", () => {
    for (const use of [
      "Date.now()",
      "new Date()",
      "setTimeout(f, 1)",
      "Math.random()",
      "process.env",
      "process.exit(1)"
    ]) {
      assert.lengthOf(one("src/layers/A.ts", `export const a = ${use}\n`), 1, use)
      assert.deepStrictEqual(one("src/layers/A.ts", `// not ${use}\n`), [], use)
    }
    assert.deepStrictEqual(one("src/layers/A.ts", "process.exitCode = 1\n"), [])
    assert.deepStrictEqual(one("src/main.ts", "process.exit(78)\n"), [])
  })

  it("asks for a header, for readable sizes and for nothing left open", () => {
    assert.lengthOf(broken({ "src/domain/a.ts": "export const a = 1\n" }), 1)
    assert.lengthOf(one("src/domain/a.ts", "export const a = 1\n".repeat(401)), 1)
    assert.lengthOf(one("test/a.test.ts", `const a = "${"x".repeat(120)}"\n`), 1)
    assert.lengthOf(one("src/domain/a.ts", `// ${["TO", "DO"].join("")} later\n`), 1)
  })

  it("asks for a memory layer and a test of every service", () => {
    const service = `${header}export class Ledger extends Context.Service<Ledger, {}>()("Ledger") {}\n`
    assert.deepStrictEqual(broken({ "src/services/Ledger.ts": service, "src/layers/LedgerSqlite.ts": header }), [
      "src/services/Ledger.ts: has no memory layer",
      "src/services/Ledger.ts: has no test"
    ])
    assert.deepStrictEqual(
      broken({
        "src/services/Ledger.ts": service,
        "src/layers/LedgerMemory.ts": header,
        "test/contract/Ledger.ts": header
      }),
      []
    )
  })
})
