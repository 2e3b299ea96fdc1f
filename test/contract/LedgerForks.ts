/** Members who write two chains, on every `Ledger`. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import {
  type AnyLedger,
  booksOf,
  catchUp,
  committed,
  cooperativeOf,
  exchange,
  type LedgerFixture,
  pay,
  refusal
} from "../fixtures/ledgerPeople.ts"

/** A cheat with two nodes, who has paid bob on one and carol on the other, all that he has. */
const cheating = Effect.fnUntraced(function* (ledger: LedgerFixture["ledger"]) {
  const [alice, bob, carol] = [yield* ledger("alice"), yield* ledger("bob"), yield* ledger("carol")]
  const [cheat, double] = [yield* ledger("cheat"), yield* ledger("cheat")]
  yield* cooperativeOf(alice, bob, carol, cheat)
  const { genesis } = yield* alice.ensureCooperative
  yield* double.serve(genesis)
  yield* catchUp(double, alice)
  yield* pay(cheat, bob, 100)
  yield* catchUp(double, cheat)
  yield* pay(cheat, bob, 9900)
  yield* pay(double, carol, 9900)
  yield* catchUp(bob, cheat)
  yield* catchUp(carol, double)
  return { alice, bob, carol, cheat, double }
})

const postedOf = (ledger: AnyLedger, account: string) => Effect.map(ledger.balance(account), ([row]) => row?.posted)

export const forking = ({ ledger, test }: LedgerFixture) => {
  test(
    "books what members relied on before they knew of a fork, and nothing else of it, on all nodes",
    Effect.gen(function* () {
      const { alice, bob, carol, cheat } = yield* cheating(ledger)
      committed(yield* bob.append({ kind: "ack" }))
      yield* exchange(alice, bob)
      yield* exchange(alice, carol)
      yield* exchange(alice, bob)
      const books = yield* booksOf(alice)
      assert.strictEqual(books.forks.length, 1)
      assert.deepStrictEqual(yield* booksOf(bob), books)
      assert.deepStrictEqual(yield* booksOf(carol), books)
      assert.strictEqual(yield* postedOf(alice, bob.account), 10_000)
      assert.strictEqual(yield* postedOf(alice, carol.account), 0)
      assert.strictEqual(yield* postedOf(alice, cheat.account), -10_000)
      // Nobody acks what a cheat gave on a branch.
      assert.deepStrictEqual(yield* carol.creditsToAck, [])
      const [fork] = yield* carol.forks
      assert.deepStrictEqual([fork?.author, fork?.seq], [cheat.account, 1])
    })
  )

  test(
    "books both branches when both were relied on, and the cheat owes them",
    Effect.gen(function* () {
      const { alice, bob, carol, cheat } = yield* cheating(ledger)
      committed(yield* bob.append({ kind: "ack" }))
      committed(yield* carol.append({ kind: "ack" }))
      for (const one of [bob, carol, bob]) yield* exchange(alice, one)
      const books = yield* booksOf(alice)
      assert.deepStrictEqual(yield* booksOf(bob), books)
      assert.strictEqual(yield* postedOf(alice, cheat.account), -19_900)
      assert.strictEqual(yield* postedOf(alice, bob.account), 10_000)
      assert.strictEqual(yield* postedOf(alice, carol.account), 9900)
      assert.deepStrictEqual((yield* alice.verify).mismatches, [])
      assert.deepStrictEqual((yield* alice.verify).sums, [0])
    })
  )

  test(
    "parks what a cheat writes further, until somebody relies on it",
    Effect.gen(function* () {
      const { alice, bob, carol, cheat, double } = yield* cheating(ledger)
      yield* catchUp(alice, bob)
      yield* catchUp(alice, carol)
      const before = yield* alice.journalVersion
      yield* catchUp(cheat, alice)
      assert.strictEqual(refusal(yield* cheat.transfer({ to: bob.account, amount: 1 })), "ownChainForked")
      // The other node knows of one chain only, and goes on with it.
      committed(yield* carol.transfer({ to: double.account, amount: 50 }))
      yield* catchUp(double, carol)
      const further = committed(yield* double.append({ kind: "ack" }))
      const sealed = yield* double.sealed([further.entryId])
      const received = yield* alice.receive(sealed, "each")
      assert.strictEqual(received.pending + received.parked, 1)
      assert.strictEqual(yield* alice.journalVersion, before)
      const [aside] = yield* alice.quarantine.list
      assert.strictEqual(aside?.id, further.entryId)
    })
  )
}
