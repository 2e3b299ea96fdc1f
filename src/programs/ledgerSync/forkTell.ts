/**
 * Tells all members of somebody who wrote two chains: the two entries prove it, whoever sends them. Whoever finds a
 * fork sends the proof once, and nobody who has got it does so again; later ones learn of it by catching up.
 */
import { Effect } from "effect"
import type { EntryId } from "../../domain/ledgerEntry.ts"
import * as Metric from "../../domain/metrics.ts"
import { Ledger } from "../../services/Ledger.ts"
import { Metrics } from "../../services/Metrics.ts"
import { publishBatches } from "./batchGossip.ts"
import { signalOrMillis, type Signals } from "./signals.ts"

/** The journal is looked at no more often than this while it grows. */
const lookMillis = 250
const idleMillis = 60_000

export const forkTell = Effect.fn("LedgerSync.forkTell")(function* (coop: EntryId, { grown, toldForks }: Signals) {
  const ledger = yield* Ledger
  const metrics = yield* Metrics
  /** The position of each fork that is known here. */
  const known = new Map<string, number>()
  const look = Effect.fnUntraced(function* (isFirst: boolean) {
    for (const { author, entries, seq } of yield* ledger.forks) {
      const before = known.get(author)
      known.set(author, seq)
      if (before === seq) continue
      if (!isFirst && before === undefined) {
        yield* metrics.inc(Metric.ledgerForksDetected, {})
        yield* Effect.logWarning(`a member has written two chains: ${author}, from entry ${seq} on`)
      }
      // What was known before the start has been told then.
      const isNews = toldForks.add(author, seq)
      if (!isFirst && isNews) yield* publishBatches(coop, "fork", yield* ledger.sealed(entries))
    }
  })
  yield* look(true)
  for (;;) {
    yield* signalOrMillis(grown, idleMillis)
    yield* look(false)
    yield* Effect.sleep(lookMillis)
  }
})
