/** What is new and what was, in order, on every `Ledger`. */
import { assert } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { account } from "../fixtures/ledgerCoop.ts"
import { catchUp, committed, cooperativeOf, type LedgerFixture } from "../fixtures/ledgerPeople.ts"

const versionsFrom = (first: number, count: number) => Array.from({ length: count }, (_, index) => first + index)

export const changing = ({ ledger, test }: LedgerFixture) => {
  test(
    "tells every entry once and in order, those that were there and those that come while many write",
    Effect.gen(function* () {
      const [alice, bob] = [yield* ledger("alice"), yield* ledger("bob")]
      yield* cooperativeOf(alice, bob)
      for (let count = 0; count < 10; count++) committed(yield* alice.transfer({ to: bob.account, amount: 1 }))
      for (let count = 0; count < 30; count++) committed(yield* bob.transfer({ to: alice.account, amount: 1 }))
      const total = 2 + 10 + 30 + 300
      const follow = (since: number) =>
        Stream.runCollect(Stream.take(alice.changes(since), total - since)).pipe(
          Effect.map((entries) => entries.map(({ version }) => version)),
          Effect.forkChild
        )
      const [all, some] = [yield* follow(0), yield* follow(5)]
      const pay = Effect.map(alice.transfer({ to: bob.account, amount: 1 }), committed)
      yield* Effect.all([Effect.replicateEffect(pay, 100), catchUp(alice, bob), Effect.replicateEffect(pay, 200)], {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(yield* Fiber.join(all), versionsFrom(1, total))
      assert.deepStrictEqual(yield* Fiber.join(some), versionsFrom(6, total - 5))
      // Who comes late sees the same.
      const late = yield* Stream.runCollect(Stream.take(alice.changes(0), total))
      assert.deepStrictEqual(
        late.map(({ version }) => version),
        versionsFrom(1, total)
      )
      assert.deepStrictEqual(late.at(-1)?.booked, true)
    })
  )

  test(
    "pages through the history from the newest, of all or of one account",
    Effect.gen(function* () {
      const alice = yield* ledger("alice")
      const [bob, carol] = [account("bob"), account("carol")]
      for (let amount = 1; amount <= 10; amount++) {
        committed(yield* alice.transfer({ to: amount % 2 === 0 ? bob : carol, amount }))
      }
      const seen: Array<number> = []
      let before: number | undefined
      for (;;) {
        const page = yield* alice.history({ max: 4, ...(before === undefined ? {} : { before }) })
        if (page.length === 0) break
        seen.push(...page.map(({ version }) => version))
        before = page.at(-1)?.version
      }
      assert.deepStrictEqual(seen, versionsFrom(1, 11).toReversed())
      const ofBob = yield* alice.history({ account: bob, max: 3 })
      assert.deepStrictEqual(
        ofBob.map(({ version }) => version),
        [11, 9, 7]
      )
      const rest = yield* alice.history({ account: bob, before: 7, max: 10 })
      assert.deepStrictEqual(
        rest.map(({ version }) => version),
        [5, 3]
      )
      assert.strictEqual((yield* alice.history({ account: alice.account, max: 100 })).length, 11)
      assert.deepStrictEqual(yield* alice.history({ account: account("nobody"), max: 100 }), [])
    })
  )

  test(
    "ends its changes when another cooperative takes the place of this one",
    Effect.gen(function* () {
      const alice = yield* ledger("alice")
      const { currencies, name } = yield* alice.ensureCooperative
      const following = yield* Effect.forkChild(Stream.runCollect(alice.changes(0)))
      yield* Effect.yieldNow
      yield* alice.found({ name: `${name} again`, currencies })
      assert.isAtMost((yield* Fiber.join(following)).length, 1)
    })
  )
}
