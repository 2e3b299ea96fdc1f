import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { frame } from "../../../../src/domain/ed25519.ts"
import { Bookkeeper } from "../../../../src/layers/ledger/Bookkeeper.ts"
import { openJournal } from "../../../../src/layers/ledger/sqlite/SqliteJournal.ts"
import { groupCommit } from "../../../../src/layers/ledger/thread/groupCommit.ts"
import { caller } from "../../../../src/layers/ledger/thread/serve.ts"
import { account } from "../../../fixtures/ledgerCoop.ts"
import { keyOf } from "../../../fixtures/ledgerEntries.ts"
import { booksIn, inspect, ledgerIn } from "../../../fixtures/ledgerFiles.ts"
import { temporaryDirectory } from "../../../fixtures/temporaryDirectory.ts"

const bob = account("bob")

/** Requests to pay, with keys from a number on. */
const payments = (from: number, count: number) =>
  Array.from({ length: count }, (_, index) => ({
    name: "write",
    args: [
      {
        intent: { kind: "transfer", payments: [{ to: bob, currency: 0, amount: 1 }] },
        memo: "m".repeat(200),
        idempotencyKey: (from + index).toString(16).padStart(32, "0"),
        at: 0
      }
    ]
  }))

const entryIdIn = (value: unknown): string =>
  typeof value === "object" && value !== null && "entryId" in value ? String(value.entryId) : JSON.stringify(value)

describe("groupCommit over a file", () => {
  it.live("that is full answers what fits, fails the rest, and goes on when there is room", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      yield* Effect.scoped(Effect.flatMap(ledgerIn(directory), (ledger) => ledger.ensureCooperative))
      const books = booksIn(directory)
      const journal = openJournal(books.path, { coop: books.coop })
      const key = keyOf("alice")
      const sign = (...[tag, message]: Parameters<typeof frame>) => key.sign(frame(tag, message))
      const run = groupCommit(journal, caller(new Bookkeeper(journal, { account: account("alice"), sign })))
      const pages = Number(journal.database.prepare("PRAGMA page_count").get()?.["page_count"])
      journal.database.exec(`PRAGMA max_page_count = ${pages + 40}`)
      const written: Array<string> = []
      let failed = 0
      for (let batch = 0; failed === 0; batch++) {
        for (const answer of run(payments(batch * 32, 32))) {
          if (answer._tag === "Returned") written.push(entryIdIn(answer.value))
          else {
            assert.strictEqual(answer.thrown.facts["reason"], "full")
            failed += 1
          }
        }
      }
      // Some of the last batch had room.
      assert.notStrictEqual(written.length % 32, 0)
      assert.strictEqual(journal.version(), written.length + 1)
      journal.database.exec("PRAGMA max_page_count = 100000")
      for (const answer of run(payments(100_000, 32))) {
        written.push(answer._tag === "Returned" ? entryIdIn(answer.value) : answer.thrown.message)
      }
      journal.close()
      const { ids, isSound } = inspect(books)
      assert.isTrue(isSound, String(isSound))
      assert.deepStrictEqual(ids.slice(1), written)
    })
  )
})
