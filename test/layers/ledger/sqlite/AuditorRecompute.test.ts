import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { recomputeBalances } from "../../../../src/domain/ledgerRecompute.ts"
import { compareBooks, recomputeBooks } from "../../../../src/layers/ledger/sqlite/AuditorRecompute.ts"
import { openAudited } from "../../../fixtures/auditedLedger.ts"
import { fuzzSeed, makeRandom } from "../../../fixtures/random.ts"

const seed = fuzzSeed()

const wrongSums = "UPDATE balance SET posted = posted + 3, unacked = unacked + abs(random() % 50) WHERE account % 2 = 0"
const vanished = `INSERT INTO account VALUES (900, x'${"00".repeat(32)}');
  INSERT INTO balance (account, currency, posted, held, unacked) VALUES (900, 1, 5, 6, 7)`
const wrongLegs = "UPDATE leg SET booked = 1 - booked, open = 1 - open WHERE version % 3 = 0"
const wrongEntries = "UPDATE entry SET booked = 1 - booked WHERE version % 4 = 1"

describe("recomputation", () => {
  it.effect(`finds the books of a journal right at every version (seed ${seed})`, () =>
    Effect.gen(function* () {
      const random = makeRandom(seed)
      for (let number = 0; number < 3; number++) {
        const ledger = yield* openAudited(seed + number, random)
        while (ledger.left > 0) {
          ledger.take(1)
          ledger.check()
        }
      }
    })
  )

  it.effect(`puts right what is wrong while entries come (seed ${seed})`, () =>
    Effect.gen(function* () {
      const random = makeRandom(seed)
      for (let number = 0; number < 15; number++) {
        const ledger = yield* openAudited(seed + number, random)
        ledger.take(random.below(ledger.left))
        const faults = [wrongSums, vanished, wrongLegs, wrongEntries].filter(() => random.below(2) === 0)
        ledger.tamper(...faults)
        ledger.meanwhile = random.below(15)
        ledger.beside = random.below(5)
        yield* recomputeBooks(ledger, "retry")
        ledger.check()
        ledger.take(ledger.left)
        ledger.check()
      }
    })
  )

  it.effect("needs one audit for wrong sums, however much is written meanwhile", () =>
    Effect.gen(function* () {
      const ledger = yield* openAudited(seed, makeRandom(seed))
      ledger.take(30)
      ledger.tamper(wrongSums, vanished)
      const before = ledger.journal.version()
      ledger.meanwhile = 10
      const recomputed = yield* recomputeBooks(ledger, "retry")
      assert.strictEqual(recomputed.retries, 1)
      assert.strictEqual(recomputed.journalVersion, before + 10)
      assert.isAbove(recomputed.mismatches.length, 1)
      ledger.check()
    })
  )

  it.effect("applies a snapshot once only while nothing was written since", () =>
    Effect.gen(function* () {
      const ledger = yield* openAudited(seed, makeRandom(seed))
      ledger.take(30)
      ledger.tamper(wrongSums)
      const stored = ledger.journal.balances(undefined, 1_000)
      const version = ledger.journal.version()
      ledger.meanwhile = 2
      const failure = yield* Effect.flip(recomputeBooks(ledger, "once"))
      assert.deepInclude(failure.reason, { _tag: "StaleSnapshot", expected: version, actual: version + 2 })
      assert.notDeepEqual(ledger.journal.balances(undefined, 1_000), recomputeBalances(ledger.replica.history))
      assert.isAbove(stored.length, 0)
      ledger.meanwhile = 0
      const recomputed = yield* recomputeBooks(ledger, "once")
      assert.strictEqual(recomputed.retries, 0)
      ledger.check()
    })
  )

  it.effect("says so when nothing was wrong but something was written", () =>
    Effect.gen(function* () {
      const ledger = yield* openAudited(seed, makeRandom(seed))
      ledger.take(30)
      ledger.meanwhile = 1
      const failure = yield* Effect.flip(recomputeBooks(ledger, "once"))
      assert.strictEqual(failure.reason._tag, "StaleSnapshot")
      assert.strictEqual((yield* recomputeBooks(ledger, "retry")).retries, 0)
    })
  )

  it.effect("does not mend twice what two recomputations find", () =>
    Effect.gen(function* () {
      const ledger = yield* openAudited(seed, makeRandom(seed))
      ledger.take(30)
      ledger.tamper(wrongSums)
      const { repair } = ledger.auditor.audit()
      yield* recomputeBooks(ledger, "retry")
      assert.deepInclude(yield* ledger.repair(repair, undefined), { applied: false })
      ledger.check()
    })
  )

  const damages = {
    "do not sum to 0": "UPDATE leg SET amount = amount + 1 WHERE posting = 1 AND booked = 1 AND amount > 0",
    "entries are missing": "DELETE FROM entry WHERE version = 3"
  }
  for (const [what, sql] of Object.entries(damages)) {
    it.effect(`changes nothing when it finds that payments or entries are damaged: "${what}"`, () =>
      Effect.gen(function* () {
        const ledger = yield* openAudited(seed, makeRandom(seed))
        ledger.take(30)
        ledger.tamper(wrongSums, sql)
        const rows = () => ledger.journal.database.prepare("SELECT * FROM balance").all()
        const stored = rows()
        const failure = yield* Effect.flip(recomputeBooks(ledger, "retry"))
        const { path } = ledger.journal
        assert.deepInclude(failure.reason, { _tag: "LedgerStorageFailed", reason: "corrupt", path })
        assert.include(failure.message, what)
        assert.deepStrictEqual(rows(), stored)
      })
    )
  }

  it.effect("compares without changing anything, and fails where the entries are damaged", () =>
    Effect.gen(function* () {
      const ledger = yield* openAudited(seed, makeRandom(seed))
      ledger.take(30)
      const verify = Effect.sync(() => ledger.auditor.verify())
      assert.deepStrictEqual((yield* compareBooks(verify)).mismatches, [])
      ledger.tamper(wrongSums, vanished)
      assert.isAbove((yield* compareBooks(verify)).mismatches.length, 1)
      assert.isAbove((yield* compareBooks(verify)).mismatches.length, 1)
      ledger.tamper("DELETE FROM entry WHERE version = 3")
      const failure = yield* Effect.flip(compareBooks(verify))
      assert.deepInclude(failure.reason, { _tag: "LedgerStorageFailed", reason: "corrupt" })
    })
  )
})
