/**
 * Tells all members of somebody who wrote two chains: the two entries prove it, whoever sends them. Whoever finds a
 * fork sends the proof once, and nobody who has got it does so again; later ones learn of it by catching up.
 */
import { Effect } from "effect"
import type { AccountId, EntryId } from "../../domain/ledgerEntry.ts"
import * as Metric from "../../domain/metrics.ts"
import { accountDid } from "../../domain/ledgerView.ts"
import { Ledger } from "../../services/Ledger.ts"
import { Metrics } from "../../services/Metrics.ts"
import { publishBatches } from "./batchGossip.ts"
import { signalOrMillis, type Signals } from "./signals.ts"

/** The journal is looked at no more often than this while it grows. */
const lookMillis = 250
const idleMillis = 60_000

/** Of the own fork the operator is told at each start: all else goes on, and the member cannot pay any more. */
const tellOperator = (author: AccountId, seq: number, isOwn: boolean): Effect.Effect<void> =>
  isOwn
    ? Effect.logError(
        `two chains were written with this node's own key, from entry ${seq} on: ` +
          "an old copy of its data directory was in use, or another node has the same key. Nothing that this member " +
          "writes is booked any more; it needs a new key (a new data directory) and an invitation"
      )
    : Effect.logWarning(`a member has written two chains: ${accountDid(author)}, from entry ${seq} on`)

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
      const isOwn = author === ledger.account
      if (before === undefined && (isOwn || !isFirst)) yield* tellOperator(author, seq, isOwn)
      if (!isFirst && before === undefined) yield* metrics.inc(Metric.ledgerForksDetected, {})
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
