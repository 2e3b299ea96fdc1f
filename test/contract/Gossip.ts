/** What every `Gossip` does: run by the layers' tests, over real sockets and in memory under TestClock. */
import { assert, describe } from "@effect/vitest"
import { Clock, Effect, Exit, Option, Result, Schema, type Scope, Stream } from "effect"
import type { Did } from "../../src/domain/did.ts"
import type { SigningKey } from "../../src/domain/ed25519.ts"
import { gossipMessageBytesMax } from "../../src/domain/gossipLimits.ts"
import { decodeEnvelope, encodeEnvelope } from "../../src/protocol/gossipEnvelope.ts"
import { type Gossip, GossipError, type GossipMessage, type GossipTopic } from "../../src/services/Gossip.ts"
import { didOf, keyNumber } from "../fixtures/dids.ts"

export interface GossipNode {
  readonly did: Did
  readonly gossip: Gossip["Service"]
  /** Opens a session with another node, or with a rogue. */
  readonly connect: (other: { readonly did: Did }) => Effect.Effect<void, unknown>
  /** Stops it in good order, before the scope does. */
  readonly stop: Effect.Effect<void>
}

/** A neighbour that speaks the protocol as it likes. */
export interface GossipRogue {
  readonly did: Did
  /** Tells its neighbours what it wants, and collects what they send. */
  readonly wants: (topics: ReadonlyArray<string>) => Effect.Effect<void, unknown>
  /** Sends a message to its neighbours: signed by `signer`, in the name of `author`. */
  readonly send: (message: RogueMessage) => Effect.Effect<void, unknown>
  /** Sends bytes that are no message of the protocol. */
  readonly sendGarbage: Effect.Effect<void, unknown>
  /** Sends everything again that it was sent. */
  readonly replay: Effect.Effect<number, unknown>
  /** The envelopes of what it was sent. */
  readonly received: () => ReadonlyArray<Uint8Array>
}

export interface RogueMessage {
  readonly topic: string
  readonly envelope: Uint8Array
  readonly signer: SigningKey
  readonly author: Did
}

export interface GossipFixture {
  /** A node that runs until the scope closes or it is stopped. */
  readonly node: (seed?: number) => Effect.Effect<GossipNode, unknown, Scope.Scope>
  /** With the key of this number. */
  readonly rogue: (number: number) => Effect.Effect<GossipRogue, unknown, Scope.Scope>
  /** Registers a test, in which sleeping takes virtual or real time. */
  readonly test: (name: string, body: Effect.Effect<void, unknown, Scope.Scope>) => void
}

/** Waits until a condition holds. */
export const until = (condition: Effect.Effect<boolean>): Effect.Effect<void> =>
  Effect.flatMap(condition, (holds) => (holds ? Effect.void : Effect.andThen(Effect.sleep(10), until(condition))))

const Note = Schema.Struct({ text: Schema.String })
export const notes: GossipTopic<typeof Note.Type> = { name: "test:notes", schema: Note }

/** Collects what a node hears on a topic. */
export const listen = <A>(node: GossipNode, topic: GossipTopic<A>) =>
  Effect.gen(function* () {
    const heard: Array<GossipMessage<A>> = []
    const stream = yield* node.gossip.subscribe(topic)
    yield* Effect.forkScoped(Stream.runForEach(stream, (message) => Effect.sync(() => heard.push(message))))
    return heard
  })

const texts = (heard: ReadonlyArray<GossipMessage<{ readonly text: string }>>) =>
  heard.map(({ message }) => message.text)

/** Waits until a node knows as many neighbours that want the notes. */
export const neighbours = (node: GossipNode, count: number): Effect.Effect<void> =>
  until(
    Effect.map(node.gossip.topics, (topics) =>
      topics.some(({ name, neighbours }) => name === notes.name && neighbours === count)
    )
  )

const hears = (heard: ReadonlyArray<GossipMessage<{ readonly text: string }>>, text: string) =>
  until(Effect.sync(() => texts(heard).includes(text)))

const passed = (heard: ReadonlyArray<GossipMessage<{ readonly text: string }>>) =>
  texts(heard).filter((text) => text.startsWith("flood")).length

const reasonOf = <A>(exit: Exit.Exit<A, unknown>): string | undefined => {
  const error = Option.getOrUndefined(Exit.findErrorOption(exit))
  return error instanceof GossipError ? error.reason._tag : undefined
}

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
    /** What b passed on, in the order in which it did. */
    const passedOn = () =>
      spy.received().map((envelope) => {
        const { json } = Result.getOrThrow(decodeEnvelope(envelope, Number.MAX_SAFE_INTEGER))
        return Schema.decodeSync(Schema.fromJsonString(Note))(json).text
      })
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

const spreading = ({ node, test }: GossipFixture) => {
  test(
    "brings a message to everybody once, with its proven author and its bearer",
    Effect.gen(function* () {
      const [a, b, c] = [yield* node(), yield* node(), yield* node()]
      const [heardA, heardB, heardC] = [yield* listen(a, notes), yield* listen(b, notes), yield* listen(c, notes)]
      const second = yield* listen(c, notes)
      yield* a.connect(b)
      yield* b.connect(c)
      yield* neighbours(a, 1)
      yield* neighbours(b, 2)
      yield* neighbours(c, 1)
      const before = yield* Clock.currentTimeMillis
      for (const text of ["one", "two", "three"]) yield* a.gossip.publish(notes, { text })
      yield* hears(heardC, "three")
      yield* hears(second, "three")
      yield* hears(heardB, "three")
      // A message back, so that everything that could come twice has come.
      yield* c.gossip.publish(notes, { text: "back" })
      yield* hears(heardA, "back")
      assert.deepStrictEqual(texts(heardA), ["back"])
      assert.sameMembers(texts(heardB), ["one", "two", "three", "back"])
      assert.sameMembers(texts(heardC), ["one", "two", "three"])
      assert.sameMembers(texts(second), ["one", "two", "three"])
      const [first] = heardC
      assert.strictEqual(first?.author.text, a.did.text)
      assert.strictEqual(first?.from.text, b.did.text)
      assert.isAtLeast(first?.timestampMillis ?? 0, before)
      assert.strictEqual(heardB[0]?.from.text, a.did.text)
    })
  )

  test(
    "brings a message once in a circle of neighbours",
    Effect.gen(function* () {
      const [a, b, c] = [yield* node(), yield* node(), yield* node()]
      const [heardA, heardB, heardC] = [yield* listen(a, notes), yield* listen(b, notes), yield* listen(c, notes)]
      yield* a.connect(b)
      yield* b.connect(c)
      yield* c.connect(a)
      for (const each of [a, b, c]) yield* neighbours(each, 2)
      yield* a.gossip.publish(notes, { text: "round" })
      yield* b.gossip.publish(notes, { text: "and round" })
      for (const heard of [heardB, heardC]) yield* hears(heard, "round")
      for (const heard of [heardA, heardC]) yield* hears(heard, "and round")
      yield* c.gossip.publish(notes, { text: "end" })
      for (const heard of [heardA, heardB]) yield* hears(heard, "end")
      assert.sameMembers(texts(heardA), ["and round", "end"])
      assert.sameMembers(texts(heardB), ["round", "end"])
      assert.sameMembers(texts(heardC), ["round", "and round"])
    })
  )

  test(
    "lets a node subscribe before anybody published, publish without subscribing, and publish to nobody",
    Effect.gen(function* () {
      const [a, b] = [yield* node(), yield* node()]
      yield* a.gossip.publish(notes, { text: "to nobody" })
      const heard = yield* listen(b, notes)
      assert.deepStrictEqual(yield* b.gossip.topics, [{ name: notes.name, neighbours: 0 }])
      yield* a.connect(b)
      let sent = 0
      yield* until(
        Effect.gen(function* () {
          // Until the subscription has come across.
          yield* Effect.orDie(a.gossip.publish(notes, { text: `message ${sent++}` }))
          yield* Effect.sleep(100)
          return heard.length > 0
        })
      )
      assert.notInclude(texts(heard), "to nobody")
      assert.deepStrictEqual(yield* a.gossip.topics, [])
    })
  )

  test(
    "passes nothing on that nobody here listens to, and forgets a topic with its last subscriber",
    Effect.gen(function* () {
      const [a, b, c] = [yield* node(), yield* node(), yield* node()]
      const heardC = yield* listen(c, notes)
      yield* a.connect(b)
      yield* b.connect(c)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const heardA = yield* listen(a, notes)
          const heardB = yield* listen(b, notes)
          yield* neighbours(b, 2)
          yield* neighbours(a, 1)
          yield* a.gossip.publish(notes, { text: "before" })
          yield* hears(heardC, "before")
          yield* hears(heardB, "before")
          assert.deepStrictEqual(texts(heardA), [])
        })
      )
      assert.deepStrictEqual(yield* b.gossip.topics, [])
      yield* neighbours(c, 0)
      yield* a.gossip.publish(notes, { text: "past" })
      yield* Effect.sleep(200)
      const heardB = yield* listen(b, notes)
      yield* neighbours(c, 1)
      yield* b.gossip.publish(notes, { text: "after" })
      yield* hears(heardC, "after")
      assert.deepStrictEqual(texts(heardC), ["before", "after"])
      assert.deepStrictEqual(texts(heardB), [])
    })
  )

  test(
    "hears a node at once that was restarted with the same key",
    Effect.gen(function* () {
      const [b, c] = [yield* node(), yield* node()]
      const [heardB, heardC] = [yield* listen(b, notes), yield* listen(c, notes)]
      yield* b.connect(c)
      for (const text of ["first life", "second life", "third life"]) {
        const a = yield* node(7)
        const heardA = yield* listen(a, notes)
        yield* a.connect(b)
        yield* neighbours(a, 1)
        yield* neighbours(b, 2)
        yield* a.gossip.publish(notes, { text })
        yield* hears(heardB, text)
        yield* hears(heardC, text)
        yield* b.gossip.publish(notes, { text: `to ${text}` })
        yield* hears(heardA, `to ${text}`)
        yield* a.stop
        yield* neighbours(b, 1)
      }
      assert.deepStrictEqual(texts(heardB), ["first life", "second life", "third life"])
    })
  )
}

const refusing = ({ node, test }: GossipFixture) => {
  test(
    "refuses to publish what is malformed, too long or too fast, and says which",
    Effect.gen(function* () {
      const a = yield* node()
      const loose: GossipTopic<{ readonly text: string }> = {
        name: "test:loose",
        schema: Schema.Struct({ text: Schema.String.check(Schema.isMinLength(1)) })
      }
      assert.strictEqual(reasonOf(yield* Effect.exit(a.gossip.publish(loose, { text: "" }))), "GossipMalformed")
      const long = { text: "x".repeat(gossipMessageBytesMax) }
      assert.strictEqual(reasonOf(yield* Effect.exit(a.gossip.publish(notes, long))), "GossipTooLong")
      const short = { ...notes, name: "test:short", bytesMax: 30 }
      assert.strictEqual(
        reasonOf(yield* Effect.exit(a.gossip.publish(short, { text: "more than thirty" }))),
        "GossipTooLong"
      )
      yield* a.gossip.publish(short, { text: "thirty" })
      const exits = yield* Effect.forEach(Array.from({ length: 200 }), (_, index) =>
        Effect.exit(a.gossip.publish(notes, { text: String(index) }))
      )
      const reasons = new Set(exits.map(reasonOf))
      assert.deepStrictEqual(reasons, new Set([undefined, "GossipRateLimited"]))
      const limited = exits
        .map((exit) => Option.getOrUndefined(Exit.findErrorOption(exit)))
        .find((e) => e !== undefined)
      assert.match(limited?.message ?? "", /test:notes: too many messages; try again in \d+ ms/)
      yield* Effect.sleep(1000)
      yield* a.gossip.publish(notes, { text: "in time" })
    })
  )

  test(
    "refuses a topic under two schemas, and names that are none",
    Effect.gen(function* () {
      const a = yield* node()
      yield* listen(a, notes)
      const other = { name: notes.name, schema: Schema.Struct({ text: Schema.String }) }
      assert.strictEqual(reasonOf(yield* Effect.exit(a.gossip.subscribe(other))), "GossipTopicRefused")
      assert.strictEqual(reasonOf(yield* Effect.exit(a.gossip.publish(other, { text: "x" }))), "GossipTopicRefused")
      for (const name of ["", "a b", "ü", "x".repeat(129)]) {
        assert.strictEqual(reasonOf(yield* Effect.exit(a.gossip.subscribe({ ...notes, name }))), "GossipTopicRefused")
      }
      assert.deepStrictEqual(yield* a.gossip.topics, [{ name: notes.name, neighbours: 0 }])
    })
  )

  test(
    "refuses more topics than a node keeps up with",
    Effect.gen(function* () {
      const a = yield* node()
      for (let index = 0; index < 256; index++)
        yield* Effect.asVoid(a.gossip.subscribe({ ...notes, name: `test:${index}` }))
      assert.strictEqual(reasonOf(yield* Effect.exit(a.gossip.subscribe(notes))), "GossipTopicRefused")
      yield* Effect.asVoid(a.gossip.subscribe({ ...notes, name: "test:0" }))
    })
  )
}

const defending = (fixture: GossipFixture) => {
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
      assert.strictEqual(new Set(texts(heardB)).size, heardB.length)
      assert.strictEqual(new Set(texts(heardC)).size, heardC.length)
      assert.strictEqual(new Set(passedOn()).size, passedOn().length)
    })
  )

  test(
    "lets a flood trickle, while others are heard",
    Effect.gen(function* () {
      const { heardB, heardC, honest, passedOn, send } = yield* besieged(fixture)
      const now = yield* Clock.currentTimeMillis
      const flood = 3000
      for (let index = 0; index < flood; index++) yield* send(note(now + index, `flood ${index}`))
      yield* honest("still here")
      const seconds = ((yield* Clock.currentTimeMillis) - now) / 1000
      assert.isAbove(passed(heardB), 0)
      assert.isAtMost(passed(heardB), 20 + 100 * seconds + 1)
      assert.isAtMost(passed(heardC), passed(heardB))
      assert.isAtMost(passedOn().length, passed(heardB) + 1)
    })
  )
}

export const gossipContract = (name: string, fixture: GossipFixture) =>
  describe(`${name} as Gossip`, () => {
    spreading(fixture)
    refusing(fixture)
    defending(fixture)
  })
