import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { ledgerSync } from "../../../src/programs/ledgerSync.ts"
import { Ledger, LedgerError, LedgerStorageFailed } from "../../../src/services/Ledger.ts"
import { connectAll, makeCoop, until, untilAlike, worldTest } from "../../fixtures/ledgerSyncNodes.ts"

describe("a disk that is full for a while", () => {
  worldTest("keeps a node neither from answering others nor from catching up later", (world) =>
    Effect.gen(function* () {
      const { nodes } = yield* makeCoop(world, 3)
      const [a, b, c] = nodes
      if (a === undefined || b === undefined || c === undefined) return
      let isFull = false
      let failed = 0
      const reason = new LedgerStorageFailed({ path: "/somewhere", reason: "full", detail: "no space left" })
      const ifRoom = <A, R>(effect: Effect.Effect<A, LedgerError, R>) =>
        Effect.suspend(() => {
          if (!isFull) return effect
          failed++
          return Effect.fail(new LedgerError({ reason }))
        })
      const small: Ledger["Service"] = {
        ...b.ledger,
        append: (...args) => ifRoom(b.ledger.append(...args)),
        void: (...args) => ifRoom(b.ledger.void(...args)),
        receive: (...args) => ifRoom(b.ledger.receive(...args))
      }
      let ended = false
      yield* ledgerSync(Effect.void).pipe(
        Effect.provideService(Ledger, small),
        Effect.provide(b.context),
        Effect.scoped,
        Effect.ensuring(Effect.sync(() => (ended = true))),
        Effect.forkScoped({ startImmediately: true })
      )
      yield* a.start
      yield* a.connect(b)
      yield* untilAlike([a, b])
      yield* a.ledger.transfer({ to: b.account, amount: 5 })
      yield* until(Effect.map(b.ledger.creditsToAck, ({ length }) => length === 1))
      isFull = true
      for (let payment = 0; payment < 3; payment++) {
        yield* Effect.sleep(2000)
        yield* a.ledger.transfer({ to: b.account, amount: 5 })
      }
      yield* Effect.sleep(100_000)
      assert.isAtLeast(failed, 3)
      assert.isFalse(ended)
      // Somebody new gets all that is here.
      yield* c.start
      yield* c.connect(b)
      yield* until(Effect.map(c.ledger.balance(b.account), ([row]) => row?.posted === 5))
      isFull = false
      yield* connectAll([a, c])
      yield* untilAlike(nodes, 400_000)
      yield* until(Effect.map(b.ledger.creditsToAck, ({ length }) => length === 0))
      assert.isFalse(ended)
    })
  )
})
