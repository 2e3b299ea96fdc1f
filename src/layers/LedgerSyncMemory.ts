/**
 * What was last said of the exchange of ledgers, in memory: nothing of it would be true after a restart.
 */
import { Effect, Layer, Ref } from "effect"
import { LedgerSync, type LedgerSyncStatus, nothingSynced } from "../services/LedgerSync.ts"

export const layer: Layer.Layer<LedgerSync> = Layer.effect(
  LedgerSync,
  Effect.map(Ref.make<LedgerSyncStatus>(nothingSynced), (told) =>
    LedgerSync.of({ status: Ref.get(told), tell: (status) => Ref.set(told, status) })
  )
)
