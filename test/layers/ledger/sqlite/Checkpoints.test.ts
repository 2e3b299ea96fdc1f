import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { createHash } from "node:crypto"
import { DatabaseSync } from "node:sqlite"
import { ledgerCheckpoints, supervisorErrors } from "../../../../src/domain/metrics.ts"
import * as IdentityMemory from "../../../../src/layers/IdentityMemory.ts"
import type { CheckpointCheck, CheckpointDraft } from "../../../../src/layers/ledger/sqlite/AuditorCheckpoint.ts"
import * as Checkpoints from "../../../../src/layers/ledger/sqlite/Checkpoints.ts"
import { typed } from "../../../../src/layers/ledger/sqlite/typedCalls.ts"
import * as MetricsMemory from "../../../../src/layers/MetricsMemory.ts"
import { LedgerError, LedgerStorageFailed, type Recomputed } from "../../../../src/services/Ledger.ts"
import { Metrics } from "../../../../src/services/Metrics.ts"
import { account } from "../../../fixtures/ledgerCoop.ts"
import { booksIn, ledgerIn } from "../../../fixtures/ledgerFiles.ts"
import { committed } from "../../../fixtures/ledgerPeople.ts"
import { temporaryDirectory } from "../../../fixtures/temporaryDirectory.ts"

const times = { entriesMax: 100, millisMax: 600_000, lookMillis: 1000 }

const counted = (event: "written" | "matched" | "mismatched" | "missing" | "failed") =>
  Effect.flatMap(Metrics, (metrics) => metrics.value(ledgerCheckpoints, { event }))

/** Books of nothing but a version, with checkpoints that are kept up. */
const makeBooks = Effect.fnUntraced(function* (version: number, check: CheckpointCheck) {
  const books = { version, written: new Array<number>(), recomputed: 0, holds: true, fails: false }
  const draft = (at: number): CheckpointDraft => ({
    checkpoint: { version: books.version, at, root: new Uint8Array(32) },
    message: Uint8Array.of(1),
    rows: new Float64Array(),
    generation: 0
  })
  const recomputed: Recomputed = { journalVersion: version, entries: version, sums: [0], mismatches: [], retries: 0 }
  const fiber = yield* Effect.forkChild(
    Checkpoints.run({
      identity: yield* IdentityMemory.make(createHash("sha256").update("alice").digest()),
      ask: typed((name, [at]) => {
        if (books.fails) {
          const reason = new LedgerStorageFailed({ path: "books", reason: "other", detail: "gone" })
          return Effect.fail(new LedgerError({ reason }))
        }
        return Effect.succeed(name === "checkCheckpoint" ? check : draft(Number(at)))
      }),
      write: ({ checkpoint }, signature) =>
        Effect.sync(() => {
          assert.lengthOf(signature, 64)
          if (books.holds) books.written.push(checkpoint.version)
          return books.holds
        }),
      recompute: Effect.sync(() => {
        books.recomputed += 1
        return recomputed
      }),
      version: Effect.sync(() => books.version),
      times
    }),
    { startImmediately: true }
  )
  return { books, fiber }
})

describe("Checkpoints", () => {
  it.effect("are written after so many entries, or so much time if there are any", () =>
    Effect.gen(function* () {
      const { books } = yield* makeBooks(1, { _tag: "Missing" })
      // Books that were just made are not looked at.
      assert.strictEqual(books.recomputed, 0)
      books.version = 99
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(books.written, [])
      books.version = 100
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(books.written, [100])
      books.version = 101
      yield* TestClock.adjust("599 seconds")
      assert.deepStrictEqual(books.written, [100])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(books.written, [100, 101])
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(books.written, [100, 101])
      assert.strictEqual(yield* counted("written"), 2)
    }).pipe(Effect.provide(MetricsMemory.layer))
  )

  it.effect("go on from the one that a start has found", () =>
    Effect.gen(function* () {
      const { books } = yield* makeBooks(550, { _tag: "Matched", version: 500 })
      assert.deepStrictEqual([books.recomputed, yield* counted("matched")], [0, 1])
      books.version = 599
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(books.written, [])
      books.version = 600
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(books.written, [600])
    }).pipe(Effect.provide(MetricsMemory.layer))
  )

  it.effect("have the books worked out anew where there is none or they do not agree", () =>
    Effect.gen(function* () {
      const { books: missing } = yield* makeBooks(50, { _tag: "Missing" })
      const { books: wrong } = yield* makeBooks(50, { _tag: "Mismatched", why: "root" })
      assert.deepStrictEqual([missing.recomputed, wrong.recomputed], [1, 1])
      assert.deepStrictEqual([yield* counted("missing"), yield* counted("mismatched")], [1, 1])
    }).pipe(Effect.provide(MetricsMemory.layer))
  )

  it.effect("are tried again when the next one is due, and failures are told", () =>
    Effect.gen(function* () {
      const { books, fiber } = yield* makeBooks(1, { _tag: "Missing" })
      books.version = 100
      books.fails = true
      yield* TestClock.adjust("1 second")
      const metrics = yield* Metrics
      assert.strictEqual(yield* metrics.value(supervisorErrors, { operation: "ledger_audit" }), 1)
      assert.strictEqual(yield* counted("failed"), 1)
      books.fails = false
      books.holds = false
      books.version = 200
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* counted("written"), 0)
      books.holds = true
      books.version = 300
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(books.written, [300])
      assert.isUndefined(fiber.pollUnsafe())
      yield* Fiber.interrupt(fiber)
    }).pipe(Effect.provide(MetricsMemory.layer))
  )

  it.live("find balances that were changed behind the ledger's back, which are put right", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const checkpoints = { entriesMax: 5, millisMax: 600_000, lookMillis: 5 }
      const until = Effect.fnUntraced(function* (event: "written" | "matched" | "mismatched") {
        while ((yield* counted(event)) === 0) yield* Effect.sleep(5)
      })
      const bob = account("bob")
      yield* Effect.scoped(
        Effect.gen(function* () {
          const ledger = yield* ledgerIn(directory, { checkpoints })
          for (let payment = 0; payment < 5; payment++) committed(yield* ledger.transfer({ to: bob, amount: 10 }))
          yield* until("written")
          committed(yield* ledger.transfer({ to: bob, amount: 10 }))
        })
      )
      yield* Effect.scoped(Effect.andThen(ledgerIn(directory, { checkpoints }), until("matched")))
      const file = new DatabaseSync(booksIn(directory).path)
      file.exec("UPDATE balance SET posted = posted + 1000 WHERE posted > 0")
      file.close()
      const ledger = yield* ledgerIn(directory, { checkpoints })
      yield* until("mismatched")
      while ((yield* ledger.balance(bob))[0]?.posted !== 60) yield* Effect.sleep(5)
      assert.deepStrictEqual((yield* ledger.verify).mismatches, [])
    }).pipe(Effect.provide(MetricsMemory.layer))
  )
})
