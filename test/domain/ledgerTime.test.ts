import { assert, describe, it } from "@effect/vitest"
import { isoTime } from "../../src/domain/ledgerTime.ts"
import { integer, thorough } from "../fixtures/arbitraries.ts"

describe("times of entries", () => {
  it.prop(
    "are written as by the platform",
    [integer(0, 253_402_300_799_999)],
    ([at]) => assert.strictEqual(isoTime(at), new Date(at).toISOString()),
    thorough
  )

  it("are right on the days around leap days and new years", () => {
    for (let year = 1970; year < 2500; year++) {
      for (const [month, day] of [
        [0, 1],
        [1, 28],
        [1, 29],
        [2, 1],
        [11, 31]
      ] as const) {
        const at = Date.UTC(year, month, day)
        assert.strictEqual(isoTime(at), new Date(at).toISOString())
      }
    }
  })

  it("end with the year 9999, whatever an author's clock says", () => {
    assert.strictEqual(isoTime(Number.MAX_SAFE_INTEGER), "9999-12-31T23:59:59.999Z")
  })
})
