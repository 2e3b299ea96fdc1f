import { it } from "@effect/vitest"
import { createHash } from "node:crypto"
import { Effect } from "effect"
import * as IdentityMemory from "../../src/layers/IdentityMemory.ts"
import * as LedgerSqlite from "../../src/layers/LedgerSqlite.ts"
import { Identity } from "../../src/services/Identity.ts"
import { DataDirectory } from "../../src/services/DataDirectory.ts"
import { ledgerContract } from "../contract/Ledger.ts"
import { temporaryDirectory } from "../fixtures/temporaryDirectory.ts"

const seedOf = (name: string) => createHash("sha256").update(name).digest()

ledgerContract("LedgerSqlite", {
  ledger: (name, options) =>
    Effect.gen(function* () {
      const identity = yield* IdentityMemory.make(seedOf(name))
      const path = yield* temporaryDirectory
      return yield* LedgerSqlite.make(options).pipe(
        Effect.provideService(Identity, identity),
        Effect.provideService(DataDirectory, { path, lock: Effect.void })
      )
    }),
  test: (name, body) => it.live(name, () => Effect.scoped(body))
})
