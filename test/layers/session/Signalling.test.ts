import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Result } from "effect"
import { type LinkOffer, linkOfferTag } from "../../../src/domain/linkOffer.ts"
import { type LinkSignalResult, linkSignals } from "../../../src/domain/metrics.ts"
import * as IdentityMemory from "../../../src/layers/IdentityMemory.ts"
import { make as makeNetwork } from "../../../src/layers/session/memory/Network.ts"
import type { SignalFailed } from "../../../src/layers/session/Signalling.ts"
import { encodeLinkOffer } from "../../../src/protocol/linkOffer.ts"
import { didNumber } from "../../fixtures/dids.ts"
import { contentTo, offerOf } from "../../fixtures/linkOffers.ts"
import { makeSessionNode, seedOf, type SessionNode } from "../../fixtures/sessionNodes.ts"
import { makeRogue } from "../../fixtures/sessionRogue.ts"
import { makeSignaller, pass, passing, type Signaller, type SignallerOptions } from "../../fixtures/signallers.ts"

const hostOf = (number: number): string => `198.51.100.${number}`

/** Signallers 1, 2 … and the neighbours 10, 11 …, each of which has sessions with those that are named. */
const world = Effect.fnUntraced(function* (
  neighbours: ReadonlyArray<ReadonlyArray<number>>,
  signallers: number,
  options: Partial<SignallerOptions> = {}
) {
  const network = yield* makeNetwork({ latencyMillis: 1 })
  const nodes = yield* Effect.forEach(neighbours, (_, index) =>
    makeSessionNode(network, {
      number: 10 + index,
      host: hostOf(10 + index),
      dialsHeardOf: false,
      linkPort: () => 5555
    })
  )
  const members = yield* Effect.forEach(
    Array.from({ length: signallers }, (_, index) => index + 1),
    (number) => makeSignaller(network, { number, host: hostOf(number), ...options })
  )
  for (const [index, known] of neighbours.entries()) {
    for (const number of known) yield* passing(members[number - 1]?.dial(10 + index, hostOf(10 + index)) ?? Effect.void)
  }
  yield* pass(20)
  const [a, b, c] = members
  const [n] = nodes
  assert.isDefined(a)
  assert.isDefined(b)
  assert.isDefined(n)
  return { network, nodes, a, b, c: c ?? b, n }
})

const forwarded = (node: SessionNode, result: LinkSignalResult) =>
  node.metrics.value(linkSignals, { direction: "forwarded", result })

const signals = (member: Signaller) =>
  member.heard.flatMap(({ from, message }) => (message._tag === "Signal" ? [{ from, ...message }] : []))

const reasonOf = <A>(sent: Effect.Effect<A, SignalFailed>) =>
  Effect.map(Effect.result(sent), (result) => (Result.isFailure(result) ? result.failure.reason : "delivered"))

const seal = Effect.fnUntraced(function* (by: Signaller, receiver: number, plaintext: Uint8Array) {
  const sealed = yield* by.identity.seal(didNumber(receiver), linkOfferTag, plaintext)
  return Buffer.from(sealed).toString("base64url")
})

describe("a link offer", () => {
  it.effect("gets to a member through the one neighbour of both, and its answer back", () =>
    Effect.gen(function* () {
      const { a, b, n } = yield* world([[1, 2]], 2)
      assert.strictEqual(yield* passing(a.signalling.send(contentTo(2))), "forwarded")
      const [offer] = b.offers
      assert.strictEqual(b.offers.length, 1)
      assert.strictEqual(offer?.from.text, a.did.text)
      assert.deepStrictEqual(offer?.candidates, contentTo(2).candidates)
      const answer = contentTo(1, { kind: "answer", candidates: [] })
      assert.strictEqual(yield* passing(b.signalling.send(answer)), "forwarded")
      assert.deepStrictEqual(
        a.offers.map(({ from, kind, linkId }) => [kind, from.text, linkId]),
        [["answer", b.did.text, offer?.linkId]]
      )
      assert.strictEqual(yield* forwarded(n, "delivered"), 2)
      assert.strictEqual(yield* a.counted("sent", "delivered"), 1)
      assert.strictEqual(yield* b.counted("received", "delivered"), 1)
    })
  )

  it.effect("cannot be read by whoever passes it on", () =>
    Effect.gen(function* () {
      const { a, b } = yield* world([[1, 2]], 2)
      yield* passing(a.signalling.send(contentTo(2)))
      const [signal] = signals(b)
      assert.isDefined(signal)
      assert.strictEqual(signal.from.text, didNumber(10).text)
      const sealed = Buffer.from(signal.sealed, "base64url")
      const { password, ufrag } = contentTo(2)
      for (const secret of [password, ufrag, "192.168.77.2", a.did.text]) assert.isFalse(sealed.includes(secret))
      const neighbour = yield* IdentityMemory.make(seedOf(10))
      assert.isTrue(Result.isFailure(yield* Effect.result(neighbour.open(linkOfferTag, sealed))))
      const receiver = yield* IdentityMemory.make(seedOf(2))
      assert.isTrue(Buffer.from(yield* receiver.open(linkOfferTag, sealed)).includes(password))
    })
  )

  it.effect("goes over the session with the member where there is one", () =>
    Effect.gen(function* () {
      const { a, b, n } = yield* world([[1, 2]], 2)
      yield* passing(a.dial(2, hostOf(2)))
      yield* pass(20)
      assert.strictEqual(yield* passing(a.signalling.send(contentTo(2))), "direct")
      assert.strictEqual(b.offers.length, 1)
      assert.deepStrictEqual(
        signals(b).map(({ from, hops }) => [from.text, hops]),
        [[a.did.text, 0]]
      )
      assert.strictEqual(yield* forwarded(n, "delivered"), 0)
    })
  )

  it.effect("goes through a neighbour when the session with the member does not answer", () =>
    Effect.gen(function* () {
      const { a, b, network } = yield* world([[1, 2]], 2)
      yield* passing(a.dial(2, hostOf(2)))
      yield* pass(20)
      // Both still reach the neighbour, which no partition allows.
      network.reaches = (from, to) => ![from, to].every((host) => host === hostOf(1) || host === hostOf(2))
      const started = yield* Clock.currentTimeMillis
      assert.strictEqual(yield* passing(a.signalling.send(contentTo(2))), "forwarded")
      assert.isAtMost((yield* Clock.currentTimeMillis) - started, 1100)
      assert.strictEqual(b.offers.length, 1)
    })
  )

  it.effect("is passed on once and no further", () =>
    Effect.gen(function* () {
      const { a, b, nodes } = yield* world([[1], [2]], 2)
      const [first, second] = nodes
      assert.isDefined(first)
      assert.isDefined(second)
      yield* first.book.learn(second.did, [second.uri.address], "config")
      yield* passing(first.manager.dial(second.did))
      assert.strictEqual(yield* reasonOf(passing(a.signalling.send(contentTo(2)))), "noRoute")
      assert.strictEqual(yield* forwarded(first, "unknown"), 1)
      assert.strictEqual(yield* a.counted("sent", "unknown"), 1)
      assert.deepStrictEqual(signals(b), [])
      // Not even by a neighbour that could, once somebody else has.
      const sealed = yield* seal(b, 1, encodeLinkOffer(offerOf(2, 1, yield* Clock.currentTimeMillis)))
      const signal = { to: a.did, sealed, hops: 1 } as const
      yield* passing(b.dial(10, hostOf(10)))
      yield* pass(20)
      assert.strictEqual(yield* passing(b.ask(first.did, signal)), "unknown")
      assert.deepStrictEqual(signals(a), [])
      assert.strictEqual(yield* passing(b.ask(first.did, { ...signal, hops: 0 })), "delivered")
      assert.strictEqual(signals(a).length, 1)
    })
  )

  it.effect("fails at once where no neighbour knows the member, or takes offers there", () =>
    Effect.gen(function* () {
      const alone = yield* world([[1]], 2)
      const started = yield* Clock.currentTimeMillis
      assert.strictEqual(yield* reasonOf(passing(alone.a.signalling.send(contentTo(2)))), "noRoute")
      assert.strictEqual(yield* reasonOf(passing(alone.b.signalling.send(contentTo(1)))), "noRoute")
      const deaf = yield* world([[1, 2]], 2, { isDeaf: true })
      assert.strictEqual(yield* reasonOf(passing(deaf.a.signalling.send(contentTo(2)))), "noRoute")
      assert.isAtMost((yield* Clock.currentTimeMillis) - started, 500)
    })
  )

  it.effect("is given up after 3 s when a neighbour is silent, and not delayed by it when another one answers", () =>
    Effect.gen(function* () {
      const { a, b, network } = yield* world([[1], [2]], 2)
      yield* makeRogue(network, { number: 20, host: hostOf(20) })
      yield* passing(a.dial(20, hostOf(20)))
      yield* pass(20)
      const started = yield* Clock.currentTimeMillis
      assert.strictEqual(yield* reasonOf(passing(a.signalling.send(contentTo(2)))), "timeout")
      assert.closeTo((yield* Clock.currentTimeMillis) - started, 3000, 20)
      yield* passing(b.dial(10, hostOf(10)))
      yield* pass(20)
      const again = yield* Clock.currentTimeMillis
      assert.strictEqual(yield* passing(a.signalling.send(contentTo(2))), "forwarded")
      assert.isAtMost((yield* Clock.currentTimeMillis) - again, 20)
    })
  )

  it.effect("has its answer go through the neighbour that brought it, and through others when that is gone", () =>
    Effect.gen(function* () {
      const { a, b, nodes } = yield* world([[1, 2], [2], [1, 2]], 2)
      yield* passing(a.signalling.send(contentTo(2)))
      yield* pass(500)
      const via = signals(b)[0]?.from.text
      const before = yield* Effect.forEach(nodes, (node) => forwarded(node, "delivered"))
      const silent = yield* Effect.forEach(nodes, (node) => forwarded(node, "unknown"))
      yield* passing(b.signalling.send(contentTo(1, { kind: "answer" })))
      yield* pass(500)
      const after = yield* Effect.forEach(nodes, (node) => forwarded(node, "delivered"))
      assert.deepStrictEqual(
        after,
        before.map((count, index) => (nodes[index]?.did.text === via ? count + 1 : count))
      )
      assert.deepStrictEqual(yield* Effect.forEach(nodes, (node) => forwarded(node, "unknown")), silent)
      yield* passing(nodes.find(({ did }) => did.text === via)?.stop ?? Effect.void)
      yield* pass(20)
      assert.strictEqual(yield* passing(b.signalling.send(contentTo(1, { kind: "update" }))), "forwarded")
      assert.deepStrictEqual(
        a.offers.map(({ kind }) => kind),
        ["answer", "update"]
      )
    })
  )

  it.effect("is another one than that of the same millisecond, of which the newer holds", () =>
    Effect.gen(function* () {
      const { a, b } = yield* world([[1, 2]], 2)
      const now = yield* Clock.currentTimeMillis
      const both = [contentTo(2, { kind: "update" }), contentTo(2, { kind: "update", candidates: [] })]
      const sends = both.map((content) => Effect.exit(a.signalling.send(content)))
      yield* passing(Effect.all(sends, { concurrency: "unbounded" }))
      assert.strictEqual(yield* b.counted("received", "duplicate"), 0)
      const last = b.offers.at(-1)
      assert.strictEqual(last?.timestamp, now + 1)
      assert.deepStrictEqual(last?.candidates, [])
    })
  )

  it.effect("is handed on once when several neighbours bring it", () =>
    Effect.gen(function* () {
      const { a, b } = yield* world(
        [
          [1, 2],
          [1, 2],
          [1, 2]
        ],
        2
      )
      assert.strictEqual(yield* passing(a.signalling.send(contentTo(2))), "forwarded")
      yield* pass(100)
      assert.strictEqual(signals(b).length, 3)
      assert.strictEqual(b.offers.length, 1)
      assert.strictEqual(yield* b.counted("received", "duplicate"), 2)
    })
  )
})

describe("an offer that is not what it should be", () => {
  it.effect("is dropped and counted, and whoever brought it learns only that it was no use", () =>
    Effect.gen(function* () {
      const { a, b } = yield* world([[1, 2]], 2)
      yield* pass(60_000)
      const now = yield* Clock.currentTimeMillis
      const good = offerOf(1, 2, now)
      const forged: LinkOffer = { ...good, candidates: [] }
      const cases: ReadonlyArray<readonly [LinkSignalResult, Uint8Array]> = [
        ["malformed", new Uint8Array(256)],
        ["malformed", Buffer.from("{}".padEnd(256))],
        ["malformed", Buffer.alloc(5376, " ")],
        ["misaddressed", encodeLinkOffer(offerOf(1, 3, now))],
        ["own", encodeLinkOffer(offerOf(2, 2, now))],
        ["expired", encodeLinkOffer(offerOf(1, 2, now - 31_000))],
        ["future", encodeLinkOffer(offerOf(1, 2, now + 35_000))],
        ["bad_signature", encodeLinkOffer(forged)],
        ["bad_signature", encodeLinkOffer({ ...good, from: didNumber(3) })]
      ]
      const expected = new Map<LinkSignalResult, number>()
      for (const [label, plaintext] of cases) {
        const sealed = yield* seal(a, 2, plaintext)
        assert.strictEqual(yield* passing(a.ask(didNumber(10), { to: b.did, sealed, hops: 0 })), "unknown", label)
        expected.set(label, (expected.get(label) ?? 0) + 1)
      }
      const whole = Buffer.from(yield* seal(a, 2, encodeLinkOffer(good)), "base64url")
      const tampered = whole.map((byte, index) => (index === 100 ? byte ^ 1 : byte))
      for (const broken of [
        tampered,
        whole.subarray(1),
        Buffer.from(yield* seal(a, 3, encodeLinkOffer(good)), "base64url"),
        Buffer.from("garbage")
      ]) {
        const sealed = Buffer.from(broken).toString("base64url")
        assert.strictEqual(yield* passing(a.ask(didNumber(10), { to: b.did, sealed, hops: 0 })), "unknown")
        expected.set("bad_seal", (expected.get("bad_seal") ?? 0) + 1)
      }
      for (const [label, count] of expected) assert.strictEqual(yield* b.counted("received", label), count, label)
      assert.deepStrictEqual(b.offers, [])
      // After all of that the good one is taken.
      const sealed = whole.toString("base64url")
      assert.strictEqual(yield* passing(a.ask(didNumber(10), { to: b.did, sealed, hops: 0 })), "delivered")
      assert.strictEqual(b.offers.length, 1)
    })
  )

  it.effect("is a copy, whoever sends it, as long as it holds and after that", () =>
    Effect.gen(function* () {
      const { a, b, c } = yield* world([[1, 2, 3]], 3)
      yield* passing(a.signalling.send(contentTo(2)))
      const [signal] = signals(b)
      assert.isDefined(signal)
      const copy = { to: b.did, sealed: signal.sealed, hops: 0 } as const
      assert.strictEqual(yield* passing(c.ask(didNumber(10), copy)), "delivered")
      assert.strictEqual(yield* b.counted("received", "duplicate"), 1)
      yield* pass(31_000)
      assert.strictEqual(yield* passing(c.ask(didNumber(10), copy)), "unknown")
      assert.strictEqual(yield* b.counted("received", "expired"), 1)
      assert.strictEqual(b.offers.length, 1)
    })
  )

  it.effect("is older than the sender's last one", () =>
    Effect.gen(function* () {
      const { a, b } = yield* world([[1, 2]], 2)
      yield* pass(1000)
      const now = yield* Clock.currentTimeMillis
      const sealed = yield* seal(a, 2, encodeLinkOffer(offerOf(1, 2, now - 500, { link: 7 })))
      yield* passing(a.signalling.send(contentTo(2)))
      assert.strictEqual(yield* passing(a.ask(didNumber(10), { to: b.did, sealed, hops: 0 })), "unknown")
      assert.strictEqual(yield* b.counted("received", "superseded"), 1)
      assert.strictEqual(b.offers.length, 1)
    })
  )
})

describe("a member that floods", () => {
  it.effect("is limited by its neighbour, and others get through to the same member", () =>
    Effect.gen(function* () {
      const { a, b, c, n } = yield* world([[1, 2, 3]], 3)
      const flood = Array.from({ length: 60 }, (_, index) =>
        a.ask(n.did, { to: b.did, sealed: `garbage${index}`, hops: 0 })
      )
      const results = yield* passing(Effect.all(flood, { concurrency: "unbounded" }))
      const through = results.filter((result) => result === "unknown").length
      assert.isAtLeast(through, 20)
      assert.isAtMost(through, 24)
      assert.strictEqual(results.filter((result) => result === "limited").length, 60 - through)
      assert.strictEqual(yield* forwarded(n, "limited"), 60 - through)
      assert.strictEqual(yield* b.counted("received", "bad_seal"), through)
      assert.strictEqual(yield* reasonOf(passing(a.signalling.send(contentTo(2)))), "limited")
      assert.strictEqual(yield* a.counted("sent", "limited"), 1)
      assert.strictEqual(yield* passing(c.signalling.send(contentTo(2))), "forwarded")
      assert.strictEqual(b.offers.length, 1)
      // Its bucket fills again.
      yield* pass(2000)
      assert.strictEqual(yield* passing(a.signalling.send(contentTo(2))), "forwarded")
    })
  )

  it.effect("is limited by the member itself, on their own session", () =>
    Effect.gen(function* () {
      const { a, b } = yield* world([[1, 2]], 2)
      yield* passing(a.dial(2, hostOf(2)))
      yield* pass(20)
      const flood = Array.from({ length: 60 }, () => a.ask(b.did, { to: b.did, sealed: "AAAA", hops: 0 }))
      const results = yield* passing(Effect.all(flood, { concurrency: "unbounded" }))
      assert.isAtLeast(results.filter((result) => result === "limited").length, 36)
      assert.isAtLeast(yield* b.counted("received", "limited"), 36)
    })
  )
})

describe("a neighbour", () => {
  it.effect("says where its link socket is, and survives signals that make no sense", () =>
    Effect.gen(function* () {
      const { a, n } = yield* world([[1, 2]], 2)
      const greeting = a.heard.find(({ message }) => message._tag === "Hello")?.message
      assert.strictEqual(greeting?._tag === "Hello" ? greeting.linkPort : undefined, 5555)
      const sealed = "A".repeat(8192)
      // To itself, back to the sender, and to nobody.
      for (const to of [n.did, a.did, didNumber(99)]) {
        assert.strictEqual(yield* passing(a.ask(n.did, { to, sealed, hops: 0 })), "unknown")
      }
      assert.strictEqual((yield* n.manager.sessions).length, 2)
    })
  )

  it.effect("answers after 2 s for a member that does not, and says so of one that leaves", () =>
    Effect.gen(function* () {
      const { a, n, network } = yield* world([[1]], 2)
      const rogue = yield* makeRogue(network, { number: 20, host: hostOf(20) })
      yield* passing(rogue.dial(10, hostOf(10)))
      yield* pass(20)
      const signal = { to: rogue.did, sealed: "AAAA", hops: 0 } as const
      const started = yield* Clock.currentTimeMillis
      assert.strictEqual(yield* passing(a.ask(n.did, signal)), "unknown")
      assert.closeTo((yield* Clock.currentTimeMillis) - started, 2000, 20)
      assert.strictEqual(yield* forwarded(n, "timeout"), 1)
      const asked = yield* Clock.currentTimeMillis
      const gone = Effect.andThen(Effect.sleep(500), n.manager.close(rogue.did))
      const [result] = yield* passing(Effect.all([a.ask(n.did, signal), gone], { concurrency: 2 }))
      assert.strictEqual(result, "unknown")
      assert.isAtMost((yield* Clock.currentTimeMillis) - asked, 1500)
    })
  )
})
