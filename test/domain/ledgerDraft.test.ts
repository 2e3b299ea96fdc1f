import { assert, describe, it } from "@effect/vitest"
import { account, Coop, pays } from "../fixtures/ledgerCoop.ts"

const transfer = { kind: "transfer" } as const
const grantTo = (name: string, limit: number, currency = 0) =>
  ({ kind: "grant", account: account(name), currency, limit }) as const

describe("the next entry of a chain", () => {
  it("begins the chain, or goes on from its end", () => {
    const coop = new Coop(["ann", "ben"])
    const first = coop.draft("ann", transfer, { legs: pays("ann", "ben", 1) })
    assert.deepInclude(first, { seq: 0, prev: null, coop: coop.replica.history.coop })
    const written = coop.pay("ann", "ben", 1)
    assert.deepInclude(coop.draft("ann", transfer), { seq: 1, prev: written.id })
    assert.deepInclude(coop.draft("steward", transfer), { seq: 3 })
  })

  it("has a lamport above everything that it names", () => {
    const coop = new Coop(["ann", "ben"])
    const credit = coop.pay("ann", "ben", 1)
    const draft = coop.draft("ben", { kind: "ack" }, { acks: [credit.id] })
    assert.strictEqual(draft.lamport, credit.entry.lamport + 1)
  })

  it("names the membership once, and of the grants of each currency only the latest, and only if it is new", () => {
    const coop = new Coop(["ann", "ben"], ["hours", "EUR"])
    coop.write("steward", grantTo("ann", 300))
    const late = coop.write("steward", grantTo("ann", 200))
    const euro = coop.write("steward", grantTo("ann", 50, 1))
    coop.write("steward", grantTo("ben", 50))
    const first = coop.pay("ann", "ben", 1)
    assert.lengthOf(first.entry.deps, 3)
    assert.includeMembers([...first.entry.deps], [late.id, euro.id])
    assert.deepStrictEqual(coop.pay("ann", "ben", 1).entry.deps, [])
    const again = coop.write("steward", grantTo("ann", 250))
    assert.deepStrictEqual(coop.pay("ann", "ben", 1).entry.deps, [again.id])
  })

  it("puts legs, acks and deps into their order, each id once", () => {
    const coop = new Coop(["ann", "ben"], ["hours", "EUR"])
    const credits = [1, 2, 3].map((amount) => coop.pay("ben", "ann", amount).id)
    const legs = [...pays("ann", "ben", 1, 1), ...pays("ann", "ben", 1, 0)]
    const draft = coop.draft("ann", transfer, { legs, acks: [...credits, ...credits].toReversed(), deps: credits })
    assert.deepStrictEqual(
      draft.acks,
      credits.toSorted((a, b) => (a < b ? -1 : 1))
    )
    assert.strictEqual(coop.judge(draft)._tag, "Admitted")
  })
})
