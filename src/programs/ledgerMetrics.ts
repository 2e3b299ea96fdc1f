/**
 * The `ledger_metrics` actor: tells how large the ledger is and what of it waits. What happens to it is counted where
 * it happens.
 */
import { Duration, Effect, Option, Schedule } from "effect"
import {
  ledgerAccounts,
  ledgerCurrencies,
  ledgerForkedAuthors,
  ledgerJournalVersion,
  ledgerPending,
  ledgerQuarantineBytes,
  ledgerQuarantineSize,
  ledgerVouchedEntries
} from "../domain/metrics.ts"
import { Ledger } from "../services/Ledger.ts"
import { Metrics } from "../services/Metrics.ts"

/** Often enough for a scraper, and no load on a reader thread that has better things to do. */
const interval = Duration.seconds(5)

const update = Effect.gen(function* () {
  const ledger = yield* Ledger
  const metrics = yield* Metrics
  const cooperative = yield* ledger.cooperative
  if (Option.isNone(cooperative)) return
  const { accounts, forks, journalVersion, quarantine, vouched } = yield* ledger.status
  yield* metrics.set(ledgerAccounts, {}, accounts)
  yield* metrics.set(ledgerCurrencies, {}, cooperative.value.currencies.length)
  yield* metrics.set(ledgerJournalVersion, {}, journalVersion)
  yield* metrics.set(ledgerForkedAuthors, {}, forks)
  yield* metrics.set(ledgerVouchedEntries, {}, vouched)
  yield* metrics.set(ledgerQuarantineSize, {}, quarantine.entries)
  yield* metrics.set(ledgerQuarantineBytes, {}, quarantine.bytes)
  yield* metrics.set(ledgerPending, {}, quarantine.pending)
})

/** Updates now and at each interval from now on, for ever; `ready` follows the first update. */
export const ledgerMetrics = Effect.fnUntraced(function* (ready: Effect.Effect<void>) {
  yield* update
  yield* ready
  return yield* Effect.repeat(Effect.delay(update, interval), Schedule.forever)
})
