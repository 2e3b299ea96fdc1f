import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { openAudited } from "../../../fixtures/auditedLedger.ts"
import { fuzzSeed, makeRandom } from "../../../fixtures/random.ts"

const seed = fuzzSeed()

const faults = {
  "a byte of an entry changed": [
    "UPDATE entry SET body = CAST(substr(body, 1, 40) || x'00' || substr(body, 42) AS BLOB) WHERE version = 7",
    "entry 7 is not"
  ],
  "an id changed": ["UPDATE entry SET id = zeroblob(32) WHERE version = 7", "is not stored as it was signed"],
  "an author changed": ["UPDATE entry SET author = author + 1 WHERE version = 7", "entry 7 is not"],
  "a position changed": ["UPDATE entry SET seq = seq + 1 WHERE version = 7", "entry 7 is not"],
  "a chain was cut": [
    "UPDATE entry SET prev = NULL WHERE version = (SELECT max(version) FROM entry WHERE prev > 0)",
    "is not"
  ],
  "amounts changed that even out": [
    "UPDATE leg SET amount = amount * 2 WHERE version = (SELECT max(version) FROM leg)",
    "is not stored as it was signed"
  ],
  "a leg became a hold": [
    "UPDATE leg SET posting = 1 - posting WHERE version = (SELECT max(version) FROM leg)",
    "is not stored as it was signed"
  ],
  "a reference is gone": [
    "DELETE FROM reference WHERE from_version = (SELECT max(from_version) FROM reference)",
    "is not stored as it was signed"
  ],
  "a leg came from nowhere": ["INSERT INTO leg VALUES (1, 5, 1, 9, 1, 1, 0)", "the table leg has 1 rows"],
  "a reference came from nowhere": ["INSERT INTO reference VALUES (1, 0, 1, 9)", "the table reference has 1 rows"]
} as const

describe("verification of the entries' bytes", () => {
  it.effect(`finds what was written whole (seed ${seed})`, () =>
    Effect.gen(function* () {
      const random = makeRandom(seed)
      for (let number = 0; number < 4; number++) {
        const ledger = yield* openAudited(seed + number, random)
        ledger.take(ledger.left)
        const seen: Array<number> = []
        const { damage, report, sound } = ledger.auditor.verify(({ done }) => seen.push(done))
        assert.strictEqual(damage, undefined)
        assert.isTrue(sound)
        assert.strictEqual(seen[0], report.journalVersion)
      }
    })
  )

  for (const [what, [sql, words]] of Object.entries(faults)) {
    it.effect(`notices that ${what}`, () =>
      Effect.gen(function* () {
        const ledger = yield* openAudited(seed, makeRandom(seed))
        ledger.take(ledger.left)
        ledger.tamper(sql)
        assert.include(ledger.auditor.verify().damage ?? "nothing", words)
      })
    )
  }
})
