import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { Did } from "../../src/domain/did.ts"
import type { Entry } from "../../src/domain/ledgerEntry.ts"
import {
  accountDid,
  balanceView,
  currencyNamed,
  didAccount,
  historyLines,
  isPaymentKind
} from "../../src/domain/ledgerView.ts"
import { isoTime } from "../../src/programs/rpc/isoTime.ts"
import { account, pays } from "../fixtures/ledgerCoop.ts"

const currencies = [
  { symbol: "hours", decimals: 2, startingLimit: 10_000 },
  { symbol: "EUR", decimals: 0, startingLimit: 0 }
]

const [ada, bea, chris] = [account("ada"), account("bea"), account("chris")]

const base = {
  coop: "00".repeat(32),
  author: ada,
  seq: 4,
  prev: "01".repeat(32),
  lamport: 9,
  at: Date.UTC(2026, 10, 24, 12),
  acks: [],
  deps: [],
  idempotencyKey: "",
  memo: "bread"
}

const payroll: Entry = {
  ...base,
  kind: "transfer",
  legs: [
    { account: ada, currency: 0, amount: -350 },
    { account: bea, currency: 0, amount: 150 },
    { account: chris, currency: 0, amount: 200 }
  ]
}

const linesOf = (entry: Entry, of: string | undefined) =>
  historyLines({ id: "0e".repeat(32), entry, version: 7, booked: true }, of, currencies, isoTime)
const short = (entry: Entry, of: string | undefined) =>
  linesOf(entry, of).map(({ amount, counterparty, currency }) => [counterparty, amount, currency])

describe("DIDs of accounts", () => {
  it("are those of the key, both ways, the old spelling included", () => {
    const did = Result.getOrThrow(Did.parse(accountDid(ada)))
    assert.strictEqual(didAccount(did), ada)
    assert.match(accountDid(ada), /^did:key:z6Mk/)
    assert.strictEqual(accountDid(ada), accountDid(ada))
    assert.strictEqual(accountDid("ff".repeat(32)), `invalid:${"ff".repeat(32)}`)
  })
})

describe("historyLines", () => {
  it("tells the payer what each payee got, as given", () => {
    assert.deepStrictEqual(short(payroll, ada), [
      [accountDid(bea), "-1.50", "hours"],
      [accountDid(chris), "-2.00", "hours"]
    ])
  })

  it("tells a payee what he alone got, as received", () => {
    assert.deepStrictEqual(short(payroll, bea), [[accountDid(ada), "1.50", "hours"]])
    assert.deepStrictEqual(short(payroll, account("nobody")), [])
  })

  it("takes the author's side where nobody asks", () => {
    assert.deepStrictEqual(short(payroll, undefined), short(payroll, ada))
  })

  it("has exactly the parts that scripts rely on", () => {
    assert.deepStrictEqual(linesOf(payroll, bea), [
      {
        entryId: "0e".repeat(32),
        kind: "transfer",
        author: accountDid(ada),
        seq: 4,
        at: "2026-11-24T12:00:00.000Z",
        currency: "hours",
        amount: "1.50",
        counterparty: accountDid(ada),
        memo: "bread",
        booked: true,
        version: 7
      }
    ])
  })

  it("gives entries without a payment one line, with whom they are about", () => {
    assert.deepStrictEqual(short({ ...base, kind: "ack", legs: [] }, ada), [[null, null, null]])
    assert.deepStrictEqual(short({ ...base, kind: "member", account: bea, legs: [] }, ada), [
      [accountDid(bea), null, null]
    ])
  })

  it("has a date for whatever the author says", () => {
    const dates = [0, Number.MAX_SAFE_INTEGER].map((at) => linesOf({ ...payroll, at }, bea)[0]?.at)
    assert.deepStrictEqual(dates, ["1970-01-01T00:00:00.000Z", "+275760-09-13T00:00:00.000Z"])
  })

  it("counts in the digits of the currency", () => {
    const entry: Entry = { ...base, kind: "transfer", legs: pays("ada", "bea", 12, 1) }
    assert.deepStrictEqual(short(entry, ada), [[accountDid(bea), "-12", "EUR"]])
    const unknown: Entry = { ...base, kind: "transfer", legs: pays("ada", "bea", 12, 5) }
    assert.deepStrictEqual(short(unknown, ada), [[accountDid(bea), "-12", "#5"]])
  })
})

describe("balanceView", () => {
  it("writes every amount with the digits of its currency", () => {
    const balance = { account: ada, currency: 0, posted: -150, held: 25, unacked: 5, available: 9_820, limit: 10_000 }
    assert.deepStrictEqual(balanceView(balance, currencies), {
      did: accountDid(ada),
      currency: "hours",
      posted: "-1.50",
      held: "0.25",
      unacked: "0.05",
      available: "98.20",
      limit: "100.00"
    })
  })
})

describe("currencyNamed", () => {
  it("finds a currency by its symbol, in any case unless two differ by it", () => {
    assert.deepStrictEqual([currencyNamed(currencies, "hours"), currencyNamed(currencies, "eur")], [0, 1])
    assert.isUndefined(currencyNamed(currencies, "hour"))
    const twins = ["Eur", "EUR"].map((symbol) => ({ symbol, decimals: 2, startingLimit: 0 }))
    assert.deepStrictEqual([currencyNamed(twins, "EUR"), currencyNamed(twins, "eur")], [1, undefined])
  })
})

describe("isPaymentKind", () => {
  it("is about payments and what becomes of them", () => {
    assert.isTrue(isPaymentKind("void"))
    assert.isFalse(isPaymentKind("ack"))
  })
})
