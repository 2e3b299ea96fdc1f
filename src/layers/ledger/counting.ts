/** Counts what comes into a journal, for metrics, while it is open. */
import { Cause, Duration, Effect, Queue, type Scope } from "effect"
import type { AccountId, Currency } from "../../domain/ledgerEntry.ts"
import * as Metric from "../../domain/metrics.ts"
import { Metrics, report } from "../../services/Metrics.ts"
import type { LedgerEngine } from "./Engine.ts"
import type { Tally } from "./tally.ts"
import type { Wakes } from "./Wakes.ts"

/** Entries counted in one call. */
const pageMax = 1000
/** Nobody looks at metrics more often, and a call per commit would be many. */
const pause = Duration.seconds(1)

const tell = Effect.fnUntraced(function* ({ entries, payments }: Tally, currencies: ReadonlyArray<Currency>) {
  const metrics = yield* Metrics
  for (const { count, kind, own } of entries) {
    yield* metrics.inc(Metric.ledgerTransactions, { kind, origin: own ? "own" : "received" }, count)
  }
  for (const { amount, currency } of payments) {
    const unit = 10 ** (currencies[currency]?.decimals ?? 0)
    yield* metrics.observe(Metric.ledgerTransactionAmount, {}, amount / unit)
  }
})

/** Counts what comes into a journal after a version, as long as it is open. */
export const countEntries = (
  { engine, wakes }: { readonly engine: LedgerEngine; readonly wakes: Wakes },
  account: AccountId,
  currencies: ReadonlyArray<Currency>,
  from: number
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const wake = yield* wakes.subscribe
    let version = from
    // What cannot be counted now is counted with what comes next.
    const look = Effect.suspend(() => engine.read("tally", account, version, pageMax)).pipe(
      Effect.catchTag("LedgerError", (error) => Effect.as(report("ledger", Cause.fail(error)), undefined))
    )
    for (;;) {
      const tally = yield* look
      if (tally !== undefined && tally.version > version) {
        version = tally.version
        yield* tell(tally, currencies)
        continue
      }
      yield* Queue.take(wake)
      yield* Effect.sleep(pause)
    }
  }).pipe(Effect.ignore)
