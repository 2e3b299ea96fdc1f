import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { DatabaseSync } from "node:sqlite"
import { Auditor } from "../../../../src/layers/ledger/sqlite/Auditor.ts"
import { type AuditedBooks, recomputeBooks } from "../../../../src/layers/ledger/sqlite/AuditorRecompute.ts"
import { Crowd, postingsPerEntry } from "../../../fixtures/ledgerCrowd.ts"
import { temporaryDirectory } from "../../../fixtures/temporaryDirectory.ts"

/** LEDGER_POSTINGS=1000000 for as many as a large cooperative has. */
const postings = Number(process.env["LEDGER_POSTINGS"] ?? 100_000)
const commitEntries = 500

const faults = `
UPDATE balance SET posted = posted + 17 WHERE account % 3 = 0;
UPDATE balance SET unacked = 0 WHERE account % 5 = 0;
DELETE FROM balance WHERE account % 7 = 0;
INSERT INTO account VALUES (90001, x'${"00".repeat(32)}');
INSERT INTO balance (account, currency, posted, held, unacked) VALUES (90001, 0, 40, 2, 3)`

describe("a recomputation of many postings", () => {
  it.live(
    `puts ${postings} postings right while more come, and readers see the books before or after it`,
    () =>
      Effect.gen(function* () {
        const path = `${yield* temporaryDirectory}/ledger.sqlite`
        const crowd = new Crowd(path)
        for (let left = postings / postingsPerEntry; left > 0; left -= commitEntries) {
          crowd.pay(Math.min(left, commitEntries))
        }
        assert.deepStrictEqual(crowd.stored(), crowd.expected())
        crowd.journal.database.exec(faults)
        assert.notDeepEqual(crowd.stored(), crowd.expected())

        const [own, others] = [new DatabaseSync(path, { readOnly: true }), new DatabaseSync(path, { readOnly: true })]
        const wrongBy = () => others.prepare("SELECT sum(posted) AS sum FROM balance").get()?.["sum"]
        let wrong = wrongBy()
        assert.notStrictEqual(wrong, 0)
        const auditor = new Auditor(own)
        let written = 0
        let pages = 0
        const writing = () => {
          pages++
          crowd.pay(20)
          written += 20
          assert.strictEqual(wrongBy(), wrong)
        }
        const books: AuditedBooks = {
          audit: Effect.sync(() => auditor.audit(writing)),
          repair: (repair, onlyAt) => Effect.sync(() => crowd.journal.write(() => crowd.journal.repair(repair, onlyAt)))
        }
        const before = crowd.journal.version()
        const recomputed = yield* recomputeBooks(books, "retry")

        assert.isAtLeast(pages, Math.floor(postings / 20_000))
        assert.strictEqual(recomputed.journalVersion, before + written)
        assert.strictEqual(recomputed.retries, 1)
        assert.deepStrictEqual(crowd.stored(), crowd.expected())
        assert.strictEqual(wrongBy(), 0)
        assert.isTrue(auditor.audit().sound)

        wrong = 0
        const stale = yield* Effect.flip(recomputeBooks(books, "once"))
        assert.strictEqual(stale.reason._tag, "StaleSnapshot")
        for (const database of [own, others]) database.close()
        crowd.journal.close()
      }),
    60_000 + postings
  )
})
