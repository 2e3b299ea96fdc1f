/** The books worked out anew, on request, and what is counted of it. */
import { Clock, Effect } from "effect"
import * as Metric from "../../domain/metrics.ts"
import type { BooksReport, LedgerError, Recomputed } from "../../services/Ledger.ts"
import { Metrics } from "../../services/Metrics.ts"
import type { Serving } from "./Serving.ts"

/** Tells how long something took, however it ends. */
const timed = <A>(body: Effect.Effect<A, LedgerError>): Effect.Effect<A, LedgerError> =>
  Effect.flatMap(Clock.currentTimeMillis, (before) =>
    Effect.onExit(body, () =>
      Effect.flatMap(Clock.currentTimeMillis, (after) =>
        Effect.flatMap(Metrics, (metrics) =>
          metrics.observe(Metric.ledgerRecomputeSeconds, {}, (after - before) / 1000)
        )
      )
    )
  )

const countRecomputed = Effect.fnUntraced(function* ({ mismatches, retries }: Recomputed) {
  const metrics = yield* Metrics
  yield* metrics.inc(Metric.ledgerRecomputations, { result: "applied" })
  yield* metrics.inc(Metric.ledgerRecomputeAborted, {}, retries)
  yield* metrics.inc(Metric.ledgerCorrections, {}, mismatches.length)
})

const countFailure = Effect.fnUntraced(function* ({ reason }: LedgerError) {
  const metrics = yield* Metrics
  const isStale = reason._tag === "StaleSnapshot"
  yield* metrics.inc(Metric.ledgerRecomputations, { result: isStale ? "stale" : "failed" })
  if (isStale) yield* metrics.inc(Metric.ledgerRecomputeAborted, {})
})

/** Corrects the books; `once` fails where something was written meanwhile. */
export const recompute = (serving: Serving, mode: "once" | "retry"): Effect.Effect<Recomputed, LedgerError> =>
  serving.writing(({ engine }) =>
    timed(engine.recomputeBooks(mode)).pipe(Effect.tap(countRecomputed), Effect.tapError(countFailure))
  )

/** Only compares. */
export const verify = (serving: Serving): Effect.Effect<BooksReport, LedgerError> =>
  Effect.flatMap(serving.served, ({ engine }) => timed(engine.compareBooks)).pipe(
    Effect.tap(({ mismatches, sums }) => {
      const ok = mismatches.length === 0 && sums.every((sum) => sum === 0)
      return countVerification(ok ? "ok" : "mismatch")
    }),
    Effect.tapError(() => countVerification("failed"))
  )

const countVerification = (result: "ok" | "mismatch" | "failed"): Effect.Effect<void> =>
  Effect.flatMap(Metrics, (metrics) => metrics.inc(Metric.ledgerVerifications, { result }))
