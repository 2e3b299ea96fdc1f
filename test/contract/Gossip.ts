/** What every `Gossip` does: run by the layers' tests, over real sockets and in memory under TestClock. */
import { assert, describe } from "@effect/vitest"
import { Clock, Effect, Exit, Option, Schema } from "effect"
import { gossipMessageBytesMax } from "../../src/domain/gossipLimits.ts"
import { GossipError, type GossipTopic } from "../../src/services/Gossip.ts"
import { type GossipFixture, hears, listen, neighbours, notes, texts, warmUp, until } from "../fixtures/gossipNotes.ts"
import { defending } from "./GossipDefence.ts"

const reasonOf = <A>(exit: Exit.Exit<A, unknown>): string | undefined => {
  const error = Option.getOrUndefined(Exit.findErrorOption(exit))
  return error instanceof GossipError ? error.reason._tag : undefined
}

const spreading = ({ node, test }: Pick<GossipFixture, "node" | "test">) => {
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
      yield* warmUp([a, b, c], [heardA, heardB, heardC])
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
      const first = heardC.find(({ message }) => message.text === "one")
      assert.strictEqual(first?.author.text, a.did.text)
      assert.strictEqual(first?.from.text, b.did.text)
      assert.isAtLeast(first?.timestampMillis ?? 0, before)
      assert.strictEqual(heardB.find(({ message }) => message.text === "one")?.from.text, a.did.text)
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
      yield* warmUp([a, b, c], [heardA, heardB, heardC])
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
          yield* warmUp([a, b, c], [heardA, heardB, heardC])
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
      yield* warmUp([b, c], [heardB, heardC])
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

/** The part of the contract that honest nodes keep among themselves. */
export const gossipSpreadingContract = (name: string, fixture: Pick<GossipFixture, "node" | "test">) =>
  describe(`${name} as Gossip`, () => {
    spreading(fixture)
  })

export const gossipContract = (name: string, fixture: GossipFixture) =>
  describe(`${name} as Gossip`, () => {
    spreading(fixture)
    refusing(fixture)
    defending(fixture)
  })
