/** Tells all members what this member has written, soon after it is durable. Nobody else's entries: their nodes do. */
import { Effect, Queue } from "effect"
import type { EntryId } from "../../domain/ledgerEntry.ts"
import { Ledger } from "../../services/Ledger.ts"
import { publishBatches } from "./batchGossip.ts"
import type { Signals } from "./signals.ts"

/** Entries wait this long for more of them, so that a busy member sends a few larger messages a second. */
export const batchMillis = 150
/** Entries read from the ledger at once. */
const pageMax = 256

export const entryPublish = Effect.fn("LedgerSync.entryPublish")(function* (coop: EntryId, { own }: Signals) {
  const ledger = yield* Ledger
  for (;;) {
    const first = yield* Queue.take(own)
    yield* Effect.sleep(batchMillis)
    const ids = [first, ...(yield* Queue.clear(own))]
    for (let at = 0; at < ids.length; at += pageMax) {
      yield* publishBatches(coop, "entries", yield* ledger.sealed(ids.slice(at, at + pageMax)))
    }
  }
})
