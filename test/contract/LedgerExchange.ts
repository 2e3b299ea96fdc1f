/** Entries of others: exchanged, verified, waited for, set aside, on every `Ledger`. */
import { assert } from "@effect/vitest"
import { Effect, Option } from "effect"
import { account } from "../fixtures/ledgerCoop.ts"
import {
  type AnyLedger,
  booksOf,
  catchUp,
  committed,
  cooperativeOf,
  exchange,
  type LedgerFixture,
  pay,
  pause,
  until
} from "../fixtures/ledgerPeople.ts"
import { nothing } from "../fixtures/ledgerReceived.ts"

/** All that a ledger has, as it passes it on. */
const allOf = (ledger: AnyLedger) =>
  Effect.map(ledger.missing([], { version: 0, max: 1000, bytesMax: 10_000_000 }), ({ entries }) => entries)

export const exchanging = ({ ledger, test }: LedgerFixture) => {
  test(
    "comes to the same books on all nodes, whoever wrote what",
    Effect.gen(function* () {
      const [alice, bob, carol] = [yield* ledger("alice"), yield* ledger("bob"), yield* ledger("carol")]
      yield* cooperativeOf(alice, bob, carol)
      for (let round = 1; round <= 5; round++) {
        yield* Effect.all([pay(alice, bob, round), pay(bob, carol, 2 * round), pay(carol, alice, 3 * round)], {
          concurrency: "unbounded"
        })
        yield* exchange(alice, bob)
        if (round % 2 === 0) yield* exchange(bob, carol)
      }
      yield* exchange(alice, carol)
      yield* exchange(bob, carol)
      yield* exchange(alice, bob)
      const books = yield* booksOf(alice)
      assert.deepStrictEqual(yield* booksOf(bob), books)
      assert.deepStrictEqual(yield* booksOf(carol), books)
      assert.strictEqual(books.booked.length, 18)
      assert.strictEqual(yield* catchUp(alice, bob), 0)
      assert.deepStrictEqual(yield* alice.heads, yield* carol.heads)
    })
  )

  test(
    "finds what is lacking by comparing ranges, and sends that alone",
    Effect.gen(function* () {
      const [alice, bob] = [yield* ledger("alice"), yield* ledger("bob")]
      yield* cooperativeOf(alice, bob)
      yield* pay(alice, bob, 1)
      yield* exchange(alice, bob)
      yield* pay(bob, alice, 2)
      const [head] = Option.toArray(yield* bob.reconcile.head(bob.account))
      assert.isDefined(head)
      const marks = yield* alice.reconcile.opening
      const answers = yield* bob.reconcile.answer(marks)
      const shown = answers.flatMap((answer) => (answer._tag === "Chains" ? answer.chains : []))
      assert.deepInclude(shown, { author: bob.account, head })
      const lacks = yield* alice.reconcile.lacks(shown)
      const chains = lacks.map(({ author, behind }) => ({ author, behind }))
      assert.deepStrictEqual(
        lacks.map(({ author, entries }) => ({ author, entries })),
        [{ author: bob.account, entries: 1 }]
      )
      const from = { version: 0, max: 100, bytesMax: 100_000 }
      const page = yield* bob.reconcile.wanted({ ranges: [], chains }, from)
      assert.isTrue(page.done)
      assert.deepStrictEqual(yield* alice.receive(page.entries, "runs"), { ...nothing, added: 1 })
      assert.deepStrictEqual(
        (yield* bob.reconcile.answer(yield* alice.reconcile.opening)).map(({ _tag }) => _tag),
        ["Same"]
      )
      const split = yield* alice.reconcile.refine([{ from: "", to: "" }])
      assert.isAbove(split.marks.length, 0)
      assert.deepStrictEqual(yield* alice.reconcile.branches, [])
    })
  )

  test(
    "counts what it knows, what is no entry and what nobody signed, and keeps none of it",
    Effect.gen(function* () {
      const [alice, bob] = [yield* ledger("alice"), yield* ledger("bob")]
      yield* cooperativeOf(alice, bob)
      committed(yield* alice.transfer({ to: bob.account, amount: 1 }))
      const [genesis, member, payment] = yield* allOf(alice)
      if (genesis === undefined || member === undefined || payment === undefined) return assert.fail("three entries")
      const forged = { body: payment.body, signature: member.signature }
      const garbage = { body: Uint8Array.of(1), signature: payment.signature }
      const received = yield* bob.receive([genesis, forged, garbage], "each")
      assert.deepStrictEqual(received, { ...nothing, known: 1, badSignature: 1, malformed: 1 })
      // The genuine one is still welcome.
      assert.deepStrictEqual(yield* bob.receive([payment], "each"), { ...nothing, added: 1 })
      assert.deepStrictEqual(yield* bob.quarantine.list, [])
    })
  )

  test(
    "keeps entries that wait for others, and takes them in when these come",
    Effect.gen(function* () {
      const [alice, bob] = [yield* ledger("alice"), yield* ledger("bob")]
      yield* cooperativeOf(alice, bob)
      const first = committed(yield* alice.transfer({ to: bob.account, amount: 1 }))
      const second = committed(yield* alice.transfer({ to: bob.account, amount: 2 }))
      const [, , one, two] = yield* allOf(alice)
      if (one === undefined || two === undefined) return assert.fail("four entries")
      const received = yield* bob.receive([two], "each")
      assert.deepStrictEqual(received, { ...nothing, pending: 1, missing: [first.entryId] })
      const [waiting] = yield* bob.quarantine.list
      assert.deepStrictEqual(
        [waiting?.id, waiting?.author, waiting?.seq, waiting?.state, waiting?.missing],
        [second.entryId, alice.account, 3, "pending", [first.entryId]]
      )
      const { quarantine } = yield* bob.status
      assert.deepStrictEqual([quarantine.entries, quarantine.pending], [1, 1])
      assert.deepStrictEqual(yield* bob.receive([one], "each"), { ...nothing, added: 2 })
      assert.deepStrictEqual(yield* bob.quarantine.list, [])
      assert.strictEqual((yield* bob.balance(bob.account))[0]?.posted, 3)
    })
  )

  test(
    "lets people look at, judge anew, drop and purge what was set aside",
    Effect.gen(function* () {
      const [alice, bob] = [yield* ledger("alice"), yield* ledger("bob")]
      yield* cooperativeOf(alice, bob)
      const ids: Array<string> = []
      for (const amount of [1, 2, 3, 4]) {
        ids.push(committed(yield* alice.transfer({ to: bob.account, amount })).entryId)
      }
      yield* bob.receive((yield* allOf(alice)).slice(3), "each")
      const { quarantine } = bob
      assert.deepStrictEqual(
        (yield* quarantine.list).map(({ id }) => id),
        ids.slice(1).toReversed()
      )
      const [, second = "", third = ""] = ids
      const found = Option.getOrThrow(yield* quarantine.get(second))
      assert.deepStrictEqual([found.id, found.entry.kind, found.state], [second, "transfer", "pending"])
      assert.isAtLeast(found.bytes, 200)
      assert.isTrue(Option.isNone(yield* quarantine.get("ab".repeat(32))))
      const released = Option.getOrThrow(yield* quarantine.release(second))
      assert.deepStrictEqual([released.pending, released.added], [1, 0])
      assert.isTrue(Option.isNone(yield* quarantine.release(ids[0] ?? "")))
      assert.isTrue(yield* quarantine.drop(third))
      assert.isFalse(yield* quarantine.drop(third))
      assert.strictEqual(yield* quarantine.purge, 2)
      assert.strictEqual(yield* quarantine.purge, 0)
      yield* catchUp(bob, alice)
      assert.strictEqual((yield* bob.balance(bob.account))[0]?.posted, 10)
    })
  )

  test(
    "takes a run by the signature of its end, and verifies the rest before it is passed on or acked",
    Effect.gen(function* () {
      const [alice, bob] = [yield* ledger("alice"), yield* ledger("bob")]
      yield* cooperativeOf(alice, bob)
      for (const amount of [1, 2, 3]) committed(yield* alice.transfer({ to: bob.account, amount }))
      const run = (yield* allOf(alice)).slice(2)
      const [first, second, third] = run
      if (first === undefined || second === undefined || third === undefined) return assert.fail("three entries")
      const spoiled = { body: second.body, signature: first.signature }
      const received = yield* bob.receive([first, spoiled, third], "runs")
      assert.deepStrictEqual([received.added, received.badSignature], [3, 0])
      assert.strictEqual((yield* bob.balance(bob.account))[0]?.posted, 6)
      // What has its own signature is proved in the background, the spoiled one is not.
      yield* until(Effect.map(bob.status, ({ vouched }) => vouched === 1))
      assert.strictEqual((yield* bob.creditsToAck).length, 2)
      assert.strictEqual((yield* allOf(bob)).length, 3)
      // Whoever has it with a good signature is asked for it and brings it again.
      const answers = yield* alice.reconcile.answer(yield* bob.reconcile.opening)
      const shown = answers.flatMap((answer) => (answer._tag === "Chains" ? answer.chains : []))
      const lacks = yield* bob.reconcile.lacks(shown)
      assert.deepStrictEqual(
        lacks.map(({ author, behind, entries }) => [author, behind?.seq, entries]),
        [[alice.account, 2, 2]]
      )
      assert.strictEqual(yield* catchUp(bob, alice, "runs"), 2)
      yield* until(Effect.map(bob.status, ({ vouched }) => vouched === 0))
      assert.strictEqual((yield* bob.creditsToAck).length, 3)
      assert.strictEqual((yield* allOf(bob)).length, 5)
      // From then on an end vouches for a run again.
      for (const amount of [4, 5]) committed(yield* alice.transfer({ to: bob.account, amount }))
      const [fourth, fifth] = (yield* allOf(alice)).slice(5)
      if (fourth === undefined || fifth === undefined) return assert.fail("two more entries")
      const again = [{ body: fourth.body, signature: first.signature }, fifth]
      let last = yield* bob.receive(again, "runs")
      for (let tries = 0; last.badSignature > 0 && tries < 1000; tries++) {
        yield* pause
        last = yield* bob.receive(again, "runs")
      }
      assert.strictEqual(last.added, 2)
    })
  )

  test(
    "throws away a run whose end nobody signed, up to what is signed",
    Effect.gen(function* () {
      const [alice, bob] = [yield* ledger("alice"), yield* ledger("bob")]
      yield* cooperativeOf(alice, bob)
      for (const amount of [1, 2, 3]) committed(yield* alice.transfer({ to: bob.account, amount }))
      const [first, second, third] = (yield* allOf(alice)).slice(2)
      if (first === undefined || second === undefined || third === undefined) return assert.fail("three entries")
      const spoiled = { body: third.body, signature: first.signature }
      const received = yield* bob.receive([first, second, spoiled], "runs")
      assert.deepStrictEqual([received.added, received.badSignature], [2, 1])
    })
  )

  test(
    "gives entries by id, those that are here",
    Effect.gen(function* () {
      const alice = yield* ledger("alice")
      const { entryId } = committed(yield* alice.transfer({ to: account("bob"), amount: 1 }))
      const { genesis, id } = yield* alice.ensureCooperative
      const sealed = yield* alice.sealed([entryId, "ab".repeat(32), id])
      assert.strictEqual(sealed.length, 2)
      assert.deepStrictEqual(sealed[1], genesis)
    })
  )
}
