import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, type Scope } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as IdentityMemory from "../../src/layers/IdentityMemory.ts"
import * as LedgerMemory from "../../src/layers/LedgerMemory.ts"
import * as LedgerSqlite from "../../src/layers/LedgerSqlite.ts"
import { DataDirectory } from "../../src/services/DataDirectory.ts"
import { Identity } from "../../src/services/Identity.ts"
import { type AnyLedger, catchUp, committed, cooperativeOf, pay } from "../fixtures/ledgerPeople.ts"

describe("LedgerSqlite", () => {
  it.live("begins lost books again with their first entry, and gets the others from other members", () =>
    Effect.gen(function* () {
      const path = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "icn-ledger-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true }))
      )
      const identity = yield* IdentityMemory.make()
      const inFiles: Effect.Effect<AnyLedger, unknown, Scope.Scope> = LedgerSqlite.make().pipe(
        Effect.provideService(Identity, identity),
        Effect.provideService(DataDirectory, { path, lock: Effect.void })
      )
      const founder = yield* Effect.provideService(LedgerMemory.make(), Identity, yield* IdentityMemory.make())
      const coop = yield* Effect.scoped(
        Effect.gen(function* () {
          const ledger = yield* inFiles
          const coop = yield* cooperativeOf(founder, ledger)
          yield* pay(ledger, founder, 5)
          yield* catchUp(founder, ledger)
          return coop
        })
      )
      rmSync(join(path, "ledger", coop), { recursive: true })
      const again = yield* inFiles
      assert.strictEqual(Option.getOrThrow(yield* again.cooperative).id, coop)
      assert.strictEqual(yield* again.journalVersion, 1)
      yield* catchUp(again, founder)
      assert.deepStrictEqual(yield* again.balances, yield* founder.balances)
      committed(yield* again.transfer({ to: founder.account, amount: 6 }))
      assert.deepStrictEqual(yield* again.forks, [])
    })
  )
})
