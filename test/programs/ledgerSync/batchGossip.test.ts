import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { type Counter, type LabelsOf, ledgerSyncDropped, ledgerSyncEntries } from "../../../src/domain/metrics.ts"
import { batchesOf, type GossipBatch, gossipTopicOf } from "../../../src/programs/ledgerSync/batchGossip.ts"
import { batchMillis } from "../../../src/programs/ledgerSync/entryPublish.ts"
import {
  batchBytesMax,
  batchEntriesMax,
  batchKeyId,
  packedLength,
  sealBatch
} from "../../../src/protocol/ledgerBatch.ts"
import type { GossipMessage } from "../../../src/services/Gossip.ts"
import {
  connectAll,
  everythingOf,
  forge,
  groupKey,
  makeCoop,
  makeNode,
  pays,
  type SyncNode,
  until,
  untilAlike,
  worldTest
} from "../../fixtures/ledgerSyncNodes.ts"
import { makeRandom } from "../../fixtures/random.ts"

describe("batchesOf", () => {
  it("cuts entries into batches that fit, in order", () => {
    const random = makeRandom(3)
    for (const sizes of [
      [],
      [16_384],
      [16_384, 16_384, 16_384],
      Array.from({ length: 2000 }, () => random.below(600))
    ]) {
      const entries = sizes.map((length) => ({ body: random.bytes(length), signature: random.bytes(64) }))
      const batches = batchesOf(entries)
      assert.deepStrictEqual(batches.flat(), entries)
      for (const batch of batches) {
        assert.isAbove(batch.length, 0)
        assert.isAtMost(batch.length, batchEntriesMax)
        assert.isAtMost(
          batch.reduce((sum, one) => sum + packedLength(one), 0),
          batchBytesMax
        )
      }
      for (const [at, batch] of batches.entries()) {
        const next = batches[at + 1]?.[0]
        const bytes = batch.reduce((sum, one) => sum + packedLength(one), 0)
        if (next !== undefined && batch.length < batchEntriesMax) {
          assert.isAbove(bytes + packedLength(next), batchBytesMax)
        }
      }
    }
  })
})

/** What can be heard by somebody who knows the topic. */
const listening = Effect.fnUntraced(function* (node: SyncNode, coop: string) {
  const heard: Array<GossipMessage<GossipBatch>> = []
  const stream = yield* node.gossip.subscribe(gossipTopicOf(coop))
  yield* Effect.forkScoped(Stream.runForEach(stream, (message) => Effect.sync(() => heard.push(message))))
  return heard
})

/** Two running members and a stranger that listens, connected to both. */
const three = Effect.fnUntraced(function* (world: Parameters<Parameters<typeof worldTest>[1]>[0]) {
  const { info, nodes, steward } = yield* makeCoop(world, 2)
  const member = nodes[1] ?? steward
  const stranger = yield* makeNode(world, 9)
  const heard = yield* listening(stranger, info.id)
  for (const node of nodes) yield* node.start
  yield* connectAll([...nodes, stranger])
  yield* untilAlike(nodes)
  yield* Effect.sleep(3000)
  return { a: steward, b: member, stranger, heard, coop: info.id, nodes }
})

const count = <M extends Counter>(node: SyncNode, metric: M, labels: LabelsOf<M>) => node.metrics.value(metric, labels)
const dropped = (node: SyncNode, reason: LabelsOf<typeof ledgerSyncDropped>["reason"]) =>
  count(node, ledgerSyncDropped, { reason })

describe("gossip of entries", () => {
  worldTest("is on its way soon after the commit, several in one message, and never the entries of others", (world) =>
    Effect.gen(function* () {
      const { a, b, heard, nodes } = yield* three(world)
      const before = heard.length
      for (let payment = 0; payment < 10; payment++) yield* a.ledger.transfer({ to: b.account, amount: 1 })
      yield* Effect.sleep(batchMillis + 50)
      assert.strictEqual(heard.length, before + 1)
      assert.strictEqual(heard.at(-1)?.author.text, a.did.text)
      yield* until(
        Effect.map(b.ledger.balance(b.account), ([row]) => row?.posted === 10),
        500
      )
      assert.strictEqual(yield* count(b, ledgerSyncEntries, { direction: "received", way: "gossip" }), 10)
      // Then nothing but the other one's ack, from the other one.
      yield* Effect.sleep(20_000)
      assert.deepStrictEqual(
        heard.slice(before + 1).map(({ author }) => author.text),
        [b.did.text]
      )
      yield* untilAlike(nodes)
    })
  )

  worldTest("waits a little for somebody who hears it", (world) =>
    Effect.gen(function* () {
      const { nodes } = yield* makeCoop(world, 2)
      const [a, b] = nodes
      if (a === undefined || b === undefined) return
      yield* b.ledger.receive(yield* everythingOf(a.ledger), "each")
      for (const node of nodes) yield* node.start
      yield* until(Effect.map(a.sync.status, ({ ownChainChecked }) => ownChainChecked))
      yield* a.ledger.transfer({ to: b.account, amount: 1 })
      yield* Effect.sleep(1000)
      yield* connectAll(nodes)
      const heard = count(b, ledgerSyncEntries, { direction: "received", way: "gossip" })
      yield* until(
        Effect.map(heard, (entries) => entries === 1),
        3000
      )
    })
  )

  worldTest("tells a stranger who hears it nothing", (world) =>
    Effect.gen(function* () {
      const { a, b, coop, heard, stranger } = yield* three(world)
      yield* a.ledger.transfer({ to: b.account, amount: 1, memo: "a secret between two" })
      yield* until(Effect.sync(() => heard.length > 0))
      const bytes = Buffer.from(heard[0]?.message.sealed ?? "", "base64")
      assert.strictEqual(batchKeyId(bytes), groupKey("a").id)
      for (const secret of ["a secret between two", a.account, b.account, coop]) {
        assert.strictEqual(bytes.indexOf(secret), -1)
        if (/^[0-9a-f]{64}$/.test(secret)) assert.strictEqual(bytes.indexOf(Buffer.from(secret, "hex")), -1)
      }
      // Said again by the stranger, it is dropped.
      yield* stranger.gossip.publish(gossipTopicOf(coop), heard[0]?.message ?? { sealed: "" })
      yield* until(Effect.map(dropped(b, "foreign"), (drops) => drops === 1))
    })
  )

  worldTest("drops what it has no key for, what is not sealed as it says, and what is no batch", (world) =>
    Effect.gen(function* () {
      const { a, b, coop } = yield* three(world)
      const topic = gossipTopicOf(coop)
      const say = (bytes: Uint8Array) => a.gossip.publish(topic, { sealed: Buffer.from(bytes).toString("base64") })
      const batch = { kind: "entries", entries: [] } as const
      const salt = new Uint8Array(24).fill(7)
      const place = { topic: topic.name, author: a.account }
      yield* say(sealBatch(groupKey("x"), salt, place, batch))
      yield* say(sealBatch(groupKey("a"), salt, { ...place, author: b.account }, batch))
      yield* say(Uint8Array.of(1, 2, 3))
      yield* until(Effect.map(dropped(b, "malformed"), (drops) => drops === 1))
      assert.strictEqual(yield* dropped(b, "no_key"), 1)
      assert.strictEqual(yield* dropped(b, "bad_seal"), 1)
      // A member's own nonsense is counted by the ledger, and that is all.
      const unsigned = yield* forge(a, 2, { kind: "transfer" }, { legs: pays(b.account, a.account, 1) })
      const entries = [{ body: unsigned.body, signature: new Uint8Array(64) }]
      yield* say(sealBatch(groupKey("a"), new Uint8Array(24).fill(8), place, { kind: "entries", entries }))
      yield* Effect.sleep(2000)
      assert.strictEqual((yield* b.ledger.status).ownSeq, -1)
      assert.strictEqual((yield* a.ledger.transfer({ to: b.account, amount: 1 }))._tag, "Committed")
      yield* until(
        Effect.map(b.ledger.balance(b.account), ([row]) => row?.posted === 1),
        1000
      )
    })
  )

  worldTest("goes on with a new key, and reads what was sealed with the one before", (world) =>
    Effect.gen(function* () {
      const { a, b, heard, nodes } = yield* three(world)
      world.keys = [groupKey("b", 2), groupKey("a")]
      yield* a.ledger.transfer({ to: b.account, amount: 1 })
      yield* until(
        Effect.map(b.ledger.balance(b.account), ([row]) => row?.posted === 1),
        1000
      )
      assert.strictEqual(batchKeyId(Buffer.from(heard.at(-1)?.message.sealed ?? "", "base64")), groupKey("b").id)
      yield* untilAlike(nodes)
    })
  )
})
