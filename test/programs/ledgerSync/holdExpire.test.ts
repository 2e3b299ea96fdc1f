import { assert, describe } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { makeCoop, makeNode, type SyncNode, worldTest } from "../../fixtures/ledgerSyncNodes.ts"

const held = ({ account, ledger }: SyncNode) => Effect.map(ledger.balance(account), ([row]) => row?.held ?? 0)

describe("holdExpire", () => {
  worldTest("voids each hold when its time is over, and not before", (world) =>
    Effect.gen(function* () {
      const { steward } = yield* makeCoop(world, 1)
      yield* steward.start
      const payee = (yield* makeNode(world, 5)).account
      const now = yield* Clock.currentTimeMillis
      for (const [amount, millis] of [
        [10, 200_000],
        [1, 5000],
        [100, 5000]
      ] as const) {
        const written = yield* steward.ledger.hold({ to: payee, amount, expiresAtMillis: now + millis })
        assert.strictEqual(written._tag, "Committed")
      }
      assert.strictEqual(yield* held(steward), 111)
      yield* Effect.sleep(4900)
      assert.strictEqual(yield* held(steward), 111)
      yield* Effect.sleep(300)
      assert.strictEqual(yield* held(steward), 10)
      yield* Effect.sleep(194_000)
      assert.strictEqual(yield* held(steward), 10)
      yield* Effect.sleep(1500)
      assert.strictEqual(yield* held(steward), 0)
    })
  )

  worldTest("voids at the start what ran out while the node was down, once", (world) =>
    Effect.gen(function* () {
      const { steward } = yield* makeCoop(world, 1)
      const payee = (yield* makeNode(world, 5)).account
      const now = yield* Clock.currentTimeMillis
      // Founding opens the ledger, so that this is written without a running exchange.
      yield* steward.ledger.hold({ to: payee, amount: 10, expiresAtMillis: now + 1000 })
      yield* Effect.sleep(60_000)
      assert.strictEqual(yield* held(steward), 10)
      yield* steward.start
      yield* Effect.sleep(500)
      assert.strictEqual(yield* held(steward), 0)
      const before = yield* steward.ledger.journalVersion
      yield* Effect.sleep(130_000)
      assert.strictEqual(yield* steward.ledger.journalVersion, before)
    })
  )

  worldTest("leaves alone what was paid in time", (world) =>
    Effect.gen(function* () {
      const { steward } = yield* makeCoop(world, 1)
      yield* steward.start
      const payee = (yield* makeNode(world, 5)).account
      const expiresAtMillis = (yield* Clock.currentTimeMillis) + 2000
      const written = yield* steward.ledger.hold({ to: payee, amount: 10, expiresAtMillis })
      if (written._tag !== "Committed") return yield* Effect.die(written)
      yield* steward.ledger.post(written.entryId)
      const before = yield* steward.ledger.journalVersion
      yield* Effect.sleep(70_000)
      assert.strictEqual(yield* steward.ledger.journalVersion, before)
      assert.strictEqual((yield* steward.ledger.balance(payee))[0]?.posted, 10)
    })
  )
})
