import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { TestClock } from "effect/testing"
import * as SessionMemory from "../../src/layers/SessionMemory.ts"
import { connectAll, makeCoop, makeWorld, untilAlike, type World } from "../fixtures/ledgerSyncNodes.ts"
import { startMillis } from "../fixtures/gossipWorld.ts"
import { inVirtualTime } from "../fixtures/virtualTime.ts"

const worldTest = (name: string, body: (world: World) => Effect.Effect<void, unknown, Scope.Scope>): void =>
  it.effect(name, () =>
    Effect.andThen(
      TestClock.setTime(startMillis),
      inVirtualTime(
        Effect.scoped(
          Effect.flatMap(SessionMemory.makeNetwork({ latencyMillis: 3, jitterMillis: 2, loss: 0.02 }, 11), (network) =>
            body(makeWorld(network))
          )
        )
      )
    )
  )

describe("ledgerSync", () => {
  worldTest("brings a payment from one node to the other", (world) =>
    Effect.gen(function* () {
      const { nodes } = yield* makeCoop(world, 2)
      const [a, b] = nodes
      if (a === undefined || b === undefined) return
      for (const node of nodes) yield* node.start
      yield* connectAll(nodes)
      yield* untilAlike(nodes)
      assert.strictEqual((yield* a.ledger.transfer({ to: b.account, amount: 150 }))._tag, "Committed")
      yield* untilAlike(nodes)
      const [row] = yield* b.ledger.balance(b.account)
      assert.strictEqual(row?.posted, 150)
    })
  )
})
