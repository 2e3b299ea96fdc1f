import { assert, describe, it } from "@effect/vitest"
import { frame } from "../../../src/domain/ed25519.ts"
import type { LedgerIntent, WriteOutcome } from "../../../src/domain/ledgerIntent.ts"
import { idempotencyKeyOf } from "../../../src/domain/ledgerIntent.ts"
import { acksMax } from "../../../src/domain/ledgerLimits.ts"
import { Bookkeeper } from "../../../src/layers/ledger/Bookkeeper.ts"
import { MemoryJournal } from "../../../src/layers/ledger/MemoryJournal.ts"
import { SignatureVerifier } from "../../../src/layers/ledger/signatures.ts"
import { account, Coop, pays } from "../../fixtures/ledgerCoop.ts"
import { keyOf } from "../../fixtures/ledgerEntries.ts"
import { booksOf, sealedBytes } from "../../fixtures/ledgerJournal.ts"

/** The books of somebody who has everything of a cooperative so far. */
const booksFor = (name: string, coop: Coop) => {
  const journal = new MemoryJournal(coop.replica.history.coop)
  const key = keyOf(name)
  const bookkeeper = new Bookkeeper(journal, {
    account: account(name),
    sign: (tag, message) => key.sign(frame(tag, message))
  })
  bookkeeper.receive([...coop.replica.history.entries()].map(sealedBytes), 0)
  let requests = 0
  const write = (intent: LedgerIntent, key = `request ${requests++}`) =>
    bookkeeper.write({ intent, memo: "", idempotencyKey: idempotencyKeyOf(key), at: 1 })
  return { bookkeeper, journal, write }
}

const pay = (to: string, amount: number): LedgerIntent => ({
  kind: "transfer",
  payments: [{ to: account(to), currency: 0, amount }]
})

const idOf = (outcome: WriteOutcome): string =>
  outcome._tag === "Committed" ? outcome.entryId : assert.fail(outcome.reason)

describe("Bookkeeper", () => {
  it("signs what it writes, and names the membership, new limits and credits that wait", () => {
    const coop = new Coop(["alice", "bob"])
    coop.write("steward", { kind: "grant", account: account("alice"), currency: 0, limit: 150 })
    const credit = coop.pay("bob", "alice", 30)
    const { journal, write } = booksFor("alice", coop)
    const id = idOf(write(pay("bob", 180)))
    const stored = journal.entry(id)
    assert.isDefined(stored)
    assert.deepStrictEqual(new SignatureVerifier().verify([stored.sealed], "each"), ["signed"])
    assert.deepStrictEqual(stored.entry.acks, [credit.id])
    assert.strictEqual(stored.entry.deps.length, 2)
    assert.strictEqual(stored.entry.at, 1)
    assert.strictEqual(journal.balance(account("alice"), 0).available, 0)
  })

  it("acks in entries of their own when more credits wait than one can ack", () => {
    const coop = new Coop(["alice", "bob"])
    coop.write("steward", { kind: "grant", account: account("bob"), currency: 0, limit: 10_000 })
    for (let count = 0; count < 2 * acksMax + 10; count++) coop.pay("bob", "alice", 1)
    const { journal, write } = booksFor("alice", coop)
    const before = journal.version()
    // Everything that alice received, and her whole limit.
    idOf(write(pay("steward", 100 + 2 * acksMax + 10)))
    assert.strictEqual(journal.version(), before + 3)
    assert.deepStrictEqual(journal.creditsToAck(account("alice"), 10), [])
    // A payment that needs none of it only takes along what fits.
    const outcome = write(pay("steward", 1))
    assert.strictEqual(outcome._tag === "Refused" ? outcome.reason : "", "overLimit")
  })

  it("writes nothing when it refuses, and the refusal stays", () => {
    const coop = new Coop(["alice", "bob"])
    const { bookkeeper, journal, write } = booksFor("alice", coop)
    const [before, books] = [journal.version(), booksOf(journal)]
    const refused: WriteOutcome = { _tag: "Refused", reason: "overLimit" }
    assert.deepStrictEqual(write(pay("bob", 101), "a"), refused)
    assert.strictEqual(journal.version(), before)
    assert.deepStrictEqual(booksOf(journal), books)
    assert.deepStrictEqual(bookkeeper.outcome(idempotencyKeyOf("a")), refused)
    assert.deepStrictEqual(write(pay("bob", 101), "a"), refused)
    assert.isUndefined(bookkeeper.outcome(idempotencyKeyOf("b")))
  })

  it("writes nothing on a chain of its own that has forked", () => {
    const coop = new Coop(["alice", "bob"])
    const prev = coop.pay("alice", "bob", 1)
    const transfer = { kind: "transfer" } as const
    coop.write("alice", transfer, { legs: pays("alice", "bob", 1), prev })
    coop.write("alice", transfer, { legs: pays("alice", "bob", 2), prev })
    const { journal, write } = booksFor("alice", coop)
    const before = journal.version()
    assert.deepStrictEqual(write(pay("bob", 1)), { _tag: "Refused", reason: "ownChainForked" })
    assert.strictEqual(journal.version(), before)
  })

  it("corrects sums, at one version or at any", () => {
    const coop = new Coop(["alice", "bob"])
    coop.pay("alice", "bob", 5)
    const { bookkeeper, journal } = booksFor("alice", coop)
    const version = journal.version()
    const correction = { account: account("bob"), currency: 0, posted: 1, held: 2, unacked: 0 }
    assert.deepStrictEqual(bookkeeper.correct([correction], version - 1), { applied: false, version })
    assert.strictEqual(journal.balance(account("bob"), 0).posted, 5)
    assert.deepStrictEqual(bookkeeper.correct([correction], version), { applied: true, version })
    const { held, posted, unacked } = journal.balance(account("bob"), 0)
    assert.deepStrictEqual([posted, held, unacked], [6, 2, 5])
    assert.isTrue(bookkeeper.correct([{ ...correction, posted: -1, held: -2 }], undefined).applied)
    assert.strictEqual(journal.balance(account("bob"), 0).posted, 5)
  })

  it("takes an own entry that comes back from others for what it is", () => {
    const coop = new Coop(["alice", "bob"])
    const { bookkeeper, journal, write } = booksFor("alice", coop)
    const stored = journal.entry(idOf(write(pay("bob", 5))))
    assert.isDefined(stored)
    assert.strictEqual(bookkeeper.receive([{ ...stored.sealed, proof: "signed" }], 0).known, 1)
  })
})
