import { assert, describe, it } from "@effect/vitest"
import { SumsTable } from "../../src/domain/ledgerSums.ts"

describe("sums", () => {
  it("have rows for what is not nothing, in order", () => {
    const sums = new SumsTable()
    sums.change("bb", 1, "posted", 5)
    sums.change("bb", 0, "held", 1)
    sums.change("aa", 0, "unacked", 2)
    assert.deepStrictEqual(
      [...sums.rows()],
      [
        ["aa", 0, { posted: 0, held: 0, unacked: 2 }],
        ["bb", 0, { posted: 0, held: 1, unacked: 0 }],
        ["bb", 1, { posted: 5, held: 0, unacked: 0 }]
      ]
    )
    sums.change("bb", 1, "posted", -5)
    assert.lengthOf([...sums.rows()], 2)
    assert.deepStrictEqual(sums.get("bb", 1), { posted: 0, held: 0, unacked: 0 })
  })

  it("stop before they are not exact any more", () => {
    const sums = new SumsTable()
    sums.change("aa", 0, "posted", Number.MAX_SAFE_INTEGER)
    assert.throws(() => sums.change("aa", 0, "posted", 1), RangeError)
    assert.strictEqual(sums.get("aa", 0).posted, Number.MAX_SAFE_INTEGER)
    sums.change("aa", 1, "posted", -Number.MAX_SAFE_INTEGER)
    assert.throws(() => sums.change("aa", 1, "posted", -1), RangeError)
  })
})
