import { assert, describe } from "@effect/vitest"
import { Context, Effect, Layer, Result, Schema, Scope, Stream } from "effect"
import { frame } from "../../src/domain/ed25519.ts"
import * as Metric from "../../src/domain/metrics.ts"
import type { Counter, Gauge, Labels } from "../../src/domain/metrics.ts"
import {
  decodeFloodFrame,
  encodeFloodMessage,
  encodeTopics,
  floodSignedBytes,
  gossipProtocol
} from "../../src/protocol/gossipFlood.ts"
import type { GossipTopic } from "../../src/services/Gossip.ts"
import { SessionManager } from "../../src/services/SessionManager.ts"
import { gossipContract } from "../contract/Gossip.ts"
import { listen, neighbours, notes, type GossipRogue, until } from "../fixtures/gossipNotes.ts"
import { directory, type Network, node, seedOf, sessions } from "../fixtures/gossipMemory.ts"
import { didNumber, keyNumber } from "../fixtures/dids.ts"
import { worldTest } from "../fixtures/gossipWorld.ts"

const rogue = (network: Network) =>
  Effect.fnUntraced(function* (number: number) {
    const scope = yield* Effect.scope
    const context = yield* Layer.buildWithScope(sessions(network, seedOf(number)), scope)
    const manager = Context.get(context, SessionManager)
    directory.set(manager.did.text, manager)
    const received: Array<Uint8Array> = []
    yield* manager.handle(gossipProtocol, (stream) =>
      Effect.ignore(Stream.runForEach(stream.frames, (bytes) => Effect.sync(() => received.push(bytes))))
    )
    const streams = new Map<string, Effect.Success<ReturnType<typeof manager.open>>>()
    const broadcast = Effect.fnUntraced(function* (bytes: Uint8Array) {
      // What is sent to nobody would test nothing.
      yield* until(Effect.map(manager.sessions, (sessions) => sessions.length > 0))
      for (const { did } of yield* manager.sessions) {
        const stream = streams.get(did.text) ?? (yield* Scope.provide(manager.open(did, gossipProtocol), scope))
        streams.set(did.text, stream)
        yield* stream.send(bytes)
      }
    })
    const made: GossipRogue = {
      did: manager.did,
      wants: (topics) => broadcast(encodeTopics(topics)),
      send: ({ author, envelope, signer, topic }) =>
        broadcast(
          encodeFloodMessage({
            topic,
            author: author.publicKey,
            signature: signer.sign(frame("icn-node/gossip/v1", floodSignedBytes(topic, envelope))),
            envelope
          })
        ),
      sendGarbage: Effect.andThen(broadcast(Uint8Array.of(77)), broadcast(new Uint8Array(300_000).fill(2))),
      replay: Effect.gen(function* () {
        const messages = received.filter((bytes) => bytes[0] === 2)
        for (const bytes of messages) yield* broadcast(bytes)
        return messages.length
      }),
      received: () =>
        received.flatMap((bytes) => {
          const decoded = Result.getOrThrow(decodeFloodFrame(bytes))
          return decoded._tag === "Message" ? [decoded.message.envelope] : []
        })
    }
    return made
  })

let current: Network | undefined
const present = Effect.suspend(() =>
  current === undefined ? Effect.die(new Error("no network")) : Effect.succeed(current)
)

gossipContract("GossipMemory", {
  node: (seed) => Effect.flatMap(present, (network) => node(network, seed)),
  rogue: (number) => Effect.flatMap(present, (network) => rogue(network)(number)),
  test: (name, body) =>
    worldTest(name, (network) =>
      Effect.suspend(() => {
        current = network
        return body
      })
    )
})

describe("GossipMemory", () => {
  worldTest("counts what it sends, delivers, ignores and rejects, by topic and reason", (network) =>
    Effect.gen(function* () {
      const [a, b] = [yield* node(network), yield* node(network)]
      const r = yield* rogue(network)(666)
      const candidates: GossipTopic<string> = { name: "network:candidates", schema: Schema.String }
      yield* listen(a, notes)
      const heardNotes = yield* listen(b, notes)
      const heard = yield* listen(b, candidates)
      yield* a.connect(b)
      yield* b.connect(r)
      yield* neighbours(a, 1)
      yield* a.gossip.publish(candidates, "one")
      yield* a.gossip.publish(notes, { text: "two" })
      yield* until(Effect.sync(() => heard.length === 1 && heardNotes.length === 1))
      yield* r.send({
        topic: notes.name,
        envelope: Uint8Array.of(1),
        signer: keyNumber(666),
        author: didNumber(666)
      })
      yield* r.replay
      const value = (metric: Counter | Gauge, labels: Labels) => b.metrics.value(metric, labels)
      yield* until(Effect.map(value(Metric.gossipRejected, { reason: "envelope" }), (count) => count === 1))
      assert.strictEqual(yield* a.metrics.value(Metric.gossipPublished, { topic: "network:candidates" }), 1)
      assert.strictEqual(yield* a.metrics.value(Metric.gossipPublished, { topic: "other" }), 1)
      assert.strictEqual(yield* value(Metric.gossipReceived, { topic: "network:candidates" }), 1)
      assert.strictEqual(yield* value(Metric.gossipReceived, { topic: "other" }), 1)
      assert.strictEqual(yield* value(Metric.gossipTopicsSubscribed, {}), 2)
      assert.strictEqual(yield* value(Metric.gossipSubscriptions, {}), 2)
    })
  )

  worldTest("drops the oldest messages for a subscriber that does not take them, and counts them", (network) =>
    Effect.gen(function* () {
      const [a, b] = [yield* node(network), yield* node(network)]
      const stream = yield* b.gossip.subscribe(notes)
      yield* listen(a, notes)
      yield* a.connect(b)
      yield* neighbours(a, 1)
      for (let index = 0; index < 300; index++) {
        yield* a.gossip.publish(notes, { text: String(index) })
        yield* Effect.sleep(50)
      }
      const received = Effect.map(b.metrics.value(Metric.gossipReceived, { topic: "other" }), (count) => count === 300)
      yield* until(received)
      assert.strictEqual(yield* b.metrics.value(Metric.gossipDropped, { queue: "subscriber" }), 44)
      const kept = yield* Stream.runCollect(Stream.take(stream, 256))
      assert.strictEqual(kept[0]?.message.text, "44")
      assert.strictEqual(kept[255]?.message.text, "299")
    })
  )
})
