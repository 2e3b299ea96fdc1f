/**
 * What a task does while this member's books cannot be written: it waits and tries again, and the other tasks go on. A
 * node with a full disk can still answer others, and catches up by itself once there is room.
 */
import { Cause, Effect } from "effect"
import { LedgerError } from "../../services/Ledger.ts"
import { report } from "../../services/Metrics.ts"

/** While others have more of the own chain, or too many requests wait. */
const retryMillis = 5000
/** While the store fails, of which each try is told. */
const storageRetryMillis = 30_000

const later = () => Effect.succeed(retryMillis)

/** How long to wait after a failure instead of the time that `effect` says. */
export const orLater = <R>(effect: Effect.Effect<number, LedgerError, R>) => {
  return Effect.catchReasons(effect, "LedgerError", {
    ChainBehind: later,
    LedgerBusy: later,
    LedgerStorageFailed: (reason) =>
      Effect.as(report("ledger_sync", Cause.fail(new LedgerError({ reason }))), storageRetryMillis)
  })
}
