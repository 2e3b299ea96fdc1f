import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { ackMillis } from "../../../src/programs/ledgerSync/creditAck.ts"
import {
  connectAll,
  forge,
  makeCoop,
  pays,
  type SyncNode,
  until,
  untilAlike,
  worldTest
} from "../../fixtures/ledgerSyncNodes.ts"

const acksOf = ({ account, ledger }: SyncNode) =>
  Effect.map(ledger.history({ max: 1000 }), (entries) =>
    entries.filter(({ entry }) => entry.author === account && entry.acks.length > 0)
  )

const running = Effect.fnUntraced(function* (world: Parameters<Parameters<typeof worldTest>[1]>[0], size: number) {
  const { nodes, steward } = yield* makeCoop(world, size)
  const [, member = steward, third = steward] = nodes
  for (const node of nodes.slice(0, 2)) yield* node.start
  yield* connectAll(nodes.slice(0, 2))
  yield* untilAlike(nodes.slice(0, 2))
  return { a: steward, b: member, cheat: third }
})

describe("creditAck", () => {
  worldTest("acks what came within two seconds by one entry", (world) =>
    Effect.gen(function* () {
      const { a, b } = yield* running(world, 2)
      for (let payment = 0; payment < 5; payment++) {
        yield* a.ledger.transfer({ to: b.account, amount: 10 })
        yield* Effect.sleep(250)
      }
      assert.lengthOf(yield* acksOf(b), 0)
      yield* Effect.sleep(ackMillis)
      const acks = yield* acksOf(b)
      assert.lengthOf(acks, 1)
      assert.lengthOf(acks[0]?.entry.acks ?? [], 5)
      yield* Effect.sleep(120_000)
      assert.lengthOf(yield* acksOf(b), 1)
    })
  )

  worldTest("writes nothing when a payment has acked in passing", (world) =>
    Effect.gen(function* () {
      const { a, b } = yield* running(world, 2)
      yield* a.ledger.transfer({ to: b.account, amount: 10 })
      yield* until(Effect.map(b.ledger.creditsToAck, ({ length }) => length === 1))
      yield* b.ledger.transfer({ to: a.account, amount: 1 })
      yield* Effect.sleep(10_000)
      assert.deepStrictEqual(
        (yield* acksOf(b)).map(({ entry }) => entry.kind),
        ["transfer"]
      )
    })
  )

  worldTest("acks more than fits into one entry by several", (world) =>
    Effect.gen(function* () {
      const { a, b } = yield* running(world, 2)
      for (let payment = 0; payment < 300; payment++) yield* a.ledger.transfer({ to: b.account, amount: 1 })
      yield* until(Effect.map(b.ledger.balance(b.account), ([row]) => row?.posted === 300))
      yield* until(Effect.map(b.ledger.creditsToAck, ({ length }) => length === 0))
      assert.isAtLeast((yield* acksOf(b)).length, 2)
    })
  )

  worldTest("acks nothing of somebody who is known to have forked", (world) =>
    Effect.gen(function* () {
      const { a, b, cheat } = yield* running(world, 3)
      const transfer = { kind: "transfer" } as const
      const one = yield* forge(a, 3, transfer, { legs: pays(cheat.account, b.account, 10) })
      const other = yield* forge(a, 3, transfer, { legs: pays(cheat.account, a.account, 20) })
      yield* b.ledger.receive([one, other], "each")
      yield* Effect.sleep(60_000)
      assert.lengthOf(yield* acksOf(b), 0)
      assert.lengthOf(yield* acksOf(a), 0)
    })
  )
})
