import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { frame, VerificationKey } from "../../../../src/domain/ed25519.ts"
import {
  checkCheckpoint,
  type CheckpointDraft,
  checkpointTag,
  draftCheckpoint,
  writeCheckpoint
} from "../../../../src/layers/ledger/sqlite/AuditorCheckpoint.ts"
import { recomputeBooks } from "../../../../src/layers/ledger/sqlite/AuditorRecompute.ts"
import { type AuditedLedger, openAudited } from "../../../fixtures/auditedLedger.ts"
import { keyOf } from "../../../fixtures/ledgerEntries.ts"
import { fuzzSeed, makeRandom } from "../../../fixtures/random.ts"

const seed = fuzzSeed()
const node = keyOf("node")
const keyFor = (name: string) => Result.getOrThrow(VerificationKey.fromBytes(keyOf(name).publicKey))

const draft = ({ journal, reader }: AuditedLedger) => draftCheckpoint(reader, journal.coop, 1_767_225_600_000)

const write = ({ journal }: AuditedLedger, one: CheckpointDraft) =>
  journal.write(() => writeCheckpoint(journal.database, one, node.sign(frame(checkpointTag, one.message))))

const check = ({ journal, reader }: AuditedLedger, by = "node") => checkCheckpoint(reader, journal.coop, keyFor(by))

/** A ledger with a checkpoint and some entries after it. */
const prepared = Effect.gen(function* () {
  const ledger = yield* openAudited(seed, makeRandom(seed))
  ledger.take(30)
  write(ledger, draft(ledger))
  ledger.take(5)
  assert.deepStrictEqual(check(ledger), { _tag: "Matched", version: 30 })
  return ledger
})

describe("checkpoints", () => {
  it.effect(`match at every later version, whoever forks meanwhile (seed ${seed})`, () =>
    Effect.gen(function* () {
      const random = makeRandom(seed)
      for (let number = 0; number < 6; number++) {
        const ledger = yield* openAudited(seed + number, random)
        let version = 0
        while (ledger.left > 0) {
          ledger.take(1 + random.below(3))
          if (random.below(6) === 0) {
            const one = draft(ledger)
            version = ledger.journal.version()
            ledger.take(random.below(6))
            assert.isTrue(write(ledger, one))
          }
          assert.deepStrictEqual(check(ledger), version === 0 ? { _tag: "Missing" } : { _tag: "Matched", version })
        }
      }
    })
  )

  const faults = {
    "the books were changed": ["UPDATE balance SET posted = posted + 1 WHERE posted <> 0", "sums"],
    "a row is gone": ["DELETE FROM balance WHERE posted_0 = 0 OR currency = 0", "root"],
    "a row came from nowhere": [
      "INSERT INTO balance (account, currency, posted, held, unacked) VALUES (1, 7, 1, 0, 0)",
      "sums"
    ],
    "a row of nobody came": [
      "INSERT INTO balance (account, currency, posted, held, unacked) VALUES (999, 0, 1, 0, 0)",
      "root"
    ],
    "the rows of then were changed": [
      "UPDATE balance SET posted = posted + 1, posted_0 = posted_0 + 1 WHERE posted_0 <> 0",
      "root"
    ],
    "the root was changed": ["UPDATE checkpoint SET root = zeroblob(32)", "signature"],
    "the version was changed": ["UPDATE checkpoint SET version = version - 1", "signature"],
    "the journal lost entries": ["DELETE FROM entry WHERE version > 20", "version"]
  } as const

  for (const [what, [sql, why]] of Object.entries(faults)) {
    it.effect(`do not match when ${what}`, () =>
      Effect.gen(function* () {
        const ledger = yield* prepared
        ledger.tamper(sql)
        assert.deepStrictEqual(check(ledger), { _tag: "Mismatched", why })
      })
    )
  }

  it.effect("of another node are worth nothing", () =>
    Effect.gen(function* () {
      const ledger = yield* prepared
      assert.deepStrictEqual(check(ledger, "another node"), { _tag: "Mismatched", why: "signature" })
    })
  )

  it.effect("end with a repair of the books, which they did not see", () =>
    Effect.gen(function* () {
      const ledger = yield* prepared
      ledger.tamper("UPDATE balance SET posted = posted + 1 WHERE posted <> 0")
      const early = draft(ledger)
      yield* recomputeBooks(ledger, "retry")
      assert.deepStrictEqual(check(ledger), { _tag: "Missing" })
      assert.isFalse(write(ledger, early))
      const version = ledger.journal.version()
      assert.isTrue(write(ledger, draft(ledger)))
      assert.deepStrictEqual(check(ledger), { _tag: "Matched", version })
    })
  )

  it.effect("never go back", () =>
    Effect.gen(function* () {
      const ledger = yield* prepared
      const early = draft(ledger)
      ledger.take(2)
      assert.isTrue(write(ledger, draft(ledger)))
      assert.isFalse(write(ledger, early))
      assert.strictEqual(check(ledger)._tag, "Matched")
    })
  )
})
