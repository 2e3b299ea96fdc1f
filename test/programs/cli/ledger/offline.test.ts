import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { accountDid, didAccount } from "../../../../src/domain/ledgerView.ts"
import * as DataDirectoryMemory from "../../../../src/layers/DataDirectoryMemory.ts"
import * as IdentityFile from "../../../../src/layers/IdentityFile.ts"
import * as LedgerSqlite from "../../../../src/layers/LedgerSqlite.ts"
import { exportLedger } from "../../../../src/programs/ledger/export.ts"
import { ExportVerifier } from "../../../../src/protocol/ledgerVerify.ts"
import { ledger } from "../../../../src/programs/cli/ledger.ts"
import { documents, runCommand } from "../../../fixtures/commands.ts"
import { didNumber } from "../../../fixtures/dids.ts"
import { temporaryDirectory } from "../../../fixtures/temporaryDirectory.ts"

const payee = didNumber(7)
const at = (dataDir: string, ...args: ReadonlyArray<string>) => runCommand(ledger, [...args, "--data-dir", dataDir])

/** A data directory in which a node has paid so many times 1.00, and runs no more. */
const left = Effect.fnUntraced(function* (payments: number) {
  const dataDir = yield* temporaryDirectory
  const node = IdentityFile.layer().pipe(Layer.provideMerge(DataDirectoryMemory.layer(dataDir)))
  const account = yield* Effect.gen(function* () {
    const ledger = yield* LedgerSqlite.make()
    const pay = ledger.transfer({ to: didAccount(payee), amount: 100, memo: "bread" })
    for (let number = 0; number < payments; number++) yield* pay
    return ledger.account
  }).pipe(Effect.scoped, Effect.provide(node))
  return { dataDir, did: accountDid(account) }
})

describe("icn-node ledger without a node", () => {
  it.live("shows balances, history and whether the books are right", () =>
    Effect.gen(function* () {
      const { dataDir, did } = yield* left(2)
      assert.deepStrictEqual(documents(yield* at(dataDir, "balance", "--json")), [
        [{ did, currency: "hours", posted: "-2.00", held: "0.00", available: "98.00", limit: "100.00" }]
      ])
      const { lines } = yield* at(dataDir, "history", payee.text)
      assert.lengthOf(lines, 2)
      assert.match(lines[0] ?? "", new RegExp(` 1.00 hours  ${did}  bread$`))
      const verified = yield* at(dataDir, "verify", "--json")
      assert.deepStrictEqual(documents(verified), [
        { ok: true, journalVersion: 3, entries: 3, sumByCurrency: { hours: "0.00" }, mismatches: [] }
      ])
      assert.include((yield* at(dataDir, "limits", "show")).lines[0], "100.00")
      assert.deepStrictEqual((yield* at(dataDir, "quarantine", "list", "--json")).lines, ["[]"])
      assert.include((yield* at(dataDir, "sync", "status")).lines[0], "no member is connected")
    })
  )

  it.live("writes nothing, and asks for a node", () =>
    Effect.gen(function* () {
      const { dataDir } = yield* left(1)
      const paid = yield* at(dataDir, "pay", "--to", payee.text, "--amount", "1")
      assert.include(paid.failure?.text, "no node is running")
      assert.include((yield* at(dataDir, "recompute")).failure?.text, "no node is running")
      assert.strictEqual((yield* at(dataDir, "history")).lines.length, 1)
    })
  )

  it.live("wants to know whose balance, where the key is gone", () =>
    Effect.gen(function* () {
      const { dataDir } = yield* left(1)
      rmSync(join(dataDir, "identity.key"))
      const ran = yield* at(dataDir, "balance", payee.text, "--json")
      assert.match(ran.lines[0] ?? "", /"posted":"1.00"/)
      assert.strictEqual((yield* at(dataDir, "history")).lines[0], "no payments")
    })
  )
})

describe("icn-node ledger export", () => {
  it.live("writes what proves itself, page by page", () =>
    Effect.gen(function* () {
      const { dataDir } = yield* left(7)
      const books = yield* LedgerSqlite.readOffline(dataDir)
      assert.isDefined(books)
      const text = (pageMax?: number) =>
        Effect.map(Stream.runCollect(exportLedger(books, "jsonl", pageMax)), (pieces) => ({
          text: pieces.map((piece) => piece.text).join(""),
          pieces: pieces.length
        }))
      const [small, whole] = [yield* Effect.scoped(text(3)), yield* Effect.scoped(text())]
      assert.strictEqual(small.text, whole.text)
      // Three pages of eight entries, the beginning and the end.
      assert.deepStrictEqual([small.pieces, whole.pieces], [5, 3])
      const verifier = new ExportVerifier()
      for (const line of small.text.trimEnd().split("\n")) assert.isUndefined(verifier.line(line))
      assert.strictEqual(verifier.verdict()._tag, "Sound")
    })
  )

  it.live("writes a journal for hledger to standard output", () =>
    Effect.gen(function* () {
      const { dataDir, did } = yield* left(3)
      const text = (yield* at(dataDir, "export")).lines.join("\n")
      assert.include(text, 'commodity 1000.00 "hours"')
      assert.lengthOf(text.match(/ \* \(\d+\) transfer \| bread/g) ?? [], 3)
      assert.include(text, `${did}  0.00 "hours" = -3.00 "hours"`)
      assert.include(text, `${payee.text}  0.00 "hours" = 3.00 "hours"`)
    })
  )

  it.live("writes into a file, and tells how far it is", () =>
    Effect.gen(function* () {
      const { dataDir } = yield* left(9)
      const file = join(dataDir, "ledger.csv")
      const ran = yield* at(dataDir, "export", "--format", "csv", "--output", file, "--json")
      assert.deepStrictEqual(documents(ran), [{ file, format: "csv", entries: 10, version: 10 }])
      const lines = readFileSync(file, "utf8").trimEnd().split("\r\n")
      // A line of titles, the genesis, and two legs each.
      assert.lengthOf(lines, 1 + 1 + 18)
      assert.isTrue(ran.progress.some((text) => text.includes("exporting 100 %, 10 of 10 entries")))
      assert.isFalse(readdirSync(dataDir).some((name) => name.endsWith(".part")))
    })
  )

  it.live("leaves no half file where it cannot write, and says why", () =>
    Effect.gen(function* () {
      const { dataDir } = yield* left(1)
      const file = join(dataDir, "missing", "ledger.jsonl")
      const ran = yield* at(dataDir, "export", "--format", "jsonl", "--output", file)
      assert.include(ran.failure?.text, `cannot write ${file}: `)
      assert.isFalse(existsSync(file))
    })
  )

  it.live("says that there is no ledger", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporaryDirectory
      const ran = yield* at(dataDir, "export")
      assert.include(ran.failure?.text, `there is no ledger in ${dataDir} yet`)
    })
  )
})
