/**
 * The books of a data directory on which no node runs, for commands that only look: what `Ledger` answers, read from
 * the file itself. Nothing is written, and no cooperative is founded.
 */
import { Effect, Option, Stream } from "effect"
import { join } from "node:path"
import { didAccount } from "../../domain/ledgerView.ts"
import * as KeyFiles from "../../layers/identity/files.ts"
import { keyFileName } from "../../layers/identity/keyStore.ts"
import { compareBooks } from "../../layers/ledger/sqlite/AuditorRecompute.ts"
import * as Audits from "../../layers/ledger/sqlite/Audits.ts"
import { booksFile } from "../../layers/ledger/sqlite/files.ts"
import { asideOf, asideWithEntry, viewOf } from "../../layers/ledger/views.ts"
import * as LedgerSqlite from "../../layers/LedgerSqlite.ts"
import type { LedgerReads } from "./reads.ts"

/** Whose node it is stands in the clear in the key file; nobody's where there is none. */
const ownAccount = (dataDir: string) =>
  Effect.map(KeyFiles.read(join(dataDir, keyFileName), { mustBePrivate: false }), (found) =>
    Option.match(found, { onNone: () => "", onSome: ({ did }) => didAccount(did) })
  )

const quarantineOf = ({ read }: LedgerSqlite.OfflineBooks): LedgerReads["quarantine"] => ({
  list: Effect.map(read("quarantine"), (entries) => entries.map(asideOf)),
  get: (id) => Effect.map(read("quarantined", id), asideWithEntry)
})

/** Opens them until the scope closes; none where the directory has no ledger. */
export const openOffline = Effect.fnUntraced(function* (dataDir: string) {
  const books = yield* LedgerSqlite.readOffline(dataDir)
  if (books === undefined) return Option.none<LedgerReads>()
  const account = yield* ownAccount(dataDir)
  const { cooperative, read } = books
  const audits = yield* Audits.make({ coop: cooperative.id, path: booksFile(dataDir, cooperative.id) })
  return Option.some<LedgerReads>({
    account,
    cooperative: Effect.succeedSome(cooperative),
    ensureCooperative: Effect.succeed(cooperative),
    journalVersion: read("version"),
    // What other members have shown is known to a running node only.
    status: Effect.map(read("status", account), (status) => ({ ...status, seenSeq: status.ownSeq })),
    balance: (of) => read("balance", of),
    balances: read("balances"),
    history: (query) => Effect.map(read("history", query), (page) => page.map(viewOf)),
    members: read("members"),
    forks: read("forks"),
    verify: compareBooks(audits.ask("verify")),
    progress: Stream.suspend(() => audits.progress),
    quarantine: quarantineOf(books)
  })
})
