/** What every `Gossip` withstands: neighbours that forge, repeat, flood, or talk nonsense. */
import { assert } from "@effect/vitest"
import { Clock, Effect, Result, Schema } from "effect"
import { gossipMessageBytesMax } from "../../src/domain/gossipLimits.ts"
import { decodeEnvelope, encodeEnvelope } from "../../src/protocol/gossipEnvelope.ts"
import { didOf, keyNumber } from "../fixtures/dids.ts"
import {
  type GossipFixture,
  hears,
  type Heard,
  isWarmUp,
  listen,
  neighbours,
  Note,
  notes,
  type RogueMessage,
  texts,
  until,
  warmUp
} from "../fixtures/gossipNotes.ts"

const passed = (heard: Heard) => texts(heard).filter((text) => text.startsWith("flood")).length
const note = (stampMillis: number, text: string) => encodeEnvelope({ stampMillis, json: JSON.stringify({ text }) })

/** A rogue and an honest node at b; c and a spy hear only what b passes on. */
const besieged = ({ node, rogue }: GossipFixture) =>
  Effect.gen(function* () {
    const key = keyNumber(666)
    const [a, b, c] = [yield* node(), yield* node(), yield* node()]
    const [r, spy] = [yield* rogue(666), yield* rogue(667)]
    const [heardA, heardB, heardC] = [yield* listen(a, notes), yield* listen(b, notes), yield* listen(c, notes)]
    yield* a.connect(b)
    yield* c.connect(b)
    yield* b.connect(r)
    yield* b.connect(spy)
    yield* spy.wants([notes.name])
    yield* neighbours(a, 1)
    yield* neighbours(c, 1)
    yield* neighbours(b, 3)
    yield* warmUp([a, b, c], [heardA, heardB, heardC])
    /** What b passed on, in the order in which it did. */
    const passedOn = () =>
      spy
        .received()
        .map((envelope) => {
          const { json } = Result.getOrThrow(decodeEnvelope(envelope, Number.MAX_SAFE_INTEGER))
          return Schema.decodeSync(Schema.fromJsonString(Note))(json).text
        })
        .filter((text) => !isWarmUp(text))
    const send = (envelope: Uint8Array, over: Partial<RogueMessage> = {}) =>
      r.send({ topic: notes.name, envelope, signer: key, author: didOf(key), ...over })
    /** What the rogue did is behind us once an honest message has gone the same way. */
    const honest = Effect.fnUntraced(function* (text: string) {
      yield* a.gossip.publish(notes, { text })
      yield* hears(heardB, text)
      yield* hears(heardC, text)
      yield* until(Effect.sync(() => spy.received().some((envelope) => Buffer.from(envelope).includes(text))))
    })
    return { a, b, c, r, key, heardA, heardB, heardC, send, honest, passedOn }
  })

export const defending = (fixture: GossipFixture) => {
  const { test } = fixture
  test(
    "neither delivers nor passes on what is garbage, of another schema, or too long",
    Effect.gen(function* () {
      const { heardB, heardC, honest, passedOn, r, send } = yield* besieged(fixture)
      const now = yield* Clock.currentTimeMillis
      yield* send(Uint8Array.of(9, 9, 9))
      yield* send(encodeEnvelope({ stampMillis: now, json: '{"text":1}' }))
      yield* send(encodeEnvelope({ stampMillis: now + 1, json: "not json" }))
      yield* send(note(now + 2, "x".repeat(gossipMessageBytesMax)))
      yield* r.sendGarbage
      yield* honest("still here")
      assert.deepStrictEqual(texts(heardB), ["still here"])
      assert.deepStrictEqual(texts(heardC), ["still here"])
      assert.deepStrictEqual(passedOn(), ["still here"])
    })
  )

  test(
    "takes no message in somebody else's name, nor any too old or ahead of time",
    Effect.gen(function* () {
      const { a, heardB, heardC, honest, passedOn, send } = yield* besieged(fixture)
      const now = yield* Clock.currentTimeMillis
      yield* send(note(now, "forged"), { author: a.did })
      yield* send(note(now - 310_000, "old"))
      yield* send(note(now + 60_000, "from the future"))
      yield* honest("still here")
      assert.deepStrictEqual(texts(heardB), ["still here"])
      assert.deepStrictEqual(texts(heardC), ["still here"])
      assert.deepStrictEqual(passedOn(), ["still here"])
    })
  )

  test(
    "delivers a replayed message once, and holds it against nobody",
    Effect.gen(function* () {
      const { heardB, heardC, honest, passedOn, r, send } = yield* besieged(fixture)
      yield* r.wants([notes.name])
      let sent = 0
      yield* until(
        Effect.gen(function* () {
          yield* Effect.orDie(honest(`message ${sent++}`))
          yield* Effect.sleep(50)
          return (yield* Effect.orDie(r.replay)) > 0
        })
      )
      for (let times = 0; times < 20; times++) yield* r.replay
      const now = yield* Clock.currentTimeMillis
      // The rogue is still heard: copies are what a network makes.
      yield* send(note(now, "new"))
      yield* hears(heardC, "new")
      yield* honest("still here")
      for (const each of [texts(heardB), texts(heardC), passedOn()]) {
        assert.strictEqual(new Set(each).size, each.length)
      }
    })
  )

  test(
    "lets a flood trickle, while others are heard",
    Effect.gen(function* () {
      const { heardB, heardC, honest, passedOn, send } = yield* besieged(fixture)
      const now = yield* Clock.currentTimeMillis
      const flood = 1500
      for (let index = 0; index < flood; index++) {
        yield* send(note(now + index, `flood ${index}`))
        if (index % 50 === 0) yield* Effect.sleep(1)
      }
      yield* honest("still here")
      const seconds = ((yield* Clock.currentTimeMillis) - now) / 1000
      assert.isAbove(passed(heardB), 0)
      // What one author may send, and the honest message among what was passed on.
      const most = 20 + 100 * seconds + 1
      assert.isAtMost(passed(heardB), most)
      assert.isAtMost(passed(heardC), most)
      assert.isAtMost(passedOn().length, most + 1)
    })
  )
}
