import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as LedgerSyncMemory from "../../src/layers/LedgerSyncMemory.ts"
import { LedgerSync, type LedgerSyncStatus, nothingSynced } from "../../src/services/LedgerSync.ts"
import { didNumber } from "../fixtures/dids.ts"

describe("LedgerSyncMemory", () => {
  it.effect("shows what was told last, and nothing before", () =>
    Effect.gen(function* () {
      const sync = yield* LedgerSync
      assert.deepStrictEqual(yield* sync.status, nothingSynced)
      const status: LedgerSyncStatus = {
        coop: "ab".repeat(32),
        ownChainChecked: true,
        peers: [
          {
            did: didNumber(1),
            state: "current",
            exchangedAtMillis: 1,
            entries: 2,
            lacking: 0,
            received: 3,
            sent: 4,
            detail: ""
          }
        ]
      }
      yield* sync.tell(status)
      assert.deepStrictEqual(yield* sync.status, status)
    }).pipe(Effect.provide(LedgerSyncMemory.layer))
  )
})
