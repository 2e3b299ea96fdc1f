/** Frees what this member set aside when its time is over: only the payer's own node can. */
import { Clock, Effect } from "effect"
import type { EntryId } from "../../domain/ledgerEntry.ts"
import { Ledger } from "../../services/Ledger.ts"
import { signalOrMillis, type Signals } from "./signals.ts"
import { orLater } from "./trouble.ts"

/** Looked at again without a reason, so that a clock that was set is noticed. */
const lookMillis = 60_000

export const holdExpire = Effect.fn("LedgerSync.holdExpire")(function* ({ hold }: Signals) {
  const ledger = yield* Ledger
  // The same key each time: whatever became of the last try, a hold is voided once.
  const expire = (id: EntryId) => ledger.void(id, { idempotencyKey: `expire ${id}`, memo: "expired" })
  /** Voids what is due, and says how long nothing will be. */
  const look = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    let waitMillis = lookMillis
    for (const { expiresAtMillis, id } of yield* ledger.openHolds) {
      if (expiresAtMillis <= now) yield* expire(id)
      else waitMillis = Math.min(waitMillis, expiresAtMillis - now)
    }
    return Math.ceil(waitMillis)
  })
  for (;;) {
    yield* signalOrMillis(hold, yield* orLater(look))
  }
})
