/** Tells all members what this member has written, soon after it is durable. Nobody else's entries: their nodes do. */
import { Effect, Queue } from "effect"
import type { EntryId } from "../../domain/ledgerEntry.ts"
import { Gossip } from "../../services/Gossip.ts"
import { Ledger } from "../../services/Ledger.ts"
import { gossipTopicOf, publishBatches } from "./batchGossip.ts"
import type { Signals } from "./signals.ts"

/** Entries wait this long for more of them, so that a busy member sends a few larger messages a second. */
export const batchMillis = 150
/** Nobody hears what is said before a way for gossip is open: that is waited for, for about as long as it takes. */
const neighbourMillisMax = 5000
const neighbourLookMillis = 100
/** Entries read from the ledger at once. */
const pageMax = 256

const awaitNeighbours = Effect.fnUntraced(function* (topic: string) {
  const gossip = yield* Gossip
  for (let waited = 0; waited < neighbourMillisMax; waited += neighbourLookMillis) {
    if ((yield* gossip.topics).some(({ name, neighbours }) => name === topic && neighbours > 0)) return
    yield* Effect.sleep(neighbourLookMillis)
  }
})

export const entryPublish = Effect.fn("LedgerSync.entryPublish")(function* (coop: EntryId, { own }: Signals) {
  const ledger = yield* Ledger
  const { name } = gossipTopicOf(coop)
  for (;;) {
    const first = yield* Queue.take(own)
    yield* Effect.sleep(batchMillis)
    yield* awaitNeighbours(name)
    const ids = [first, ...(yield* Queue.clear(own))]
    for (let at = 0; at < ids.length; at += pageMax) {
      yield* publishBatches(coop, "entries", yield* ledger.sealed(ids.slice(at, at + pageMax)))
    }
  }
})
