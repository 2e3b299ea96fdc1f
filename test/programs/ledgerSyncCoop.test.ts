import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { ledgerSyncDropped, ledgerSyncExchanges } from "../../src/domain/metrics.ts"
import * as CooperativeMemory from "../../src/layers/CooperativeMemory.ts"
import { makeNode, until, untilAlike, type World, worldTest } from "../fixtures/ledgerSyncNodes.ts"

const founderAnd = Effect.fnUntraced(function* (world: World, others: number) {
  const nodes = yield* Effect.forEach(
    Array.from({ length: others + 1 }, (_, at) => at + 1),
    (number) => makeNode(world, number, CooperativeMemory.layer())
  )
  const [founder, ...joining] = nodes
  if (founder === undefined) return yield* Effect.die("nobody")
  for (const node of nodes) yield* node.start
  const { text } = yield* founder.cooperative.invite({ uses: others })
  for (const node of joining) yield* node.cooperative.join(text)
  return { nodes, founder, joining }
})

describe("ledgerSync in a cooperative that members join", () => {
  worldTest("has paid and been paid from the first minute on", (world) =>
    Effect.gen(function* () {
      const { founder, joining, nodes } = yield* founderAnd(world, 2)
      const [b, c] = joining
      if (b === undefined || c === undefined) return
      yield* untilAlike(nodes, 10_000)
      yield* b.connect(c)
      assert.strictEqual((yield* b.ledger.transfer({ to: c.account, amount: 250 }))._tag, "Committed")
      assert.strictEqual((yield* c.ledger.transfer({ to: founder.account, amount: 50 }))._tag, "Committed")
      assert.strictEqual((yield* founder.ledger.transfer({ to: b.account, amount: 1 }))._tag, "Committed")
      const state = yield* untilAlike(nodes, 10_000)
      assert.deepStrictEqual(
        state?.balances.map(({ posted }) => posted).toSorted((one, other) => one - other),
        [-249, 49, 200]
      )
      yield* until(
        Effect.map(
          Effect.forEach(nodes, ({ ledger }) => ledger.creditsToAck),
          (all) => all.flat().length === 0
        ),
        10_000
      )
    })
  )

  worldTest("goes on without somebody who was excluded, who gets nothing more", (world) =>
    Effect.gen(function* () {
      const { founder, joining, nodes } = yield* founderAnd(world, 2)
      const [b, c] = joining
      if (b === undefined || c === undefined) return
      yield* untilAlike(nodes, 10_000)
      yield* b.connect(c)
      yield* founder.cooperative.exclude(c.did)
      yield* until(
        Effect.map(b.cooperative.isAdmitted(c.did), (admitted) => !admitted),
        20_000
      )
      yield* Effect.sleep(5000)
      const before = yield* c.ledger.journalVersion
      yield* founder.ledger.transfer({ to: b.account, amount: 7 })
      yield* untilAlike([founder, b], 10_000)
      yield* Effect.sleep(120_000)
      // Nor is what the excluded one writes taken from him any more.
      assert.isAtMost(yield* c.ledger.journalVersion, before)
      const refused = yield* founder.metrics.value(ledgerSyncExchanges, { role: "answerer", result: "refused" })
      const dropped = yield* c.metrics.value(ledgerSyncDropped, { reason: "no_key" })
      assert.isAbove(refused + dropped, 0)
    })
  )
})
