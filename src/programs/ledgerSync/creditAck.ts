/**
 * Acks what this member received, some seconds after it came and all of it together, unless a payment has done so in
 * passing: what is acked is his, whatever its payer may turn out to have written besides.
 */
import { Effect } from "effect"
import { Ledger } from "../../services/Ledger.ts"
import { signalOrMillis, type Signals } from "./signals.ts"
import { orLater } from "./trouble.ts"

/** What comes within this time is acked by one entry. */
export const ackMillis = 2000
/** Credits whose signatures were still to be verified are looked for again. */
const lookMillis = 30_000

export const creditAck = Effect.fn("LedgerSync.creditAck")(function* ({ credit }: Signals) {
  const ledger = yield* Ledger
  /** Acks as many as fit into one entry; says whether there may be more. */
  const ack = Effect.gen(function* () {
    if ((yield* ledger.creditsToAck).length === 0) return false
    const written = yield* ledger.append({ kind: "ack" })
    return written._tag === "Committed"
  })
  const ackAll: Effect.Effect<number, Effect.Error<typeof ack>> = Effect.flatMap(ack, (more) =>
    more ? ackAll : Effect.succeed(lookMillis)
  )
  let waitMillis = 0
  for (;;) {
    yield* signalOrMillis(credit, waitMillis)
    yield* Effect.sleep(ackMillis)
    waitMillis = yield* orLater(ackAll)
  }
})
