import { assert, describe, it } from "@effect/vitest"
import { countLine } from "../../../src/programs/cli/ledger/counting.ts"
import { table } from "../../../src/programs/cli/table.ts"

describe("table", () => {
  it("makes columns as wide as their widest cell, and leaves no blanks at the end", () => {
    const columns = [
      { title: "who", align: "left" },
      { title: "has", align: "right" },
      { title: "note", align: "left" }
    ] as const
    const rows = [
      ["Ada", "1.50", ""],
      ["Beatrix", "-100.00", "new"]
    ]
    assert.strictEqual(
      table(columns, rows),
      ["who          has  note", "Ada         1.50", "Beatrix  -100.00  new"].join("\n")
    )
    assert.strictEqual(table(columns, []), "who  has  note")
  })
})

describe("countLine", () => {
  it("tells the share and the numbers, also of nothing and of more than was expected", () => {
    assert.strictEqual(
      countLine("verifying", { done: 420_000, total: 1_000_000 }),
      "verifying  42 %, 420 000 of 1 000 000 entries"
    )
    assert.strictEqual(countLine("a", { done: 0, total: 0 }), "a 100 %, 0 of 0 entries")
    assert.strictEqual(countLine("a", { done: 12, total: 10 }), "a 100 %, 12 of 10 entries")
  })
})
