import { assert, describe, it } from "@effect/vitest"
import { refusalText } from "../../src/domain/ledgerRefusalText.ts"
import { account } from "../fixtures/ledgerCoop.ts"

const request = {
  currencies: [{ symbol: "hours", decimals: 2, startingLimit: 10_000 }],
  balances: [
    { account: account("ada"), currency: 0, posted: -2000, held: 500, unacked: 100, available: 7400, limit: 10_000 }
  ],
  payments: [{ currency: 0, amount: 15_000 }]
}

describe("refusalText", () => {
  it("says what is available, and what it consists of", () => {
    assert.strictEqual(
      refusalText("overLimit", request),
      "overLimit: this takes 150.00 hours, and 74.00 is available " +
        "(balance -20.00, limit 100.00, held 5.00, not acknowledged yet 1.00)"
    )
  })

  it("leaves out what is 0, and says something where nothing is known", () => {
    const plain = { ...request, balances: request.balances.map((row) => ({ ...row, held: 0, unacked: 0 })) }
    assert.notMatch(refusalText("overLimit", plain), /held|acknowledged/)
    const unknown = { currencies: [], balances: [], payments: [] }
    assert.strictEqual(refusalText("overLimit", unknown), "overLimit: it takes more than is available")
  })

  it("begins with the rule's name", () => {
    assert.match(refusalText("resolvedBefore", request), /^resolvedBefore: the hold was /)
  })
})
