/**
 * The ledger phase: the cooperative's books and the cooperative around them, and the actors that keep them like those
 * of the other members. Books that cannot be opened stop the start: a node that would lose or fork them is worse than
 * none.
 */
import { Context, Effect, Layer, Option } from "effect"
import { Cooperative, type CooperativeFailure } from "../../services/Cooperative.ts"
import type { DataDirectory } from "../../services/DataDirectory.ts"
import type { Identity } from "../../services/Identity.ts"
import type { Ledger } from "../../services/Ledger.ts"
import type { LedgerSync } from "../../services/LedgerSync.ts"
import type { NodeConfig } from "../../services/NodeConfig.ts"
import { ledgerMetrics } from "../ledgerMetrics.ts"
import { ledgerSync } from "../ledgerSync.ts"
import type { Actors } from "./actors.ts"
import type { Network } from "./initNetwork.ts"

/** What the node has of its cooperative. */
export type Books = Ledger | LedgerSync | Cooperative

/** The layers of this phase. */
export interface LedgerParts {
  readonly ledger: Layer.Layer<Books, CooperativeFailure, NodeConfig | DataDirectory | Identity | Network>
}

export const startLedger = Effect.fnUntraced(function* (actors: Actors, parts: LedgerParts) {
  const books = yield* Layer.build(parts.ledger)
  yield* actors.spawn("ledger_sync", (ready) => ledgerSync(ready).pipe(Effect.provideContext(books)))
  yield* actors.spawn("ledger_metrics", (ready) => ledgerMetrics(ready).pipe(Effect.provideContext(books)))
  const cooperative = yield* Context.get(books, Cooperative).info
  const detail = Option.match(cooperative, {
    onNone: () => "no cooperative yet",
    onSome: ({ id, name }) => `${name} (${id.slice(0, 8)})`
  })
  return { books, detail }
})
