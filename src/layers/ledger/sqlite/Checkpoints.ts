/**
 * The upkeep of checkpoints (AuditorCheckpoint.ts): a start compares the books with the last one, and has them worked
 * out anew where they do not agree; from then on one is written now and then.
 */
import { Cause, Clock, Effect } from "effect"
import * as Metric from "../../../domain/metrics.ts"
import type { Identity } from "../../../services/Identity.ts"
import type { LedgerError, Recomputed } from "../../../services/Ledger.ts"
import { Metrics, report } from "../../../services/Metrics.ts"
import { accountOf } from "../founding.ts"
import { type CheckpointDraft, checkpointEntriesMax, checkpointMillisMax, checkpointTag } from "./AuditorCheckpoint.ts"
import type { Audits } from "./Audits.ts"

export interface CheckpointTimes {
  readonly entriesMax: number
  readonly millisMax: number
  /** How often it is looked whether one is due. */
  readonly lookMillis: number
}

export interface CheckpointOptions {
  readonly identity: Identity["Service"]
  readonly ask: Audits["ask"]
  /** Writes a checkpoint; says whether it still held. */
  readonly write: (draft: CheckpointDraft, signature: Uint8Array) => Effect.Effect<boolean, LedgerError>
  readonly recompute: Effect.Effect<Recomputed, LedgerError>
  /** The journal's version now. */
  readonly version: Effect.Effect<number, LedgerError>
  readonly times?: CheckpointTimes | undefined
}

const defaultTimes: CheckpointTimes = {
  entriesMax: checkpointEntriesMax,
  millisMax: checkpointMillisMax,
  lookMillis: 5_000
}

/** Compares the books with the last checkpoint; says of which version that was, 0 without one. */
const checkBooks = Effect.fnUntraced(function* ({ ask, identity, recompute }: CheckpointOptions) {
  const metrics = yield* Metrics
  const check = yield* ask("checkCheckpoint", accountOf(identity.did))
  if (check._tag === "Matched") {
    yield* metrics.inc(Metric.ledgerCheckpoints, { event: "matched" })
    return check.version
  }
  yield* metrics.inc(Metric.ledgerCheckpoints, { event: check._tag === "Missing" ? "missing" : "mismatched" })
  if (check._tag === "Mismatched") {
    yield* Effect.logWarning(
      `the books do not agree with their last checkpoint (${check.why}); they are worked out anew from the entries`
    )
  }
  const { mismatches, retries } = yield* recompute
  yield* metrics.inc(Metric.ledgerRecomputations, { result: "applied" })
  yield* metrics.inc(Metric.ledgerRecomputeAborted, {}, retries)
  yield* metrics.inc(Metric.ledgerCorrections, {}, mismatches.length)
  if (mismatches.length > 0) yield* Effect.logWarning(`${mismatches.length} balances were wrong and are put right`)
  return 0
})

const writeOne = Effect.fnUntraced(function* ({ ask, identity, write }: CheckpointOptions, at: number) {
  const metrics = yield* Metrics
  const draft = yield* ask("draftCheckpoint", at)
  const signature = yield* identity.sign(checkpointTag, draft.message)
  const written = yield* write(draft, signature)
  if (written) yield* metrics.inc(Metric.ledgerCheckpoints, { event: "written" })
  return written ? draft.checkpoint.version : undefined
})

/** Counts and reports a failure, and goes on with nothing. */
const counted = <A>(effect: Effect.Effect<A, LedgerError>): Effect.Effect<A | undefined> =>
  Effect.catchCause(effect, (cause) =>
    Cause.hasInterruptsOnly(cause)
      ? Effect.interrupt
      : Effect.gen(function* () {
          const metrics = yield* Metrics
          yield* metrics.inc(Metric.ledgerCheckpoints, { event: "failed" })
          yield* report("ledger_audit", cause)
          return undefined
        })
  )

/** Goes on for as long as the books are open. */
export const run: (options: CheckpointOptions) => Effect.Effect<never> = Effect.fnUntraced(function* (
  options: CheckpointOptions
) {
  const { entriesMax, lookMillis, millisMax } = options.times ?? defaultTimes
  const versionNow = Effect.orElseSucceed(options.version, () => 0)
  // Books with no more than their first entry are those that were just made.
  let last = (yield* versionNow) > 1 ? ((yield* counted(checkBooks(options))) ?? 0) : 0
  let lastAt = yield* Clock.currentTimeMillis
  while (true) {
    yield* Effect.sleep(lookMillis)
    const now = Math.round(yield* Clock.currentTimeMillis)
    const version = yield* versionNow
    const isDue = version >= last + entriesMax || (version > last && now - lastAt >= millisMax)
    if (!isDue) continue
    // After a failure it is tried again when the next one is due.
    last = (yield* counted(writeOne(options, now))) ?? version
    lastAt = now
  }
})
