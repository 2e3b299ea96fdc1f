/** Holds, their ends, and reversals, on every `Ledger`. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { account } from "../fixtures/ledgerCoop.ts"
import {
  type AnyLedger,
  catchUp,
  committed,
  cooperativeOf,
  type LedgerFixture,
  refusal
} from "../fixtures/ledgerPeople.ts"

const sumsOf = Effect.fnUntraced(function* (ledger: AnyLedger, account: string) {
  const [row] = yield* ledger.balance(account)
  return row === undefined ? assert.fail("no row") : [row.posted, row.held, row.available]
})

export const holding = ({ ledger, test }: LedgerFixture) => {
  const expiresAtMillis = 1_767_225_600_000

  test(
    "sets aside what is held, pays it or a part of it, once",
    Effect.gen(function* () {
      const alice = yield* ledger("alice")
      const to = account("bob")
      const hold = committed(yield* alice.hold({ to, amount: 6000, expiresAtMillis }))
      assert.deepStrictEqual(yield* sumsOf(alice, alice.account), [0, 6000, 4000])
      assert.deepStrictEqual(yield* alice.openHolds, [{ id: hold.entryId, expiresAtMillis }])
      assert.strictEqual(refusal(yield* alice.transfer({ to, amount: 4001 })), "overLimit")
      committed(yield* alice.post(hold.entryId))
      assert.deepStrictEqual(yield* sumsOf(alice, alice.account), [-6000, 0, 4000])
      assert.strictEqual(refusal(yield* alice.post(hold.entryId)), "resolvedBefore")
      assert.strictEqual(refusal(yield* alice.void(hold.entryId)), "resolvedBefore")
      const second = committed(yield* alice.hold({ to, amount: 3000, expiresAtMillis }))
      assert.strictEqual(refusal(yield* alice.post(second.entryId, { amount: 3001 })), "beyondHold")
      assert.strictEqual(refusal(yield* alice.post(second.entryId, { amount: 0 })), "badAmount")
      committed(yield* alice.post(second.entryId, { amount: 1000 }))
      assert.deepStrictEqual(yield* sumsOf(alice, alice.account), [-7000, 0, 3000])
      assert.deepStrictEqual(yield* alice.openHolds, [])
    })
  )

  test(
    "frees what is voided, and tells open holds by the time at which they expire",
    Effect.gen(function* () {
      const alice = yield* ledger("alice")
      const to = account("bob")
      const later = committed(yield* alice.hold({ to, amount: 1, expiresAtMillis: expiresAtMillis + 2 }))
      const sooner = committed(yield* alice.hold({ to, amount: 2, expiresAtMillis: expiresAtMillis + 1 }))
      const ids = Effect.map(alice.openHolds, (holds) => holds.map(({ id }) => id))
      assert.deepStrictEqual(yield* ids, [sooner.entryId, later.entryId])
      committed(yield* alice.void(sooner.entryId))
      assert.deepStrictEqual(yield* ids, [later.entryId])
      assert.deepStrictEqual(yield* sumsOf(alice, alice.account), [0, 1, 9999])
    })
  )

  test(
    "posts one hold for several as a whole, and not by one amount",
    Effect.gen(function* () {
      const alice = yield* ledger("alice")
      const payments = ["bob", "carol"].map((name) => ({ to: account(name), currency: 0, amount: 10 }))
      const hold = committed(yield* alice.append({ kind: "hold", payments, expiresAt: expiresAtMillis }))
      assert.strictEqual(refusal(yield* alice.post(hold.entryId, { amount: 5 })), "severalPayments")
      const part = payments.slice(1)
      committed(yield* alice.append({ kind: "post", hold: hold.entryId, payments: part }))
      assert.deepStrictEqual(yield* sumsOf(alice, account("bob")), [0, 0, 0])
      assert.deepStrictEqual((yield* sumsOf(alice, account("carol")))[0], 10)
    })
  )

  test(
    "resolves only holds, and only its own",
    Effect.gen(function* () {
      const [alice, bob] = [yield* ledger("alice"), yield* ledger("bob")]
      yield* cooperativeOf(alice, bob)
      const hold = committed(yield* alice.hold({ to: bob.account, amount: 10, expiresAtMillis }))
      const paid = committed(yield* alice.transfer({ to: bob.account, amount: 10 }))
      yield* catchUp(bob, alice)
      assert.strictEqual(refusal(yield* bob.post(hold.entryId)), "notAHold")
      assert.strictEqual(refusal(yield* bob.void(hold.entryId)), "notAHold")
      assert.strictEqual(refusal(yield* alice.post(paid.entryId)), "notAHold")
      assert.strictEqual(refusal(yield* alice.void("ab".repeat(32))), "unknownEntry")
    })
  )

  test(
    "gives back what was received, all of it and once",
    Effect.gen(function* () {
      const [alice, bob] = [yield* ledger("alice"), yield* ledger("bob")]
      yield* cooperativeOf(alice, bob)
      const paid = committed(yield* alice.transfer({ to: bob.account, amount: 3000 }))
      yield* catchUp(bob, alice)
      assert.strictEqual(refusal(yield* alice.reverse(paid.entryId)), "notReversible")
      const back = committed(yield* bob.reverse(paid.entryId))
      assert.strictEqual(refusal(yield* bob.reverse(paid.entryId)), "reversedBefore")
      assert.deepStrictEqual(yield* sumsOf(bob, bob.account), [0, 0, 10_000])
      yield* catchUp(alice, bob)
      assert.strictEqual(refusal(yield* alice.reverse(back.entryId)), "notReversible")
      committed(yield* alice.append({ kind: "ack" }))
      assert.deepStrictEqual(yield* sumsOf(alice, alice.account), [0, 0, 10_000])
    })
  )
}
