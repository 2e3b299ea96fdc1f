/** Members whose books are gone, or so old that they show nobody who could be asked: docs/ledger.md, Between nodes. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { coopHash, encodeAsker, ledgerSyncProtocol } from "../../../src/protocol/ledgerSync.ts"
import {
  connectAll,
  forge,
  makeCoop,
  makeNode,
  type SyncNode,
  until,
  untilAlike,
  type World,
  worldTest
} from "../../fixtures/ledgerSyncNodes.ts"

/** Three members who have paid each other; the one with this number has stopped, and is there again without books. */
const lost = Effect.fnUntraced(function* (world: World, number: number) {
  const { info, nodes } = yield* makeCoop(world, 3)
  const [a, b, c] = nodes
  if (a === undefined || b === undefined || c === undefined) return yield* Effect.die("nobody")
  for (const node of nodes) yield* node.start
  yield* connectAll(nodes)
  yield* untilAlike(nodes)
  for (const [from, to] of [
    [a, b],
    [b, c],
    [c, a]
  ] as const) {
    yield* from.ledger.transfer({ to: to.account, amount: 5 })
  }
  yield* until(
    Effect.map(
      Effect.forEach(nodes, ({ ledger }) => ledger.creditsToAck),
      (all) => all.flat().length === 0
    )
  )
  yield* untilAlike(nodes)
  const before = (yield* (nodes[number - 1] ?? a).ledger.status).ownSeq
  yield* (nodes[number - 1] ?? a).stop
  yield* Effect.sleep(1000)
  const again = yield* makeNode(world, number)
  yield* again.ledger.serve(info.genesis)
  return { a, b, c, again, before }
})

/** Pays as soon as it may. */
const payWhenAllowed = (from: SyncNode, to: SyncNode) =>
  from.ledger.transfer({ to: to.account, amount: 7 }).pipe(
    Effect.catchReason("LedgerError", "ChainBehind", () => Effect.andThen(Effect.sleep(100), Effect.succeed(null))),
    Effect.repeat({ until: (outcome) => outcome !== null })
  )

describe("lost books", () => {
  worldTest("are not asked for from who brings the word of somebody who is no steward", (world) =>
    Effect.gen(function* () {
      const { again, b } = yield* lost(world, 1)
      yield* again.start
      const stranger = yield* makeNode(world, 9)
      const word = yield* forge(b, 2, { kind: "member", account: stranger.account })
      const pays = yield* forge(b, 2, { kind: "ack" }, { acks: [] })
      yield* stranger.connect(again)
      const version = (yield* again.ledger.status).quarantine.entries
      for (const entry of [word, pays]) {
        const stream = yield* stranger.manager.open(again.did, ledgerSyncProtocol)
        const coop = coopHash((yield* again.ledger.ensureCooperative).id)
        yield* stream.send(encodeAsker({ _tag: "Hello", coop, entries: 9, membership: [entry] }))
        yield* stream.receive
      }
      yield* Effect.sleep(10_000)
      assert.deepStrictEqual((yield* again.sync.status).peers, [])
      assert.strictEqual((yield* again.ledger.status).quarantine.entries, version)
    })
  )

  worldTest("come back to a founder before he writes, from a member whom he does not know any more", (world) =>
    Effect.gen(function* () {
      const { again, b, before, c } = yield* lost(world, 1)
      // Somebody whom he has met, and whose membership is not the first thing that he wrote.
      yield* again.book.learn(c.did, yield* c.manager.listening, "config")
      yield* again.start
      yield* Effect.forkChild(again.connect(c))
      assert.strictEqual((yield* payWhenAllowed(again, c))?._tag, "Committed")
      assert.isAbove((yield* again.ledger.status).ownSeq, before)
      const state = yield* untilAlike([again, b, c])
      assert.deepStrictEqual(state?.forks, [])
    })
  )

  worldTest("come back to a founder whom somebody finds later", (world) =>
    Effect.gen(function* () {
      const { again, b, before, c } = yield* lost(world, 1)
      yield* again.start
      yield* Effect.sleep(30_000)
      yield* c.connect(again)
      yield* until(
        Effect.map(again.ledger.status, ({ ownSeq }) => ownSeq >= before),
        30_000
      )
      assert.deepStrictEqual((yield* untilAlike([again, b, c]))?.forks, [])
      yield* until(Effect.map(again.sync.status, ({ peers }) => peers[0]?.state === "current"))
      assert.strictEqual((yield* again.sync.status).peers[0]?.did.text, c.did.text)
    })
  )

  worldTest("come back to a member from another one, without a steward", (world) =>
    Effect.gen(function* () {
      const { a, again, before, c } = yield* lost(world, 2)
      yield* a.stop
      yield* again.start
      yield* again.connect(c)
      yield* until(
        Effect.map(again.ledger.status, ({ ownSeq }) => ownSeq >= before),
        30_000
      )
      assert.strictEqual((yield* payWhenAllowed(again, c))?._tag, "Committed")
      assert.deepStrictEqual((yield* untilAlike([again, c]))?.forks, [])
    })
  )
})
