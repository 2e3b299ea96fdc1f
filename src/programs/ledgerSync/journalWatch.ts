/** Follows the journal and tells the other tasks what of it is theirs. */
import { Effect, Queue, Stream } from "effect"
import { creditsTo } from "../../domain/ledgerEntry.ts"
import { Ledger, type LedgerEntry } from "../../services/Ledger.ts"
import type { Signals } from "./signals.ts"

const isOfHold = ({ entry }: LedgerEntry): boolean =>
  entry.kind === "hold" || entry.kind === "post" || entry.kind === "void"

export const journalWatch = Effect.fn("LedgerSync.journalWatch")(function* (since: number, signals: Signals) {
  const ledger = yield* Ledger
  const look = (change: LedgerEntry): void => {
    if (change.entry.author === ledger.account) {
      Queue.offerUnsafe(signals.own, change.id)
      if (isOfHold(change)) Queue.offerUnsafe(signals.hold, undefined)
    } else if (creditsTo(change.entry, ledger.account).length > 0) Queue.offerUnsafe(signals.credit, undefined)
    Queue.offerUnsafe(signals.grown, undefined)
  }
  yield* Stream.runForEachArray(ledger.changes(since), (changes) => Effect.sync(() => changes.forEach(look)))
})
