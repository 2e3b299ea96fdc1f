import { assert, describe, it } from "@effect/vitest"
import { creditPolicyNames, LedgerActivity, payersMax, suggestLimit } from "../../src/domain/ledgerLimitPolicy.ts"
import type { Entry } from "../../src/domain/ledgerEntry.ts"
import { amountMax, decimalsMax } from "../../src/domain/ledgerLimits.ts"
import { integer, thorough } from "../fixtures/arbitraries.ts"
import { account, pays } from "../fixtures/ledgerCoop.ts"

const dayMillis = 86_400_000
const untrusted = { trust: 0, tenureMillis: 0, cleared: 0 }
const record = (cleared: number, days: number, trust = 0) => ({ cleared, tenureMillis: days * dayMillis, trust })

describe("suggestLimit", () => {
  it("leaves a new member at 10 units until he has cleared 50, however long he has been there", () => {
    for (const name of creditPolicyNames) {
      assert.strictEqual(suggestLimit(name, 2, untrusted), 1000)
      assert.strictEqual(suggestLimit(name, 2, record(4999, 10_000)), 1000)
      assert.strictEqual(suggestLimit(name, 2, record(5000, 0)), 1000)
    }
  })

  it("grows evenly to the full limit over 90 days", () => {
    // 100 + 5 % of 60 are 103: a third of the way from 10 to 103 after 30 days.
    assert.strictEqual(suggestLimit("conservative", 2, record(6000, 30)), 4100)
    assert.strictEqual(suggestLimit("conservative", 2, record(6000, 90)), 10_300)
    assert.strictEqual(suggestLimit("conservative", 2, record(6000, 900)), 10_300)
    // 500 + 15 % of 60 are 509.
    assert.strictEqual(suggestLimit("permissive", 2, record(6000, 90)), 50_900)
  })

  it("adds for trust, once somebody can tell it", () => {
    assert.strictEqual(suggestLimit("conservative", 2, record(100_000, 180, 0.8)), 10_000 + 2400 + 5000)
    assert.strictEqual(suggestLimit("permissive", 2, record(100_000, 180, 1)), 50_000 + 25_000 + 15_000)
  })

  it("counts in whole units of the currency", () => {
    assert.strictEqual(suggestLimit("conservative", 0, record(60, 90)), 103)
    assert.strictEqual(suggestLimit("conservative", 6, record(60_000_000, 90)), 103_000_000)
  })

  const inputs = {
    decimals: integer(0, decimalsMax),
    cleared: integer(-amountMax, Number.MAX_SAFE_INTEGER),
    more: integer(0, amountMax),
    tenureMillis: integer(0, 200 * dayMillis),
    longer: integer(0, 200 * dayMillis),
    trustPercent: integer(0, 100)
  }

  it.prop(
    "is an amount that may be granted, never less for more volume, time or trust",
    inputs,
    ({ cleared, decimals, longer, more, tenureMillis, trustPercent }) => {
      for (const name of creditPolicyNames) {
        const trust = trustPercent / 100
        const limit = suggestLimit(name, decimals, { cleared, tenureMillis, trust })
        assert.isTrue(Number.isSafeInteger(limit) && limit >= 0 && limit <= amountMax)
        const volume = Math.min(cleared + more, Number.MAX_SAFE_INTEGER)
        for (const better of [
          { cleared: volume, tenureMillis, trust },
          { cleared, tenureMillis: tenureMillis + longer, trust },
          { cleared, tenureMillis, trust: Math.min(1, trust + 0.1) }
        ]) {
          assert.isAtLeast(suggestLimit(name, decimals, better), limit)
        }
      }
      const one = { cleared, tenureMillis, trust: trustPercent / 100 }
      assert.isAtMost(suggestLimit("conservative", decimals, one), suggestLimit("permissive", decimals, one))
    },
    thorough
  )
})

const base = {
  coop: "00".repeat(32),
  seq: 1,
  prev: "01".repeat(32),
  lamport: 1,
  at: 0,
  legs: [],
  acks: [],
  deps: [],
  idempotencyKey: "",
  memo: ""
}

const payment = (from: string, to: string, amount: number): Entry => ({
  ...base,
  kind: "transfer",
  author: account(from),
  legs: pays(from, to, amount)
})

describe("LedgerActivity", () => {
  it("counts what was received, less what was given back, and by how many it was paid", () => {
    const activity = new LedgerActivity()
    activity.observe({ ...base, kind: "member", author: account("s"), account: account("a"), at: 1000 })
    activity.observe({ ...base, kind: "member", author: account("s"), account: account("a"), at: 500 })
    activity.observe(payment("b", "a", 300))
    activity.observe(payment("b", "a", 200))
    activity.observe(payment("c", "a", 100))
    activity.observe({ ...base, kind: "hold", author: account("c"), legs: pays("c", "a", 77), expiresAt: 1 })
    activity.observe({ ...base, kind: "reverse", author: account("a"), legs: pays("a", "c", 100), reversed: "02" })
    assert.deepStrictEqual(activity.of(account("a"), 0, 10_500), {
      cleared: 500,
      tenureMillis: 10_000,
      trust: 0,
      payers: 2
    })
    // What comes back is nothing that somebody earned.
    assert.strictEqual(activity.of(account("c"), 0, 0).cleared, 0)
    assert.strictEqual(activity.of(account("b"), 0, 0).cleared, 0)
    assert.strictEqual(activity.of(account("a"), 1, 0).cleared, 0)
  })

  it("dates a steward from the genesis, and nobody before he has come", () => {
    const activity = new LedgerActivity()
    activity.observe({
      ...base,
      kind: "genesis",
      author: account("s"),
      name: "",
      currencies: [],
      stewards: [account("s")],
      threshold: 1,
      at: 100
    })
    assert.strictEqual(activity.of(account("s"), 0, 350).tenureMillis, 250)
    assert.strictEqual(activity.of(account("s"), 0, 50).tenureMillis, 0)
    assert.strictEqual(activity.of(account("nobody"), 0, 350).tenureMillis, 0)
  })

  it("tells no more than some payers apart", () => {
    const activity = new LedgerActivity()
    for (let number = 0; number < payersMax + 5; number++) {
      const payer = String(number).padStart(64, "0")
      const legs = [
        { account: payer, currency: 0, amount: -1 },
        { account: account("a"), currency: 0, amount: 1 }
      ]
      activity.observe({ ...base, kind: "transfer", author: payer, legs })
    }
    assert.deepInclude(activity.of(account("a"), 0, 0), { cleared: payersMax + 5, payers: payersMax })
  })
})
