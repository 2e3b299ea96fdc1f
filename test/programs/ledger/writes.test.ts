import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Result } from "effect"
import * as IdentityMemory from "../../../src/layers/IdentityMemory.ts"
import * as LedgerMemory from "../../../src/layers/LedgerMemory.ts"
import * as MetricsMemory from "../../../src/layers/MetricsMemory.ts"
import { write } from "../../../src/programs/ledger/writes.ts"
import { Identity } from "../../../src/services/Identity.ts"
import { didNumber } from "../../fixtures/dids.ts"

const ledgerOf = (key: number, awaitOwnChain: boolean) =>
  Effect.flatMap(IdentityMemory.make(Buffer.alloc(32, key)), (identity) =>
    Effect.provideService(LedgerMemory.make({ awaitOwnChain }), Identity, identity)
  )

const currency = (decimals: number) => ({ symbol: "hours", decimals, startingLimit: 10_000 })

describe("write", () => {
  it.effect("pays in no other cooperative than the one whose currencies it was told in", () =>
    Effect.gen(function* () {
      const own = yield* (yield* ledgerOf(1, false)).found({ name: "Own", currencies: [currency(2)] })
      const joined = yield* (yield* ledgerOf(2, false)).found({ name: "Joined", currencies: [currency(0)] })
      const ledger = yield* ledgerOf(1, true)
      yield* ledger.serve(own.genesis)
      const intent = { _tag: "Pay", to: didNumber(7), amount: "1.50", currency: null } as const
      const request = { intent, memo: "", idempotencyKey: "bread" }
      const paying = yield* Effect.forkChild(Effect.result(write(ledger, request)), { startImmediately: true })
      // Waits for the other members' answers; meanwhile this node joins others.
      yield* ledger.serve(joined.genesis)
      yield* ledger.ownChainChecked
      const result = yield* Fiber.join(paying)
      const error = Result.isFailure(result) ? result.failure : undefined
      assert.deepInclude(error?._tag === "LedgerError" ? error.reason : undefined, {
        _tag: "CooperativeChanged",
        expected: own.id,
        actual: joined.id
      })
      assert.include(error?.message, "nothing was written")
      assert.strictEqual(yield* ledger.journalVersion, 1)
    }).pipe(Effect.scoped, Effect.provide(MetricsMemory.layer))
  )
})
