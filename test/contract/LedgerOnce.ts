/** Every request is answered once and for all, on every `Ledger`. */
import { assert } from "@effect/vitest"
import { Effect, Option } from "effect"
import { account } from "../fixtures/ledgerCoop.ts"
import { committed, type LedgerFixture, refusal } from "../fixtures/ledgerPeople.ts"

export const writingOnce = ({ ledger, test }: LedgerFixture) => {
  test(
    "writes once for one key, however often it is asked",
    Effect.gen(function* () {
      const alice = yield* ledger("alice")
      const request = { to: account("bob"), amount: 150, memo: "bread", idempotencyKey: "order 17" }
      const first = committed(yield* alice.transfer(request))
      assert.strictEqual(first.idempotencyKey, "order 17")
      assert.deepStrictEqual(yield* alice.transfer(request), first)
      const many = yield* Effect.all(
        Array.from({ length: 20 }, () => alice.transfer({ ...request, idempotencyKey: "order 18" })),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(new Set(many.map((written) => committed(written).entryId)).size, 1)
      assert.strictEqual(yield* alice.journalVersion, 3)
      assert.deepStrictEqual(yield* alice.outcome("order 17"), Option.some(first))
      assert.isTrue(Option.isNone(yield* alice.outcome("order 19")))
    })
  )

  test(
    "writes each time without a key, and says which one it took",
    Effect.gen(function* () {
      const alice = yield* ledger("alice")
      const request = { to: account("bob"), amount: 1 }
      const [first, second] = [committed(yield* alice.transfer(request)), committed(yield* alice.transfer(request))]
      assert.notStrictEqual(first.idempotencyKey, second.idempotencyKey)
      assert.deepStrictEqual(yield* alice.outcome(first.idempotencyKey), Option.some(first))
    })
  )

  test(
    "refuses a key that stands for something else, and leaves what it stands for",
    Effect.gen(function* () {
      const alice = yield* ledger("alice")
      const bob = account("bob")
      const key = { idempotencyKey: "one" }
      const first = committed(yield* alice.transfer({ to: bob, amount: 1, ...key }))
      const others = [
        alice.transfer({ to: bob, amount: 2, ...key }),
        alice.transfer({ to: account("carol"), amount: 1, ...key }),
        alice.transfer({ to: bob, amount: 1, memo: "another", ...key }),
        alice.hold({ to: bob, amount: 1, expiresAtMillis: 1, ...key }),
        alice.append({ kind: "ack" }, key),
        alice.void(first.entryId, key)
      ]
      for (const other of others) assert.strictEqual(refusal(yield* other), "idempotencyKeyReused")
      assert.deepStrictEqual(yield* alice.outcome("one"), Option.some(first))
    })
  )

  test(
    "remembers what it refused",
    Effect.gen(function* () {
      const alice = yield* ledger("alice")
      const bob = account("bob")
      const request = { to: bob, amount: 10_001, idempotencyKey: "too much" }
      const refused = yield* alice.transfer(request)
      assert.strictEqual(refusal(refused), "overLimit")
      committed(yield* alice.append({ kind: "grant", account: alice.account, currency: 0, limit: 50_000 }))
      // It could be paid now; with another key.
      assert.deepStrictEqual(yield* alice.transfer(request), refused)
      assert.deepStrictEqual(yield* alice.outcome("too much"), Option.some(refused))
      assert.strictEqual(refusal(yield* alice.transfer({ ...request, amount: 1 })), "idempotencyKeyReused")
      committed(yield* alice.transfer({ ...request, idempotencyKey: "again" }))
    })
  )

  test(
    "knows a hold and its end by their keys, though the time at which it expires is counted from another moment",
    Effect.gen(function* () {
      const alice = yield* ledger("alice")
      const request = { to: account("bob"), amount: 100, idempotencyKey: "hold" }
      const hold = committed(yield* alice.hold({ ...request, expiresAtMillis: 1000 }))
      assert.deepStrictEqual(yield* alice.hold({ ...request, expiresAtMillis: 2000 }), hold)
      const post = committed(yield* alice.post(hold.entryId, { amount: 40, idempotencyKey: "post" }))
      assert.deepStrictEqual(yield* alice.post(hold.entryId, { amount: 40, idempotencyKey: "post" }), post)
      const rest = alice.post(hold.entryId, { idempotencyKey: "post" })
      assert.strictEqual(refusal(yield* rest), "idempotencyKeyReused")
    })
  )
}
