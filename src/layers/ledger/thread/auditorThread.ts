/** The thread that works the books out anew, on a connection of its own; it tells how far it is. */
import { workerData } from "node:worker_threads"
import * as Result from "effect/Result"
import { VerificationKey } from "../../../domain/ed25519.ts"
import type { AccountId } from "../../../domain/ledgerEntry.ts"
import { type Audit, Auditor } from "../sqlite/Auditor.ts"
import {
  checkCheckpoint,
  type CheckpointCheck,
  type CheckpointDraft,
  draftCheckpoint
} from "../sqlite/AuditorCheckpoint.ts"
import { openJournal } from "../sqlite/SqliteJournal.ts"
import { storageErrorOf } from "../sqlite/storageError.ts"
import type { CallMessage } from "./messages.ts"
import { giveWay, niceness } from "./priority.ts"
import type { ReaderData } from "./readerThread.ts"
import { caller, oneByOne, serve } from "./serve.ts"

export interface AuditorCalls {
  readonly audit: () => Audit
  /** An audit that looks at the entries' bytes as well. */
  readonly verify: () => Audit
  /** A checkpoint of the books as they are; `at` in milliseconds since the epoch. */
  readonly draftCheckpoint: (at: number) => CheckpointDraft
  /** Compares the books with the last checkpoint, which the owner of an account has signed. */
  readonly checkCheckpoint: (account: AccountId) => CheckpointCheck
}

const { coop, path }: ReaderData = workerData

giveWay(niceness.audits)

serve((tell) => {
  const journal = openJournal(path, { coop, readOnly: true })
  const { database } = journal
  const auditor = new Auditor(database)
  const calls: AuditorCalls = {
    audit: () => auditor.audit(tell),
    verify: () => auditor.verify(tell),
    draftCheckpoint: (at) => draftCheckpoint(database, coop, at),
    checkCheckpoint: (account) =>
      checkCheckpoint(database, coop, Result.getOrThrow(VerificationKey.fromBytes(Buffer.from(account, "hex"))))
  }
  const call = caller(calls)
  const guarded = (message: CallMessage): unknown => {
    try {
      return call(message)
    } catch (cause) {
      throw storageErrorOf(cause, path) ?? cause
    }
  }
  return { run: oneByOne(guarded), close: () => journal.close() }
})
