import { it } from "@effect/vitest"
import { createHash } from "node:crypto"
import { Effect } from "effect"
import * as IdentityMemory from "../../src/layers/IdentityMemory.ts"
import * as LedgerMemory from "../../src/layers/LedgerMemory.ts"
import { Identity } from "../../src/services/Identity.ts"
import { ledgerContract } from "../contract/Ledger.ts"

/** The seed of `keyOf(name)` in test/fixtures/ledgerEntries.ts. */
const seedOf = (name: string) => createHash("sha256").update(name).digest()

ledgerContract("LedgerMemory", {
  ledger: (name, options) =>
    Effect.flatMap(IdentityMemory.make(seedOf(name)), (identity) =>
      Effect.provideService(LedgerMemory.make(options), Identity, identity)
    ),
  test: (name, body) => it.effect(name, () => Effect.scoped(body))
})
