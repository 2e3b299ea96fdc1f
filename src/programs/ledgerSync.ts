/**
 * The `ledger_sync` actor: keeps this node's ledger and those of the other members alike. What this member writes goes
 * out as gossip, what others gossip is taken in, what got lost is caught up with, and what this member owes to the
 * books is written: acks of what he received, and the end of what he set aside and nobody fetched. The tasks are in
 * programs/ledgerSync/; the bytes in protocol/ledgerSync.ts and ledgerBatch.ts.
 */
import { Effect, Option } from "effect"
import type { EntryId } from "../domain/ledgerEntry.ts"
import { Ledger } from "../services/Ledger.ts"
import { batchTake } from "./ledgerSync/batchTake.ts"
import { Board } from "./ledgerSync/Board.ts"
import { creditAck } from "./ledgerSync/creditAck.ts"
import { entryPublish } from "./ledgerSync/entryPublish.ts"
import { exchanges } from "./ledgerSync/exchanges.ts"
import { forkTell } from "./ledgerSync/forkTell.ts"
import { holdExpire } from "./ledgerSync/holdExpire.ts"
import { journalWatch } from "./ledgerSync/journalWatch.ts"
import { ownChainCheck } from "./ledgerSync/ownChainCheck.ts"
import { makeSignals } from "./ledgerSync/signals.ts"

/** How soon it is noticed that another cooperative is served. */
const lookMillis = 250

const served = Effect.flatMap(Ledger, ({ cooperative }) =>
  Effect.map(cooperative, (coop) => Option.getOrUndefined(coop)?.id)
)

/** The cooperative that is served, once it is not this one any more. */
const servedInsteadOf = Effect.fnUntraced(function* (before: EntryId | undefined) {
  for (;;) {
    const coop = yield* served
    if (coop !== before) return coop
    yield* Effect.sleep(lookMillis)
  }
})

/** All tasks for one cooperative; when one fails, all end. */
const replicate = Effect.fn("LedgerSync.replicate")(function* (coop: EntryId) {
  const ledger = yield* Ledger
  const board = yield* Board.make(coop)
  const signals = yield* makeSignals
  const since = yield* ledger.journalVersion
  // The check waits for nothing but answers, and others' checks for ours.
  const checked = Effect.andThen(ownChainCheck(coop, signals), board.checked)
  return yield* Effect.all(
    [
      exchanges(coop, board, signals, Effect.void),
      Effect.andThen(checked, Effect.never),
      journalWatch(since, signals),
      batchTake(coop, signals),
      entryPublish(coop, signals),
      forkTell(coop, signals),
      creditAck(signals),
      holdExpire(signals)
    ],
    { concurrency: "unbounded", discard: true }
  )
}, Effect.scoped)

/** The same until another cooperative is served, which takes the books away from under it. */
const replicateWhileServed = (coop: EntryId) =>
  Effect.raceFirst(servedInsteadOf(coop), Effect.andThen(replicate(coop), Effect.never)).pipe(
    Effect.catchCause((cause) =>
      Effect.filterOrElse(
        served,
        (present) => present !== coop,
        () => Effect.failCause(cause)
      )
    )
  )

/** Runs for ever, whichever cooperative is served; `ready` at once, since there may be none for long. */
export const ledgerSync = Effect.fnUntraced(function* (ready: Effect.Effect<void>) {
  yield* ready
  let coop: EntryId | undefined
  for (;;) coop = yield* coop === undefined ? servedInsteadOf(undefined) : replicateWhileServed(coop)
})
