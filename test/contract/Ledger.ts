/**
 * What every `Ledger` does: run by the layers' tests, in threads and files and in memory under TestClock. This file has
 * cooperatives and payments; the other themes are in the files beside it.
 */
import { assert, describe } from "@effect/vitest"
import { Effect, Fiber, Option, Result } from "effect"
import { account } from "../fixtures/ledgerCoop.ts"
import {
  type AnyLedger,
  catchUp,
  committed,
  cooperativeOf,
  type LedgerFixture,
  refusal
} from "../fixtures/ledgerPeople.ts"
import { SignatureVerifier } from "../../src/layers/ledger/signatures.ts"
import type { LedgerError, Written } from "../../src/services/Ledger.ts"
import { changing } from "./LedgerChanges.ts"
import { exchanging } from "./LedgerExchange.ts"
import { forking } from "./LedgerForks.ts"
import { holding } from "./LedgerHolds.ts"
import { writingOnce } from "./LedgerOnce.ts"

/** Why something fails, by its tag. */
const failure = (effect: Effect.Effect<unknown, LedgerError>): Effect.Effect<string | undefined> =>
  Effect.map(Effect.result(effect), (result) => (Result.isFailure(result) ? result.failure.reason._tag : undefined))

const founding = ({ ledger, test }: LedgerFixture) => {
  test(
    "serves nothing before something is written, and founds a cooperative for it",
    Effect.gen(function* () {
      const alice = yield* ledger("alice")
      assert.isTrue(Option.isNone(yield* alice.cooperative))
      for (const read of [alice.journalVersion, alice.status, alice.balance(alice.account), alice.heads]) {
        assert.strictEqual(yield* failure(read), "NoCooperative")
      }
      assert.isTrue(Option.isNone(yield* alice.outcome("never asked")))
      committed(yield* alice.transfer({ to: account("bob"), amount: 150 }))
      const info = Option.getOrThrow(yield* alice.cooperative)
      assert.isTrue(info.implicit)
      assert.deepStrictEqual(info.stewards, [alice.account])
      assert.deepStrictEqual(info.currencies, [{ symbol: "hours", decimals: 2, startingLimit: 10_000 }])
      assert.strictEqual(yield* alice.journalVersion, 2)
      assert.deepStrictEqual(yield* alice.ensureCooperative, info)
    })
  )

  test(
    "founds one for many who write at once",
    Effect.gen(function* () {
      const alice = yield* ledger("alice")
      const payments = Array.from({ length: 20 }, () => alice.transfer({ to: account("bob"), amount: 1 }))
      const written = yield* Effect.all(payments, { concurrency: "unbounded" })
      assert.strictEqual(new Set(written.map((one) => committed(one).version)).size, 20)
      assert.strictEqual(yield* alice.journalVersion, 21)
      assert.strictEqual((yield* alice.status).ownSeq, 20)
    })
  )

  test(
    "signs every one of many that are written at once",
    Effect.gen(function* () {
      const alice = yield* ledger("alice")
      const written: Array<Written> = []
      const pays = Effect.gen(function* () {
        for (let payment = 0; payment < 10; payment++) {
          written.push(yield* alice.transfer({ to: account("bob"), amount: 1 }))
        }
      })
      yield* Effect.all(
        Array.from({ length: 64 }, () => pays),
        { concurrency: "unbounded", discard: true }
      )
      const ids = written.map((one) => committed(one).entryId)
      assert.strictEqual(new Set(ids).size, 640)
      const verifier = new SignatureVerifier()
      const verdicts = new Set<string>()
      for (let from = 0; from < ids.length; from += 64) {
        const sealed = yield* alice.sealed(ids.slice(from, from + 64))
        assert.strictEqual(sealed.length, 64)
        for (const verdict of verifier.verify(sealed, "each")) verdicts.add(verdict)
      }
      assert.deepStrictEqual([...verdicts], ["signed"])
    })
  )

  test(
    "founds a named one in place of one that is not in use, and not of one that is",
    Effect.gen(function* () {
      const alice = yield* ledger("alice")
      const implicit = yield* alice.ensureCooperative
      const currencies = [
        { symbol: "EUR", decimals: 2, startingLimit: 0 },
        { symbol: "points", decimals: 0, startingLimit: 5 }
      ]
      const founded = yield* alice.found({ name: "Bakery & Söhne", currencies })
      assert.notStrictEqual(founded.id, implicit.id)
      assert.deepStrictEqual(
        [founded.name, founded.currencies, founded.implicit],
        ["Bakery & Söhne", currencies, false]
      )
      assert.deepStrictEqual(
        (yield* alice.balance(alice.account)).map(({ available, limit }) => [available, limit]),
        [
          [0, 0],
          [5, 5]
        ]
      )
      committed(yield* alice.transfer({ to: account("bob"), amount: 5, currency: 1 }))
      assert.strictEqual(yield* failure(alice.found({ name: "Another", currencies })), "CooperativeInUse")
      assert.strictEqual(yield* failure(alice.found({ name: "\u0007", currencies: [] })), "BadGenesis")
    })
  )

  test(
    "serves the cooperative of a genesis, the same one again, and no other once it is in use",
    Effect.gen(function* () {
      const [alice, bob, carol] = [yield* ledger("alice"), yield* ledger("bob"), yield* ledger("carol")]
      const { genesis, id } = yield* alice.ensureCooperative
      yield* bob.ensureCooperative
      assert.strictEqual((yield* bob.serve(genesis)).id, id)
      assert.strictEqual((yield* bob.serve(genesis)).id, id)
      assert.isFalse(Option.getOrThrow(yield* bob.cooperative).implicit)
      const others = yield* carol.ensureCooperative
      yield* alice.append({ kind: "member", account: bob.account })
      yield* catchUp(bob, alice)
      assert.strictEqual(yield* failure(bob.serve(others.genesis)), "CooperativeInUse")
      assert.strictEqual((yield* bob.serve(genesis)).id, id)
      const forged = { ...others.genesis, signature: genesis.signature }
      assert.strictEqual(yield* failure(carol.serve(forged)), "BadGenesis")
      const { body } = genesis
      assert.strictEqual(yield* failure(carol.serve({ ...genesis, body: body.subarray(1) })), "BadGenesis")
    })
  )
}

const balanceOf = Effect.fnUntraced(function* (ledger: AnyLedger, account: string) {
  const [row] = yield* ledger.balance(account)
  return row === undefined ? assert.fail("no row") : [row.posted, row.held, row.unacked, row.available, row.limit]
})

const paying = ({ ledger, test }: LedgerFixture) => {
  test(
    "pays within the limit, and refuses what is beyond",
    Effect.gen(function* () {
      const alice = yield* ledger("alice")
      const first = committed(yield* alice.transfer({ to: account("bob"), amount: 9000, memo: "für Brot 🍞" }))
      assert.deepStrictEqual(yield* balanceOf(alice, alice.account), [-9000, 0, 0, 1000, 10_000])
      assert.deepStrictEqual(yield* balanceOf(alice, account("bob")), [9000, 0, 9000, 0, 0])
      assert.strictEqual(refusal(yield* alice.transfer({ to: account("bob"), amount: 1001 })), "overLimit")
      committed(yield* alice.transfer({ to: account("bob"), amount: 1000 }))
      assert.strictEqual(refusal(yield* alice.transfer({ to: account("bob"), amount: 1 })), "overLimit")
      const entry = Option.getOrThrow(yield* alice.entry(first.entryId))
      assert.deepStrictEqual([entry.booked, entry.version, entry.entry.memo], [true, first.version, "für Brot 🍞"])
      assert.isTrue(Option.isNone(yield* alice.entry("ab".repeat(32))))
      assert.deepStrictEqual(
        (yield* alice.balances).map(({ posted }) => posted).toSorted((a, b) => a - b),
        [-10_000, 10_000]
      )
    })
  )

  test(
    "pays several at once, and the same payee in one sum",
    Effect.gen(function* () {
      const alice = yield* ledger("alice")
      const payments = [
        { to: account("bob"), currency: 0, amount: 10 },
        { to: account("carol"), currency: 0, amount: 20 },
        { to: account("bob"), currency: 0, amount: 5 }
      ]
      const { entryId } = committed(yield* alice.append({ kind: "transfer", payments }))
      const { entry } = Option.getOrThrow(yield* alice.entry(entryId))
      assert.sameDeepMembers(
        entry.legs.map(({ account, amount }) => [account, amount]),
        [
          [alice.account, -35],
          [account("bob"), 15],
          [account("carol"), 20]
        ]
      )
    })
  )

  test(
    "refuses what is no payment, whatever it is",
    Effect.gen(function* () {
      const alice = yield* ledger("alice")
      const bob = account("bob")
      const reasons: Array<string> = []
      for (const amount of [0, -1, 1.5, Number.NaN, Infinity, 2 ** 60]) {
        reasons.push(refusal(yield* alice.transfer({ to: bob, amount })))
      }
      assert.deepStrictEqual([...new Set(reasons)], ["badAmount"])
      assert.strictEqual(refusal(yield* alice.transfer({ to: bob, amount: 1_000_000_001 })), "amountTooLarge")
      assert.strictEqual(refusal(yield* alice.transfer({ to: bob, amount: 1, currency: 1 })), "unknownCurrency")
      assert.strictEqual(refusal(yield* alice.transfer({ to: bob, amount: 1, currency: -1 })), "unknownCurrency")
      assert.strictEqual(refusal(yield* alice.transfer({ to: alice.account, amount: 1 })), "creditToSelf")
      assert.strictEqual(refusal(yield* alice.transfer({ to: "bob", amount: 1 })), "notAnAccount")
      assert.strictEqual(refusal(yield* alice.transfer({ to: bob, amount: 1, memo: "\n" })), "badMemo")
      assert.strictEqual(refusal(yield* alice.transfer({ to: bob, amount: 1, memo: "ä".repeat(129) })), "badMemo")
      assert.strictEqual(refusal(yield* alice.append({ kind: "transfer", payments: [] })), "noLegs")
      const many = Array.from({ length: 64 }, (_, index) => ({ to: account(`p ${index}`), currency: 0, amount: 1 }))
      assert.strictEqual(refusal(yield* alice.append({ kind: "transfer", payments: many })), "tooLarge")
      committed(yield* alice.append({ kind: "transfer", payments: many.slice(1) }))
      assert.strictEqual(refusal(yield* alice.reverse("no such entry")), "unknownEntry")
      assert.strictEqual(refusal(yield* alice.append({ kind: "ack" })), "nothingToDo")
      const grant = { kind: "grant", account: bob, currency: 0 } as const
      assert.strictEqual(refusal(yield* alice.append({ ...grant, limit: -1 })), "badAmount")
      assert.strictEqual(refusal(yield* alice.append({ ...grant, limit: 2_000_000_000 })), "amountTooLarge")
    })
  )

  test(
    "acks what was received with what is written next, so that it can be spent",
    Effect.gen(function* () {
      const [alice, bob] = [yield* ledger("alice"), yield* ledger("bob")]
      yield* cooperativeOf(alice, bob)
      committed(yield* alice.transfer({ to: bob.account, amount: 5000 }))
      yield* catchUp(bob, alice)
      assert.strictEqual((yield* bob.creditsToAck).length, 1)
      assert.deepStrictEqual(yield* balanceOf(bob, bob.account), [5000, 0, 5000, 10_000, 10_000])
      committed(yield* bob.transfer({ to: alice.account, amount: 15_000 }))
      assert.deepStrictEqual(yield* balanceOf(bob, bob.account), [-10_000, 0, 0, 0, 10_000])
      assert.deepStrictEqual(yield* bob.creditsToAck, [])
      yield* catchUp(alice, bob)
      committed(yield* alice.append({ kind: "ack" }))
      assert.deepStrictEqual(yield* balanceOf(alice, alice.account), [10_000, 0, 0, 20_000, 10_000])
    })
  )

  test(
    "lets stewards make members and grant limits, and nobody else",
    Effect.gen(function* () {
      const [alice, bob] = [yield* ledger("alice"), yield* ledger("bob")]
      const { genesis } = yield* alice.ensureCooperative
      yield* bob.serve(genesis)
      assert.strictEqual(refusal(yield* bob.transfer({ to: alice.account, amount: 1 })), "notMember")
      const member = committed(yield* alice.append({ kind: "member", account: bob.account }))
      committed(yield* alice.append({ kind: "grant", account: bob.account, currency: 0, limit: 12_000 }))
      yield* catchUp(bob, alice)
      committed(yield* bob.transfer({ to: alice.account, amount: 12_000 }))
      const grant = { kind: "grant", account: bob.account, currency: 0, limit: 1 } as const
      assert.strictEqual(refusal(yield* bob.append(grant)), "notSteward")
      assert.sameDeepMembers(
        [...(yield* bob.members)],
        [
          { account: alice.account, steward: true, by: Option.getOrThrow(yield* bob.cooperative).id },
          { account: bob.account, steward: false, by: member.entryId }
        ]
      )
    })
  )

  test(
    "has the same books when they are worked out anew",
    Effect.gen(function* () {
      const alice = yield* ledger("alice")
      for (const amount of [1, 2, 3]) committed(yield* alice.transfer({ to: account("bob"), amount }))
      const report = { journalVersion: 4, entries: 4, sums: [0], mismatches: [] }
      assert.deepStrictEqual(yield* alice.verify, report)
      assert.deepStrictEqual(yield* alice.recomputeBalances, { ...report, retries: 0 })
      assert.deepStrictEqual(yield* alice.recomputeBalancesWithRetry, { ...report, retries: 0 })
      assert.strictEqual(yield* alice.journalVersion, 4)
    })
  )
}

const waiting = ({ ledger, test }: LedgerFixture) => {
  test(
    "writes nothing before the other members have been asked for this member's chain, where it has to",
    Effect.gen(function* () {
      const alice = yield* ledger("alice")
      const { genesis } = yield* alice.ensureCooperative
      const bob = yield* ledger("bob", { awaitOwnChain: true })
      yield* bob.serve(genesis)
      committed(yield* alice.append({ kind: "member", account: bob.account }))
      yield* catchUp(bob, alice)
      const paying = yield* Effect.forkChild(bob.transfer({ to: alice.account, amount: 1 }))
      yield* Effect.yieldNow
      assert.strictEqual((yield* bob.status).ownSeq, -1)
      yield* bob.ownChainChecked
      committed(yield* Fiber.join(paying))
      // A cooperative of its own has nobody else to ask.
      const carol = yield* ledger("carol", { awaitOwnChain: true })
      committed(yield* carol.transfer({ to: alice.account, amount: 1 }))
    })
  )

  test(
    "writes nothing while others show more of its chain than it has",
    Effect.gen(function* () {
      const alice = yield* ledger("alice")
      const again = yield* ledger("alice")
      const { genesis } = yield* alice.ensureCooperative
      yield* again.serve(genesis)
      committed(yield* alice.transfer({ to: account("bob"), amount: 1 }))
      committed(yield* alice.transfer({ to: account("bob"), amount: 2 }))
      yield* again.seenOwn(2)
      assert.strictEqual(yield* failure(again.transfer({ to: account("bob"), amount: 3 })), "ChainBehind")
      const { ownSeq, seenSeq } = yield* again.status
      assert.deepStrictEqual([ownSeq, seenSeq], [0, 2])
      yield* catchUp(again, alice)
      committed(yield* again.transfer({ to: account("bob"), amount: 3 }))
      assert.deepStrictEqual(yield* again.forks, [])
    })
  )
}

export const ledgerContract = (name: string, fixture: LedgerFixture) =>
  describe(`${name} as Ledger`, () => {
    founding(fixture)
    paying(fixture)
    waiting(fixture)
    holding(fixture)
    writingOnce(fixture)
    exchanging(fixture)
    forking(fixture)
    changing(fixture)
  })
