/** What the contract of Gossip does not see: how gossipsub is set up and mended. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { encodeEnvelope } from "../../../src/protocol/gossipEnvelope.ts"
import { listen, neighbours, notes, until } from "../../fixtures/gossipNotes.ts"
import { didOf, keyNumber } from "../../fixtures/dids.ts"
import { node, rogue } from "../../fixtures/gossipLibp2p.ts"

const key = keyNumber(666)

const note = (stampMillis: number, text: string) => encodeEnvelope({ stampMillis, json: JSON.stringify({ text }) })

const includes = (received: ReadonlyArray<Uint8Array>, text: string) =>
  received.some((envelope) => Buffer.from(envelope).includes(text))

describe("gossipsub", () => {
  it.live("opens streams again that broke while the connection lived, and loses no neighbour by it", () =>
    Effect.gen(function* () {
      const [a, b] = [yield* node(), yield* node()]
      const [heardA, heardB] = [yield* listen(a, notes), yield* listen(b, notes)]
      yield* a.connect(b)
      yield* neighbours(a, 1)
      yield* neighbours(b, 1)
      // Until both have looked after their streams once.
      yield* Effect.sleep(2500)
      const [connection] = a.host.getConnections()
      const streams = connection?.streams.filter(({ protocol }) => protocol.startsWith("/meshsub/")) ?? []
      assert.isAtLeast(streams.length, 2)
      for (const stream of streams) stream.abort(new Error("the test breaks it"))
      yield* neighbours(a, 0)
      yield* neighbours(a, 1)
      yield* neighbours(b, 1)
      yield* a.gossip.publish(notes, { text: "to b" })
      yield* b.gossip.publish(notes, { text: "to a" })
      yield* until(Effect.sync(() => heardA.length === 1 && heardB.length === 1))
      assert.strictEqual(a.host.getConnections()[0]?.id, connection?.id)
    })
  )

  it.live("does not keep messages on topics that nobody here listens to", () =>
    Effect.gen(function* () {
      const [b, r, spy] = [yield* node(), yield* rogue(666), yield* rogue(667)]
      yield* listen(b, notes)
      yield* b.connect(r)
      yield* b.connect(spy)
      yield* spy.wants([notes.name, "test:other"])
      yield* neighbours(b, 1)
      const now = yield* Clock.currentTimeMillis
      const send = (topic: string, envelope: Uint8Array) => r.send({ topic, envelope, signer: key, author: didOf(key) })
      yield* send("test:other", note(now, "unwanted"))
      yield* send(notes.name, note(now + 1, "wanted"))
      yield* until(Effect.sync(() => includes(spy.received(), "wanted")))
      const before = spy.received().length
      yield* spy.askFor(key, [1n, 2n])
      yield* until(Effect.sync(() => spy.received().length > before))
      yield* b.gossip.publish(notes, { text: "after" })
      yield* until(Effect.sync(() => includes(spy.received(), "after")))
      assert.isFalse(includes(spy.received(), "unwanted"))
    })
  )

  it.live("holds back who sends too much, and hears it again afterwards", () =>
    Effect.gen(function* () {
      const [b, r] = [yield* node(), yield* rogue(666)]
      const heard = yield* listen(b, notes)
      yield* b.connect(r)
      let stamp = yield* Clock.currentTimeMillis
      const send = (text: string) =>
        r.send({ topic: notes.name, envelope: note(stamp++, text), signer: key, author: didOf(key) })
      for (let index = 0; index < 2000; index++) yield* send(`flood ${index}`)
      yield* until(
        Effect.gen(function* () {
          stamp = Math.max(stamp, yield* Clock.currentTimeMillis)
          yield* Effect.orDie(send("afterwards"))
          yield* Effect.sleep(100)
          return heard.some(({ message }) => message.text === "afterwards")
        })
      )
      assert.isBelow(heard.length, 2000)
      assert.strictEqual(b.host.getConnections().length, 1)
    })
  )

  it.live("takes nothing more from who sends much that is wrong, and forgives it", () =>
    Effect.gen(function* () {
      const [b, r] = [yield* node(), yield* rogue(666)]
      const heard = yield* listen(b, notes)
      yield* b.connect(r)
      const now = yield* Clock.currentTimeMillis
      let stamp = now
      const send = (envelope: Uint8Array) => r.send({ topic: notes.name, envelope, signer: key, author: didOf(key) })
      yield* send(note(stamp++, "good"))
      yield* until(Effect.sync(() => heard.length === 1))
      for (let index = 0; index < 20; index++) yield* send(Uint8Array.of(9))
      // Longer than the library goes by what it thought of a neighbour before.
      yield* Effect.sleep(1500)
      yield* send(note(stamp++, "ignored"))
      yield* Effect.sleep(300)
      assert.strictEqual(heard.length, 1)
      yield* until(
        Effect.gen(function* () {
          yield* Effect.orDie(send(note(stamp++, "forgiven")))
          yield* Effect.sleep(250)
          return heard.some(({ message }) => message.text === "forgiven")
        })
      )
      assert.isFalse(heard.some(({ message }) => message.text === "ignored"))
    })
  )
})
