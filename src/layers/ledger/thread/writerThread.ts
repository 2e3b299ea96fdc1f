/**
 * The thread that writes: `Bookkeeper` over the file, one commit for all who ask at the same time. It has the key, so
 * that drafting, signing and writing an entry is one step; a second thread helps to sign (SigningBoard.ts).
 */
import { availableParallelism } from "node:os"
import { workerData } from "node:worker_threads"
import { frame, SigningKey } from "../../../domain/ed25519.ts"
import type { AccountId, EntryId } from "../../../domain/ledgerEntry.ts"
import { entryTag } from "../../../protocol/entry.ts"
import { Bookkeeper } from "../Bookkeeper.ts"
import type { BookkeeperCalls } from "../Engine.ts"
import { type CheckpointDraft, writeCheckpoint } from "../sqlite/AuditorCheckpoint.ts"
import type { BooksRepair, RepairOutcome } from "../sqlite/AuditorRepair.ts"
import { openJournal, type SqliteJournal } from "../sqlite/SqliteJournal.ts"
import { groupCommit } from "./groupCommit.ts"
import { giveWay, niceness } from "./priority.ts"
import { caller, serve } from "./serve.ts"
import { SigningBoard } from "./SigningBoard.ts"

export interface WriterData {
  readonly path: string
  readonly coop: EntryId
  readonly account: AccountId
  /** The seed of the account's key. The thread's copy is wiped. */
  readonly seed: Uint8Array
  /** Where others may help to sign. */
  readonly board: SharedArrayBuffer
  /** A thread before this one may have ended while it committed. */
  readonly again: boolean
}

export interface WriterCalls extends BookkeeperCalls {
  /** Puts right what an audit found wrong; only at this version of the journal, if one is given. */
  readonly repair: (repair: BooksRepair, onlyAt: number | undefined) => RepairOutcome
  /** Writes a checkpoint that was drawn; says whether it still held. */
  readonly checkpoint: (draft: CheckpointDraft, signature: Uint8Array) => boolean
}

/**
 * Writes over what a failed commit may have left behind the end of the log: it is not in the books, and would be after
 * a crash.
 */
const settle = (journal: SqliteJournal): void => {
  journal.write(() =>
    journal.database.exec(
      "INSERT INTO setting VALUES ('writerRestarts', '1') ON CONFLICT DO UPDATE SET value = value + 1"
    )
  )
}

/** Somebody who pays one after the other is back within 0.15 ms. */
const lookoutMillis = 0.2

const { account, again, board, coop, path, seed }: WriterData = workerData

giveWay(niceness.books)

serve(() => {
  const key = SigningKey.fromSeed(seed)
  seed.fill(0)
  const journal = openJournal(path, { coop })
  if (again) settle(journal)
  const signing = new SigningBoard(board, (id) => key.sign(frame(entryTag, id)))
  const bookkeeper = new Bookkeeper(journal, {
    account,
    sign: (tag, message) => key.sign(frame(tag, message)),
    signLater: (id, version) => signing.post(id, (signature) => journal.sign(version, signature))
  })
  const write = <A>(body: () => A): A => journal.write(() => signing.within(body))
  const more: Omit<WriterCalls, keyof BookkeeperCalls> = {
    repair: (repair, onlyAt) => journal.repair(repair, onlyAt),
    checkpoint: (draft, signature) => writeCheckpoint(journal.database, draft, signature)
  }
  return {
    run: groupCommit({ write }, caller(bookkeeper, more)),
    note: () => journal.version(),
    lookoutMillis: availableParallelism() > 1 ? lookoutMillis : 0,
    close: () => journal.close()
  }
})
