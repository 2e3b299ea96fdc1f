/** The thread that reads: `Reader` over a connection of its own, which neither waits for the writer nor holds it up. */
import { workerData } from "node:worker_threads"
import type { EntryId } from "../../../domain/ledgerEntry.ts"
import type { ReaderCalls } from "../Engine.ts"
import type { StoredEntry } from "../Journal.ts"
import { Reader } from "../Reader.ts"
import { openJournal } from "../sqlite/SqliteJournal.ts"
import { caller, oneByOne, serve } from "./serve.ts"
import { together } from "./together.ts"

export interface ReaderData {
  readonly path: string
  readonly coop: EntryId
}

const { coop, path }: ReaderData = workerData

const packedStored = (entries: ReadonlyArray<StoredEntry>): ReadonlyArray<StoredEntry> => {
  const sealed = together(entries.map((one) => one.sealed)).entries
  return entries.map((one, index) => ({ ...one, sealed: sealed[index] ?? one.sealed }))
}

serve(() => {
  const journal = openJournal(path, { coop, readOnly: true })
  const reader = new Reader(journal)
  const packed: Partial<ReaderCalls> = {
    missing: (have, from) => {
      const page = reader.missing(have, from)
      return { ...page, entries: together(page.entries).entries }
    },
    wanted: (wants, from) => {
      const page = reader.wanted(wants, from)
      return { ...page, entries: together(page.entries).entries }
    },
    sealed: (ids) => together(reader.sealed(ids)).entries,
    entriesAfter: (version, max) => packedStored(reader.entriesAfter(version, max)),
    history: (query) => packedStored(reader.history(query)),
    vouched: (max, after) => packedStored(reader.vouched(max, after))
  }
  const call = caller(packed, reader)
  return {
    // Within `read`, failures of the file are told as such.
    run: oneByOne((message) => journal.read(() => call(message))),
    close: () => journal.close()
  }
})
