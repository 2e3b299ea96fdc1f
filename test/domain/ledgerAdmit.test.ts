import { assert, describe, it } from "@effect/vitest"
import type { Entry } from "../../src/domain/ledgerEntry.ts"
import { account, Coop, makeGenesis, pays } from "../fixtures/ledgerCoop.ts"

const transfer = { kind: "transfer" } as const
const ack = { kind: "ack" } as const
const nowhere = "ab".repeat(32)

const coopOfThree = () => new Coop(["ann", "ben", "cam"])

const transferReason = (legs: Entry["legs"]) => coopOfThree().reason("ann", transfer, { legs })

const held = () => {
  const coop = coopOfThree()
  const hold = coop.write("ann", { kind: "hold", expiresAt: 1 }, { legs: pays("ann", "ben", 70) })
  return {
    coop,
    hold,
    post: { kind: "post", hold: hold.id } as const,
    void_: { kind: "void", hold: hold.id } as const
  }
}

const received = () => {
  const coop = coopOfThree()
  const credit = coop.write("ann", transfer, {
    legs: [
      { account: account("ann"), currency: 0, amount: -50 },
      { account: account("ben"), currency: 0, amount: 30 },
      { account: account("cam"), currency: 0, amount: 20 }
    ]
  })
  return { coop, credit, reverse: { kind: "reverse", reversed: credit.id } as const }
}

const grantTo = (name: string, limit: number) =>
  ({ kind: "grant", account: account(name), currency: 0, limit }) as const

describe("the genesis", () => {
  it("is the cooperative's own, and founded by a steward of it", () => {
    const coop = coopOfThree()
    assert.strictEqual(coop.judge(makeGenesis(["ann"], 100).entry)._tag, "Rejected")
    const genesis = makeGenesis(["steward"], 100).entry
    const reason = (changes: Partial<Entry>) => {
      const answer = coop.judge(Object.assign({}, genesis, changes))
      return answer._tag === "Rejected" ? answer.reason : answer._tag
    }
    assert.strictEqual(reason({}), "foreignCoop")
    assert.strictEqual(reason({ author: account("ann") }), "badGenesis")
    assert.strictEqual(reason({ lamport: 1 }), "badGenesis")
    assert.strictEqual(reason({ seq: 1 }), "badGenesis")
    assert.strictEqual(reason({ deps: [nowhere] }), "badGenesis")
    assert.strictEqual(reason({ legs: pays("steward", "ann", 1) }), "unexpectedLegs")
    assert.strictEqual(reason(Object.assign({}, genesis, { threshold: 2 })), "unsupportedThreshold")
  })

  it("comes before everything", () => {
    const coop = coopOfThree()
    const other = new Coop([], ["days"])
    assert.strictEqual(other.judge(coop.draft("ann", transfer, { legs: pays("ann", "ben", 1) }))._tag, "Rejected")
    assert.strictEqual(coop.reason("ann", transfer, { legs: pays("ann", "ben", 1) }, { coop: nowhere }), "foreignCoop")
    assert.strictEqual(coop.reason("ann", transfer, { legs: pays("ann", "ben", 1) }, { coop: null }), "noCoop")
  })
})

describe("double entry", () => {
  const [debit, credit] = pays("ann", "ben", 5)
  if (debit === undefined || credit === undefined) throw new Error("no legs")

  it("has legs that sum to 0 in each currency", () => {
    assert.strictEqual(transferReason([debit, credit]), "Admitted")
    assert.strictEqual(transferReason([debit, { ...credit, amount: 4 }]), "unbalanced")
    assert.strictEqual(transferReason([debit]), "unbalanced")
    assert.strictEqual(transferReason([]), "noLegs")
    assert.strictEqual(transferReason([debit, { ...credit, currency: 1 }]), "unbalanced")
  })

  it("debits the author alone, and never credits him", () => {
    assert.strictEqual(transferReason(pays("ben", "cam", 5)), "foreignDebit")
    assert.notStrictEqual(transferReason(pays("ben", "ann", 5)), "Admitted")
    const toSelf = [
      { ...debit, amount: 5 },
      { ...credit, amount: -5 }
    ]
    assert.notStrictEqual(transferReason(toSelf), "Admitted")
  })

  it("has legs only where they belong", () => {
    assert.strictEqual(coopOfThree().reason("ann", ack, { legs: [debit, credit] }), "unexpectedLegs")
    const member = { kind: "member", account: account("dan") } as const
    assert.strictEqual(coopOfThree().reason("steward", member, { legs: pays("steward", "ann", 1) }), "unexpectedLegs")
  })

  it("knows the currencies of the cooperative and no others", () => {
    assert.strictEqual(transferReason(pays("ann", "ben", 5, 1)), "unknownCurrency")
    const grant = { kind: "grant", account: account("ann"), currency: 1, limit: 5 } as const
    assert.strictEqual(coopOfThree().reason("steward", grant), "unknownCurrency")
    assert.strictEqual(new Coop(["ann"], ["hours", "EUR"]).reason("steward", grant), "Admitted")
  })

  it("pays to keys only, members or not", () => {
    assert.strictEqual(transferReason(pays("ann", "a stranger", 5)), "Admitted")
    assert.strictEqual(transferReason([debit, { ...credit, account: "00".repeat(32) }]), "notAnAccount")
    const member = { kind: "member", account: "00".repeat(32) } as const
    assert.strictEqual(coopOfThree().reason("steward", member), "notAnAccount")
  })
})

describe("who may write", () => {
  it("is a member by what he names himself", () => {
    const coop = coopOfThree()
    const legs = pays("ann", "ben", 5)
    assert.strictEqual(coop.reason("ann", transfer, { legs }), "Admitted")
    const unnamed = coop.draft("ann", transfer, { legs })
    assert.strictEqual(coop.reason("ann", transfer, { legs }, { deps: [], lamport: 1 }), "notMember")
    assert.strictEqual(coop.reason("a stranger", transfer, { legs: pays("a stranger", "ben", 5) }), "notMember")
    // Somebody else's membership is not his own.
    const ben = coop.draft("ben", transfer, { legs: pays("ben", "ann", 1) })
    assert.strictEqual(coop.reason("ann", transfer, { legs }, { deps: ben.deps, lamport: ben.lamport }), "notMember")
    assert.strictEqual(unnamed.deps.length, 1)
  })

  it("does not have to name it twice", () => {
    const coop = coopOfThree()
    coop.pay("ann", "ben", 5)
    const next = coop.draft("ann", transfer, { legs: pays("ann", "ben", 5) })
    assert.deepStrictEqual(next.deps, [])
    assert.strictEqual(coop.judge(next)._tag, "Admitted")
  })

  it("is a steward for members and grants", () => {
    const coop = coopOfThree()
    const member = { kind: "member", account: account("dan") } as const
    const grant = { kind: "grant", account: account("ann"), currency: 0, limit: 5 } as const
    assert.strictEqual(coop.reason("ann", member), "notSteward")
    assert.strictEqual(coop.reason("ann", grant), "notSteward")
    assert.strictEqual(coop.reason("second steward", member), "Admitted")
    assert.strictEqual(coop.reason("second steward", grant), "Admitted")
  })
})

describe("the chain", () => {
  it("goes on from the author's own entry, one by one", () => {
    const coop = coopOfThree()
    const first = coop.pay("ann", "ben", 5)
    const legs = pays("ann", "ben", 5)
    assert.strictEqual(coop.reason("ann", transfer, { legs }, { seq: 2 }), "brokenChain")
    assert.strictEqual(coop.reason("ann", transfer, { legs }, { seq: 0 }), "brokenChain")
    assert.strictEqual(coop.reason("ann", transfer, { legs, prev: undefined }, { seq: 1 }), "brokenChain")
    const after = coop.draft("ben", ack, { acks: [first.id], prev: first })
    assert.strictEqual(coop.reason("ben", ack, { acks: [first.id], prev: first }, { seq: after.seq }), "brokenChain")
  })

  it("has one lamport, which follows from what it names", () => {
    const coop = coopOfThree()
    const legs = pays("ann", "ben", 5)
    const { lamport } = coop.draft("ann", transfer, { legs })
    for (const other of [lamport - 1, lamport + 1, Number.MAX_SAFE_INTEGER])
      assert.strictEqual(coop.reason("ann", transfer, { legs }, { lamport: other }), "wrongLamport")
  })

  it("waits for everything that it names", () => {
    const coop = coopOfThree()
    const legs = pays("ann", "ben", 5)
    const draft = coop.draft("ann", transfer, { legs, acks: [nowhere], deps: ["cd".repeat(32)] })
    const answer = coop.judge(draft)
    assert.deepStrictEqual(answer._tag === "Pending" ? answer.missing.toSorted() : answer, [nowhere, "cd".repeat(32)])
    assert.strictEqual(coop.reason("ann", { kind: "post", hold: nowhere }, { legs }), "Pending")
    assert.strictEqual(coop.reason("ann", { kind: "reverse", reversed: nowhere }, { legs }), "Pending")
    assert.strictEqual(coop.reason("ann", transfer, { legs }, { seq: 1, prev: nowhere }), "Pending")
  })

  it("takes an idempotency key once per branch", () => {
    const coop = coopOfThree()
    const idempotencyKey = "01".repeat(16)
    const first = coop.pay("ann", "ben", 5, { idempotencyKey })
    coop.pay("ann", "ben", 5)
    const legs = pays("ann", "ben", 6)
    assert.strictEqual(coop.reason("ann", transfer, { legs, idempotencyKey }), "idempotencyKeyUsed")
    assert.strictEqual(coop.reason("ann", transfer, { legs, idempotencyKey: "02".repeat(16) }), "Admitted")
    assert.strictEqual(coop.reason("ben", transfer, { legs: pays("ben", "ann", 6), idempotencyKey }), "Admitted")
    // On another branch it has not been used.
    assert.strictEqual(coop.reason("ann", transfer, { legs, idempotencyKey, prev: undefined }), "Admitted")
    assert.strictEqual(coop.reason("ann", transfer, { legs, idempotencyKey, prev: first }), "idempotencyKeyUsed")
  })
})

describe("the limit", () => {
  it("is the starting limit without a grant", () => {
    const coop = coopOfThree()
    assert.strictEqual(coop.reason("ann", transfer, { legs: pays("ann", "ben", 100) }), "Admitted")
    assert.strictEqual(coop.reason("ann", transfer, { legs: pays("ann", "ben", 101) }), "overLimit")
    coop.pay("ann", "ben", 60)
    assert.strictEqual(coop.reason("ann", transfer, { legs: pays("ann", "ben", 41) }), "overLimit")
    assert.strictEqual(coop.reason("ann", transfer, { legs: pays("ann", "ben", 40) }), "Admitted")
  })

  it("counts what was acked, once, and nothing else that was received", () => {
    const coop = coopOfThree()
    const credit = coop.pay("ben", "ann", 30)
    const legs = pays("ann", "cam", 130)
    assert.strictEqual(coop.reason("ann", transfer, { legs }), "overLimit")
    assert.strictEqual(coop.reason("ann", transfer, { legs, acks: [credit.id] }), "Admitted")
    assert.strictEqual(coop.reason("cam", ack, { acks: [credit.id] }), "notACredit")
    assert.strictEqual(coop.reason("ben", ack, { acks: [credit.id] }), "notACredit")
    assert.strictEqual(coop.reason("ann", ack), "nothingToAck")
    coop.ack("ann", credit)
    assert.strictEqual(coop.reason("ann", ack, { acks: [credit.id] }), "ackedBefore")
    assert.strictEqual(coop.reason("ann", transfer, { legs }), "Admitted")
    assert.strictEqual(coop.reason("ann", transfer, { legs: pays("ann", "cam", 131) }), "overLimit")
  })

  it("is that of the latest grant named, in whatever order they are named", () => {
    const coop = coopOfThree()
    const early = coop.write("steward", grantTo("ann", 500))
    const late = coop.write("steward", grantTo("ann", 50))
    // The draft names the latest only.
    const draft = coop.draft("ann", transfer, { legs: pays("ann", "ben", 51) })
    assert.include(draft.deps, late.id)
    assert.notInclude(draft.deps, early.id)
    const legs = pays("ann", "ben", 51)
    assert.strictEqual(coop.reason("ann", transfer, { legs }), "overLimit")
    assert.strictEqual(coop.reason("ann", transfer, { legs, deps: [early.id] }), "overLimit")
    assert.strictEqual(coop.reason("ann", transfer, { legs: pays("ann", "ben", 50) }), "Admitted")
  })

  it("is, of grants with the same lamport, that with the larger id, whichever is named last", () => {
    const coop = coopOfThree()
    const prev = undefined
    const grants = [10, 20, 30, 40].map((limit) => coop.write("second steward", grantTo("ann", limit), { prev }))
    assert.strictEqual(new Set(grants.map(({ entry }) => entry.lamport)).size, 1)
    const [largest, ...others] = grants.toSorted((a, b) => (a.id < b.id ? 1 : -1))
    const limit = largest?.entry.kind === "grant" ? largest.entry.limit : undefined
    const first = coop.pay("ann", "ben", 1)
    assert.strictEqual(first.chain.accounts[0]?.limit, limit)
    const second = coop.pay("ann", "ben", 1, { deps: others.map(({ id }) => id) })
    assert.strictEqual(second.chain.accounts[0]?.limit, limit)
    assert.strictEqual(coop.balance("ann").limit, limit)
  })

  it("is his own: somebody else's grant, or another currency's, does nothing", () => {
    const coop = new Coop(["ann", "ben"], ["hours", "EUR"])
    const forBen = coop.write("steward", { kind: "grant", account: account("ben"), currency: 0, limit: 500 })
    coop.write("steward", { kind: "grant", account: account("ann"), currency: 1, limit: 500 })
    assert.strictEqual(coop.reason("ann", transfer, { legs: pays("ann", "ben", 101), deps: [forBen.id] }), "overLimit")
    assert.strictEqual(coop.reason("ann", transfer, { legs: pays("ann", "ben", 500, 1) }), "Admitted")
    assert.strictEqual(coop.reason("ann", transfer, { legs: pays("ann", "ben", 501, 1) }), "overLimit")
    assert.strictEqual(
      coop.reason("ann", transfer, { legs: [...pays("ann", "ben", 1), ...pays("ann", "ben", 501, 1)] }),
      "overLimit"
    )
  })

  it("that was cut below the balance lets through what takes nothing", () => {
    const coop = coopOfThree()
    coop.pay("ann", "ben", 80)
    const hold = coop.write("ann", { kind: "hold", expiresAt: 0 }, { legs: pays("ann", "ben", 10) })
    const credit = coop.pay("cam", "ann", 5)
    coop.write("steward", { kind: "grant", account: account("ann"), currency: 0, limit: 0 })
    assert.strictEqual(coop.reason("ann", transfer, { legs: pays("ann", "ben", 1) }), "overLimit")
    assert.strictEqual(coop.reason("ann", ack, { acks: [credit.id] }), "Admitted")
    assert.strictEqual(
      coop.reason("ann", { kind: "post", hold: hold.id }, { legs: pays("ann", "ben", 10) }),
      "Admitted"
    )
    assert.strictEqual(coop.reason("ann", { kind: "void", hold: hold.id }), "Admitted")
  })
})

describe("holds", () => {
  it("set aside what they are for", () => {
    const { coop } = held()
    assert.strictEqual(coop.reason("ann", transfer, { legs: pays("ann", "cam", 31) }), "overLimit")
    assert.strictEqual(coop.reason("ann", transfer, { legs: pays("ann", "cam", 30) }), "Admitted")
    assert.strictEqual(
      coop.reason("ann", { kind: "hold", expiresAt: 1 }, { legs: pays("ann", "cam", 31) }),
      "overLimit"
    )
  })

  it("are posted for at most what was held, to those it was held for", () => {
    const { coop, post } = held()
    assert.strictEqual(coop.reason("ann", post, { legs: pays("ann", "ben", 70) }), "Admitted")
    assert.strictEqual(coop.reason("ann", post, { legs: pays("ann", "ben", 1) }), "Admitted")
    assert.strictEqual(coop.reason("ann", post, { legs: pays("ann", "ben", 71) }), "beyondHold")
    assert.strictEqual(coop.reason("ann", post, { legs: pays("ann", "cam", 1) }), "beyondHold")
    assert.strictEqual(coop.reason("ann", post), "noLegs")
  })

  it("are resolved once, by a post or a void, and the rest is free again", () => {
    for (const first of ["post", "void"] as const) {
      const { coop, post, void_ } = held()
      if (first === "post") coop.write("ann", post, { legs: pays("ann", "ben", 20) })
      else coop.write("ann", void_)
      assert.strictEqual(coop.reason("ann", post, { legs: pays("ann", "ben", 1) }), "resolvedBefore")
      assert.strictEqual(coop.reason("ann", void_), "resolvedBefore")
      const free = first === "post" ? 80 : 100
      assert.strictEqual(coop.reason("ann", transfer, { legs: pays("ann", "cam", free) }), "Admitted")
      assert.strictEqual(coop.reason("ann", transfer, { legs: pays("ann", "cam", free + 1) }), "overLimit")
    }
  })

  it("are resolved by their payer alone, on their own branch", () => {
    const { coop, post, void_ } = held()
    assert.strictEqual(coop.reason("ben", void_), "notAHold")
    assert.strictEqual(coop.reason("ben", post, { legs: pays("ben", "ann", 1) }), "notAHold")
    const other = coop.pay("ann", "ben", 1, { prev: undefined })
    assert.strictEqual(coop.reason("ann", void_, { prev: other }), "notAHold")
    assert.strictEqual(coop.reason("ann", { kind: "void", hold: other.id }, { prev: other }), "notAHold")
  })

  it("are no credits before they are posted", () => {
    const { coop, hold, post } = held()
    assert.strictEqual(coop.reason("ben", ack, { acks: [hold.id] }), "notACredit")
    const posted = coop.write("ann", post, { legs: pays("ann", "ben", 20) })
    assert.strictEqual(coop.reason("ben", ack, { acks: [posted.id] }), "Admitted")
  })
})

describe("reversals", () => {
  it("give back all that was received, to him who gave it", () => {
    const { coop, reverse } = received()
    assert.strictEqual(coop.reason("ben", reverse, { legs: pays("ben", "ann", 30) }), "Admitted")
    assert.strictEqual(coop.reason("cam", reverse, { legs: pays("cam", "ann", 20) }), "Admitted")
    assert.strictEqual(coop.reason("ben", reverse, { legs: pays("ben", "ann", 29) }), "notWhatWasReceived")
    assert.strictEqual(coop.reason("ben", reverse, { legs: pays("ben", "cam", 30) }), "notWhatWasReceived")
    assert.strictEqual(coop.reason("ann", reverse, { legs: pays("ann", "ben", 30) }), "notReversible")
    assert.strictEqual(coop.reason("steward", reverse, { legs: pays("steward", "ann", 30) }), "notReversible")
  })

  it("happen once per entry and receiver", () => {
    const { coop, reverse } = received()
    const back = coop.write("ben", reverse, { legs: pays("ben", "ann", 30) })
    coop.write("cam", reverse, { legs: pays("cam", "ann", 20) })
    assert.strictEqual(coop.reason("ben", reverse, { legs: pays("ben", "ann", 30) }), "reversedBefore")
    const again = { kind: "reverse", reversed: back.id } as const
    assert.strictEqual(coop.reason("ann", again, { legs: pays("ann", "ben", 30) }), "notReversible")
  })

  it("are debits like others", () => {
    const { coop, credit, reverse } = received()
    coop.pay("ben", "cam", 100)
    assert.strictEqual(coop.reason("ben", reverse, { legs: pays("ben", "ann", 30) }), "overLimit")
    assert.strictEqual(coop.reason("ben", reverse, { legs: pays("ben", "ann", 30), acks: [credit.id] }), "Admitted")
  })

  it("take back a posted hold too, but no hold", () => {
    const coop = coopOfThree()
    const hold = coop.write("ann", { kind: "hold", expiresAt: 1 }, { legs: pays("ann", "ben", 70) })
    const legs = pays("ben", "ann", 70)
    assert.strictEqual(coop.reason("ben", { kind: "reverse", reversed: hold.id }, { legs }), "notReversible")
    const post = coop.write("ann", { kind: "post", hold: hold.id }, { legs: pays("ann", "ben", 70) })
    assert.strictEqual(coop.reason("ben", { kind: "reverse", reversed: post.id }, { legs }), "Admitted")
  })
})
