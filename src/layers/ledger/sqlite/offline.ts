/**
 * The books of a data directory without a node: read only and on the spot, for commands that only look. What is there
 * may be written by a node at the same time; each answer is of one version.
 */
import { Effect, Result, type Scope } from "effect"
import { Did } from "../../../domain/did.ts"
import type { EntryId } from "../../../domain/ledgerEntry.ts"
import type { CooperativeInfo, LedgerError } from "../../../services/Ledger.ts"
import type { Call, ReaderCalls } from "../Engine.ts"
import { infoOf } from "../founding.ts"
import { Reader } from "../Reader.ts"
import { caller } from "../thread/serve.ts"
import * as Files from "./files.ts"
import { openJournal, type SqliteJournal } from "./SqliteJournal.ts"
import { StorageError } from "./storageError.ts"
import { storageFailed } from "./threadFailure.ts"

export interface OfflineBooks {
  readonly cooperative: CooperativeInfo
  readonly read: Call<ReaderCalls, LedgerError>
  /** Makes all answers be of the version that is there now, until the scope closes. */
  readonly frozen: Effect.Effect<void, LedgerError, Scope.Scope>
}

/** Anything but a failure of the file is a mistake of ours. */
const attempt = <A>(path: string, body: () => A): Effect.Effect<A, LedgerError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(body())
    } catch (error) {
      if (error instanceof StorageError) return Effect.fail(storageFailed(path, error.reason, error.detail))
      throw error
    }
  })

const cooperativeOf = Effect.fnUntraced(function* (path: string, coop: EntryId, journal: SqliteJournal) {
  const first = yield* attempt(path, () => journal.read(() => journal.entry(coop)))
  if (first?.entry.kind !== "genesis") {
    return yield* storageFailed(path, "corrupt", "the first entry of the cooperative is not in it")
  }
  // Whose node it is, is not asked here: an implicit name is made from the key of whoever founded.
  const founder = Result.getOrThrow(Did.fromPublicKey(Buffer.from(first.entry.author, "hex")))
  return infoOf(coop, first.entry, first.sealed, founder)
})

/** Opens the cooperative that is served last, until the scope closes; `undefined` where there is none. */
export const open: (dataDirectory: string) => Effect.Effect<OfflineBooks | undefined, LedgerError, Scope.Scope> =
  Effect.fnUntraced(function* (dataDirectory: string) {
    const coop = yield* Files.readServing(dataDirectory)
    if (coop === undefined) return undefined
    const path = Files.booksFile(dataDirectory, coop)
    const journal = yield* Effect.acquireRelease(
      attempt(path, () => openJournal(path, { coop, readOnly: true })),
      (journal) => Effect.sync(() => journal.close())
    )
    const call = caller(new Reader(journal))
    const read = (name: string, ...args: ReadonlyArray<unknown>) =>
      attempt(path, () => journal.read(() => call({ name, args })))
    const frozen = Effect.acquireRelease(
      attempt(path, () => {
        journal.database.exec("BEGIN")
        // The view is that of the first look.
        journal.database.prepare("SELECT 1 FROM setting").get()
      }),
      () => Effect.sync(() => journal.database.exec("COMMIT"))
    )
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a call returns what that method does
    return { cooperative: yield* cooperativeOf(path, coop, journal), read: read as OfflineBooks["read"], frozen }
  })
