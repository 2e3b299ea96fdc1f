import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { ledgerForksDetected, ledgerSyncEntries } from "../../src/domain/metrics.ts"
import {
  admit,
  connectAll,
  forge,
  hostOf,
  makeCoop,
  makeNode,
  pays,
  type SyncNode,
  until,
  untilAlike,
  worldTest
} from "../fixtures/ledgerSyncNodes.ts"
import { makeRandom } from "../fixtures/random.ts"

const startAll = (nodes: ReadonlyArray<SyncNode>) => Effect.forEach(nodes, (node) => node.start)

/** Somebody pays somebody, as often as said, from all nodes at once; whatever is refused, is. */
const payAround = Effect.fnUntraced(function* (nodes: ReadonlyArray<SyncNode>, payments: number, seed: number) {
  const random = makeRandom(seed)
  const results = yield* Effect.forEach(
    nodes,
    (node) =>
      Effect.forEach(
        Array.from({ length: payments }, () => ({ to: random.pick(nodes), amount: 1 + random.below(3000) })),
        ({ amount, to }) =>
          to === node
            ? Effect.succeed("self")
            : Effect.map(
                Effect.andThen(Effect.sleep(random.below(400)), node.ledger.transfer({ to: to.account, amount })),
                ({ _tag }) => _tag
              )
      ),
    { concurrency: "unbounded" }
  )
  return results.flat()
})

const isSound = Effect.fnUntraced(function* ({ ledger }: SyncNode) {
  const report = yield* ledger.verify
  assert.deepStrictEqual(report.mismatches, [])
  assert.deepStrictEqual(report.sums, [0])
})

describe("ledgerSync", () => {
  worldTest("brings payments from one node to the other, which acks them", (world) =>
    Effect.gen(function* () {
      const { nodes } = yield* makeCoop(world, 2)
      const [a, b] = nodes
      if (a === undefined || b === undefined) return
      yield* startAll(nodes)
      yield* connectAll(nodes)
      yield* untilAlike(nodes)
      assert.strictEqual((yield* a.ledger.transfer({ to: b.account, amount: 150 }))._tag, "Committed")
      yield* until(Effect.map(b.ledger.balance(b.account), ([row]) => row?.posted === 150))
      yield* until(Effect.map(a.ledger.balance(b.account), ([row]) => row?.unacked === 0 && row.available === 10_150))
      yield* untilAlike(nodes)
      assert.lengthOf(yield* b.ledger.creditsToAck, 0)
    })
  )

  worldTest("ends in the same books on five nodes that all pay at once", (world) =>
    Effect.gen(function* () {
      const { nodes } = yield* makeCoop(world, 5, 5000)
      yield* startAll(nodes)
      yield* connectAll(nodes)
      yield* untilAlike(nodes)
      const results = yield* payAround(nodes, 20, 1)
      assert.isAbove(results.filter((tag) => tag === "Committed").length, 40)
      const state = yield* untilAlike(nodes)
      assert.deepStrictEqual(state?.forks, [])
      for (const node of nodes) yield* isSound(node)
      // Everything is acked in the end.
      yield* until(
        Effect.map(
          Effect.forEach(nodes, ({ ledger }) => ledger.creditsToAck),
          (all) => all.flat().length === 0
        )
      )
      yield* untilAlike(nodes)
    })
  )

  worldTest("brings a node up to date that was away, also with what it wrote there", (world) =>
    Effect.gen(function* () {
      const { nodes } = yield* makeCoop(world, 4)
      yield* startAll(nodes)
      yield* connectAll(nodes)
      yield* untilAlike(nodes)
      world.network.partition([hostOf(4)])
      yield* Effect.sleep(40_000)
      yield* payAround(nodes.slice(0, 3), 10, 2)
      const [away] = nodes.slice(3)
      if (away === undefined) return
      yield* away.ledger.transfer({ to: nodes[0]?.account ?? "", amount: 77 })
      yield* untilAlike(nodes.slice(0, 3))
      const before = yield* away.ledger.journalVersion
      assert.isBelow(before, (yield* nodes[0]?.ledger.journalVersion ?? Effect.succeed(0)) - 10)
      world.network.heal()
      yield* untilAlike(nodes, 300_000)
      for (const node of nodes) yield* isSound(node)
    })
  )

  worldTest("catches up with what gossip lost, without anybody paying again", (world) =>
    Effect.gen(function* () {
      const { nodes } = yield* makeCoop(world, 2)
      const [a, b] = nodes
      if (a === undefined || b === undefined) return
      yield* startAll(nodes)
      yield* connectAll(nodes)
      yield* untilAlike(nodes)
      yield* Effect.sleep(10_000)
      // Nothing can be published: as good as lost.
      const { keys } = world
      world.keys = []
      yield* a.ledger.transfer({ to: b.account, amount: 10 })
      yield* Effect.sleep(5000)
      world.keys = keys
      yield* untilAlike(nodes, 90_000)
      assert.strictEqual(yield* b.metrics.value(ledgerSyncEntries, { direction: "received", way: "gossip" }), 0)
    })
  )

  worldTest("asks for what is missing as soon as it shows", (world) =>
    Effect.gen(function* () {
      const { nodes } = yield* makeCoop(world, 2)
      const [a, b] = nodes
      if (a === undefined || b === undefined) return
      yield* startAll(nodes)
      yield* connectAll(nodes)
      yield* untilAlike(nodes)
      yield* Effect.sleep(10_000)
      const { keys } = world
      world.keys = []
      yield* a.ledger.transfer({ to: b.account, amount: 10 })
      yield* Effect.sleep(1000)
      world.keys = keys
      yield* a.ledger.transfer({ to: b.account, amount: 20 })
      yield* until(
        Effect.map(b.ledger.balance(b.account), ([row]) => row?.posted === 30),
        3000
      )
    })
  )

  worldTest("ends in the same books when somebody writes two chains, and what both pay for is passed on", (world) =>
    Effect.gen(function* () {
      const { nodes } = yield* makeCoop(world, 5)
      const [a, b, c, d, cheat] = nodes
      if (a === undefined || b === undefined || c === undefined || d === undefined || cheat === undefined) return
      // The cheat does not run a node of ours.
      const honest = [a, b, c, d]
      yield* startAll(honest)
      yield* connectAll(honest)
      yield* untilAlike(honest)
      const transfer = { kind: "transfer" } as const
      const toB = yield* forge(a, 5, transfer, { legs: pays(cheat.account, b.account, 9000) })
      const toC = yield* forge(a, 5, transfer, { legs: pays(cheat.account, c.account, 9000) })
      const onToC = yield* forge(a, 5, transfer, { legs: pays(cheat.account, c.account, 500) }, [toC])
      world.network.partition([hostOf(1), hostOf(2)], [hostOf(3), hostOf(4)])
      yield* Effect.sleep(40_000)
      yield* b.ledger.receive([toB], "each")
      yield* c.ledger.receive([toC, onToC], "each")
      // Both are acked where the other one is not known.
      yield* until(Effect.map(b.ledger.creditsToAck, (credits) => credits.length === 0))
      yield* until(Effect.map(c.ledger.creditsToAck, (credits) => credits.length === 0))
      yield* c.ledger.transfer({ to: d.account, amount: 8000 })
      yield* Effect.sleep(5000)
      world.network.heal()
      const state = yield* untilAlike(honest, 400_000)
      assert.deepStrictEqual(state?.forks, [`${cheat.account} 0`])
      for (const node of honest) {
        yield* isSound(node)
        assert.strictEqual((yield* node.ledger.balance(cheat.account))[0]?.posted, -18_500)
        assert.strictEqual(yield* node.metrics.value(ledgerForksDetected, {}), 1)
        assert.strictEqual((yield* node.ledger.status).quarantine.pending, 0)
      }
    })
  )

  worldTest("tells a fork to all within seconds, with the two entries that prove it", (world) =>
    Effect.gen(function* () {
      const { nodes } = yield* makeCoop(world, 4)
      const [a, b, c, cheat] = nodes
      if (a === undefined || b === undefined || c === undefined || cheat === undefined) return
      const honest = [a, b, c]
      yield* startAll(honest)
      yield* connectAll(honest)
      yield* untilAlike(honest)
      const transfer = { kind: "transfer" } as const
      const toB = yield* forge(a, 4, transfer, { legs: pays(cheat.account, b.account, 9000) })
      const toC = yield* forge(a, 4, transfer, { legs: pays(cheat.account, c.account, 9000) })
      const sent = () =>
        Effect.map(
          Effect.forEach(honest, ({ metrics }) =>
            metrics.value(ledgerSyncEntries, { direction: "sent", way: "gossip" })
          ),
          (counts) => counts.reduce((sum, count) => sum + count, 0)
        )
      const before = yield* sent()
      yield* a.ledger.receive([toB, toC], "each")
      yield* until(
        Effect.map(
          Effect.forEach(honest, ({ ledger }) => ledger.forks),
          (all) => all.every(({ length }) => length === 1)
        ),
        3000
      )
      yield* Effect.sleep(10_000)
      assert.strictEqual((yield* sent()) - before, 2)
      yield* untilAlike(honest)
    })
  )

  worldTest("lets somebody in who knows the steward only, and all others by what he tells", (world) =>
    Effect.gen(function* () {
      const { info, nodes, steward } = yield* makeCoop(world, 3)
      yield* startAll(nodes)
      yield* connectAll(nodes)
      yield* payAround(nodes, 5, 3)
      yield* untilAlike(nodes)
      const newcomer = yield* makeNode(world, 4)
      yield* newcomer.start
      yield* newcomer.connect(steward)
      yield* admit(steward, info, newcomer)
      const all = [...nodes, newcomer]
      yield* untilAlike(all)
      for (const node of nodes.slice(1)) yield* newcomer.connect(node)
      yield* newcomer.ledger.transfer({ to: nodes[1]?.account ?? "", amount: 5 })
      yield* untilAlike(all)
      const { ownChainChecked, peers } = yield* newcomer.sync.status
      assert.isTrue(ownChainChecked)
      assert.lengthOf(peers, 3)
      const [ofSteward] = peers.filter(({ did }) => did.text === steward.did.text)
      assert.deepStrictEqual([ofSteward?.state, ofSteward?.lacking, ofSteward?.detail], ["current", 0, ""])
      const [ofNewcomer] = (yield* steward.sync.status).peers.filter(({ did }) => did.text === newcomer.did.text)
      assert.isAbove(ofSteward?.received ?? 0, 0)
      assert.strictEqual(ofNewcomer?.sent, ofSteward?.received)
    })
  )

  worldTest("changes over to another cooperative when that is served", (world) =>
    Effect.gen(function* () {
      const { info, nodes, steward } = yield* makeCoop(world, 2)
      yield* startAll(nodes)
      yield* connectAll(nodes)
      const loner = yield* makeNode(world, 9)
      yield* loner.start
      assert.isUndefined((yield* loner.sync.status).coop)
      const own = yield* loner.ledger.ensureCooperative
      yield* until(Effect.map(loner.sync.status, ({ coop }) => coop === own.id))
      yield* loner.connect(steward)
      yield* admit(steward, info, loner)
      yield* until(Effect.map(loner.sync.status, ({ coop }) => coop === info.id))
      yield* untilAlike([...nodes, loner])
    })
  )
})
