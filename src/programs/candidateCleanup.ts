/**
 * The `candidate_cleanup` actor: drops candidates that no longer hold, every `candidate_cleanup_interval_secs`. They
 * are never given out after their time anyway; this frees their place.
 */
import { type Duration, Effect } from "effect"
import { PeerBook } from "../services/PeerBook.ts"

export const candidateCleanup = (interval: Duration.Duration) =>
  Effect.fnUntraced(function* (ready: Effect.Effect<void>) {
    const book = yield* PeerBook
    yield* ready
    while (true) {
      yield* Effect.sleep(interval)
      const removed = yield* book.removeExpired
      if (removed > 0) yield* Effect.logDebug(`dropped ${removed} expired candidates`)
    }
  })
