/**
 * What every implementation of the PeerBook service must do. Each layer's test runs this suite on a fresh layer, with
 * the identity of member 0.
 */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Effect, Exit, Fiber, Layer, Option, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { candidateFutureMaxMillis, candidateTtlMillis } from "../../src/domain/connectionCandidate.ts"
import type { Did } from "../../src/domain/did.ts"
import { failuresMax } from "../../src/domain/knownPeers.ts"
import {
  candidatesCached,
  candidatesExpired,
  candidatesReceived,
  candidatesRejected,
  candidatesStaleRejected
} from "../../src/domain/metrics.ts"
import type { PeerAddress } from "../../src/domain/peerAddress.ts"
import * as MetricsMemory from "../../src/layers/MetricsMemory.ts"
import type { DataDirectoryError } from "../../src/services/DataDirectory.ts"
import { Metrics } from "../../src/services/Metrics.ts"
import { PeerBook } from "../../src/services/PeerBook.ts"
import { candidateOf, hostAt, quicAt, signedBy } from "../fixtures/connectionCandidates.ts"
import { didNumber, keyNumber } from "../fixtures/dids.ts"

const [own, alice, bob] = [didNumber(0), didNumber(1), didNumber(2)]
const at = (last: number): PeerAddress => quicAt(`192.0.2.${last}`)
const hosts = Effect.fnUntraced(function* (did: Did) {
  return (yield* (yield* PeerBook).addresses(did)).map(({ host }) => host)
})

/** The members for whom something changes while `action` runs. */
const changesOf = Effect.fnUntraced(function* <E, R>(action: Effect.Effect<void, E, R>) {
  const { changes } = yield* PeerBook
  const seen: Array<string> = []
  const fiber = yield* changes.pipe(
    Stream.runForEach((did) => Effect.sync(() => seen.push(did.text))),
    Effect.forkChild({ startImmediately: true })
  )
  yield* action
  yield* Effect.repeat(Effect.yieldNow, { times: 10 })
  yield* Fiber.interrupt(fiber)
  return seen
})

/** Each is what its name says. */
type Cases = Readonly<Record<string, Effect.Effect<void, unknown, PeerBook>>>

const addressesContract: Cases = {
  "gives out what it learned, best first, and puts what failed last": Effect.gen(function* () {
    const book = yield* PeerBook
    assert.deepStrictEqual(yield* book.addresses(alice), [])
    yield* book.learn(alice, [at(3)], "mdns")
    yield* book.learn(alice, [at(2)], "exchange")
    yield* book.learn(alice, [at(1), quicAt("node.example")], "config")
    assert.deepStrictEqual(yield* hosts(alice), ["192.0.2.1", "node.example", "192.0.2.2", "192.0.2.3"])
    yield* book.succeeded(alice, at(3))
    yield* book.failed(alice, at(1))
    assert.deepStrictEqual(yield* hosts(alice), ["192.0.2.3", "node.example", "192.0.2.2", "192.0.2.1"])
    yield* Effect.repeat(book.failed(alice, at(2)), { times: failuresMax - 1 })
    assert.deepStrictEqual(yield* hosts(alice), ["192.0.2.3", "node.example", "192.0.2.1"])
    assert.deepStrictEqual(yield* book.addresses(bob), [])
  }),

  "never lists this node itself": Effect.gen(function* () {
    const book = yield* PeerBook
    const changed = yield* changesOf(
      Effect.gen(function* () {
        yield* book.learn(own, [at(1)], "config")
        yield* book.succeeded(own, at(1))
        assert.strictEqual(yield* book.storeCandidate(candidateOf(0, 0, "192.0.2.1"), "public"), "own")
      })
    )
    assert.deepStrictEqual(changed, [])
    assert.deepStrictEqual(yield* book.addresses(own), [])
    assert.deepStrictEqual(yield* book.peers, [])
    assert.deepStrictEqual(yield* book.candidates(10), [])
  }),

  "tells who is known and forgets who is removed": Effect.gen(function* () {
    const book = yield* PeerBook
    yield* TestClock.adjust(1000)
    yield* book.learn(alice, [at(1)], "config")
    yield* book.succeeded(bob, at(2))
    yield* book.storeCandidate(candidateOf(2, 1000, "192.0.2.3"), "public")
    const peers = yield* book.peers
    assert.deepStrictEqual(
      peers.map(({ configured, did, hadSession, lastSeenMillis }) => [
        did.text,
        configured,
        hadSession,
        lastSeenMillis
      ]),
      [
        [alice.text, true, false, 1000],
        [bob.text, false, true, 1000]
      ]
    )
    const peerOf = (did: Did) => Effect.map(book.peer(did), Option.getOrUndefined)
    assert.deepStrictEqual([yield* peerOf(alice), yield* peerOf(bob)], [...peers])
    assert.isUndefined(yield* peerOf(didNumber(9)))
    yield* book.remove(bob)
    assert.deepStrictEqual(yield* book.addresses(bob), [])
    assert.isTrue(Option.isNone(yield* book.candidate(bob)))
    assert.strictEqual((yield* book.peers).length, 1)
  }),

  "tells of new addresses to dial, and of every newer candidate with one": Effect.gen(function* () {
    const book = yield* PeerBook
    const changed = yield* changesOf(
      Effect.gen(function* () {
        yield* book.learn(alice, [at(1)], "mdns")
        yield* book.learn(alice, [at(1)], "exchange")
        yield* book.storeCandidate(candidateOf(1, 0, "192.0.2.1"), "public")
        yield* book.storeCandidate(candidateOf(2, 0, "192.0.2.2"), "public")
        yield* book.storeCandidate(candidateOf(2, 1, "192.0.2.2", "192.0.2.3"), "public")
        // Nothing in this one may be dialled, and the next one is known already.
        yield* book.storeCandidate(candidateOf(2, 2, "10.0.0.1"), "public")
        yield* book.storeCandidate(candidateOf(2, 2, "10.0.0.1"), "public")
        yield* book.storeCandidate(candidateOf(2, 3, "192.0.2.2"), "public")
        yield* book.storeCandidate(candidateOf(2, 4, "192.0.2.2"), "public")
      })
    )
    assert.deepStrictEqual(changed, [alice.text, alice.text, bob.text, bob.text, bob.text, bob.text])
  }),

  "lets a subscriber who is slow lose the oldest changes only": Effect.gen(function* () {
    const book = yield* PeerBook
    const last = yield* book.changes.pipe(
      Stream.mapEffect((did) => Effect.as(Effect.sleep(1000), did)),
      Stream.filter((did) => did.text === didNumber(1500).text),
      Stream.runHead,
      Effect.forkChild({ startImmediately: true })
    )
    for (let number = 1; number <= 1500; number++) yield* book.learn(didNumber(number), [at(1)], "mdns")
    yield* TestClock.adjust("10 minutes")
    assert.isTrue(Option.isSome(yield* Fiber.join(last)))
  })
}

const candidatesContract: Cases = {
  "keeps a candidate that its member signed, and gives its addresses out, while it holds": Effect.gen(function* () {
    const book = yield* PeerBook
    const candidate = candidateOf(1, 0, "192.0.2.1")
    assert.strictEqual(yield* book.storeCandidate(candidate, "public"), "stored")
    assert.deepStrictEqual(Option.getOrUndefined(yield* book.candidate(alice)), candidate)
    assert.deepStrictEqual(yield* hosts(alice), ["192.0.2.1"])
    yield* TestClock.adjust(candidateTtlMillis)
    assert.deepStrictEqual(yield* book.candidates(10), [candidate])
    assert.strictEqual(yield* book.removeExpired, 0)
    yield* TestClock.adjust(1)
    assert.isTrue(Option.isNone(yield* book.candidate(alice)))
    assert.deepStrictEqual(yield* book.candidates(10), [])
    assert.deepStrictEqual(yield* hosts(alice), [])
    assert.strictEqual(yield* book.removeExpired, 1)
    assert.deepStrictEqual(yield* book.peers, [])
  }),

  "dials where a member listens, and not where a NAT maps it": Effect.gen(function* () {
    const book = yield* PeerBook
    const mapped = { kind: "reflexive", address: quicAt("198.51.100.1", 40_000) } as const
    const key = keyNumber(1)
    assert.strictEqual(
      yield* book.storeCandidate(signedBy(key, { timestamp: 0, addresses: [hostAt("192.0.2.1"), mapped] }), "public"),
      "stored"
    )
    assert.deepStrictEqual(yield* hosts(alice), ["192.0.2.1"])
    // It is there all the same, for a link.
    const behind = signedBy(key, { timestamp: 1, addresses: [mapped] })
    assert.strictEqual(yield* book.storeCandidate(behind, "public"), "stored")
    assert.deepStrictEqual(Option.getOrUndefined(yield* book.candidate(alice)), behind)
    assert.deepStrictEqual(yield* hosts(alice), [])
  }),

  "takes newer candidates only, none that has expired, and none of a clock too far ahead": Effect.gen(function* () {
    const book = yield* PeerBook
    yield* TestClock.adjust(candidateTtlMillis * 2)
    const now = yield* Clock.currentTimeMillis
    const verdict = (timestamp: number, host: string) => book.storeCandidate(candidateOf(1, timestamp, host), "public")
    assert.strictEqual(yield* verdict(now - candidateTtlMillis - 1, "192.0.2.1"), "expired")
    assert.strictEqual(yield* verdict(now + candidateFutureMaxMillis + 1, "192.0.2.2"), "future")
    assert.deepStrictEqual(yield* hosts(alice), [])
    assert.strictEqual(yield* verdict(now, "192.0.2.3"), "stored")
    assert.strictEqual(yield* verdict(now, "192.0.2.4"), "older")
    assert.strictEqual(yield* verdict(now - 1, "192.0.2.5"), "older")
    assert.deepStrictEqual(yield* hosts(alice), ["192.0.2.3"])
    assert.strictEqual(yield* verdict(now + candidateFutureMaxMillis, "192.0.2.6"), "stored")
    assert.deepStrictEqual(yield* hosts(alice), ["192.0.2.6"])
  }),

  "believes no candidate that its member did not sign": Effect.gen(function* () {
    const book = yield* PeerBook
    const candidate = candidateOf(1, 0, "192.0.2.1")
    const forged = [
      { ...candidate, did: bob },
      { ...candidate, timestamp: 1 },
      { ...candidate, addresses: candidateOf(1, 0, "192.0.2.2").addresses },
      { ...candidate, signature: candidate.signature.with(0, (candidate.signature[0] ?? 0) ^ 1) }
    ]
    for (const one of forged) assert.strictEqual(yield* book.storeCandidate(one, "public"), "badSignature")
    assert.deepStrictEqual(yield* book.candidates(10), [])
    assert.deepStrictEqual(yield* book.peers, [])
  }),

  "gives out only addresses that whoever brought the candidate may tell of": Effect.gen(function* () {
    const book = yield* PeerBook
    const all = ["127.0.0.1", "10.0.0.1", "192.0.2.1"]
    const candidate = candidateOf(1, 0, ...all)
    assert.strictEqual(yield* book.storeCandidate(candidate, "public"), "stored")
    assert.deepStrictEqual(yield* hosts(alice), ["192.0.2.1"])
    assert.deepStrictEqual(Option.getOrUndefined(yield* book.candidate(alice)), candidate)
    // The same statement, heard by a closer way.
    assert.strictEqual(yield* book.storeCandidate(candidate, "private"), "stored")
    assert.sameMembers([...(yield* hosts(alice))], ["10.0.0.1", "192.0.2.1"])
    assert.strictEqual(yield* book.storeCandidate(candidate, "public"), "older")
    assert.strictEqual(yield* book.storeCandidate(candidate, "loopback"), "stored")
    assert.sameMembers([...(yield* hosts(alice))], all)
    assert.strictEqual(yield* book.storeCandidate(candidateOf(2, 0, "10.0.0.1"), "public"), "unusable")
    assert.strictEqual(yield* book.storeCandidate(candidateOf(3, 0), "loopback"), "unusable")
    assert.deepStrictEqual(yield* hosts(bob), [])
    assert.isTrue(Option.isSome(yield* book.candidate(bob)))
  }),

  "tells candidates on, newest first, but never so that a detour makes them believable": Effect.gen(function* () {
    const book = yield* PeerBook
    const [fromInternet, fromNetwork, plain] = [
      candidateOf(1, 1, "10.0.0.1", "192.0.2.1"),
      candidateOf(2, 3, "10.0.0.2"),
      candidateOf(3, 2, "192.0.2.3")
    ]
    yield* TestClock.adjust(10)
    yield* book.storeCandidate(fromInternet, "public")
    yield* book.storeCandidate(fromNetwork, "private")
    yield* book.storeCandidate(plain, "public")
    assert.deepStrictEqual(yield* book.candidates(10), [fromNetwork, plain, fromInternet])
    assert.deepStrictEqual(yield* book.candidates(2), [fromNetwork, plain])
    assert.deepStrictEqual(yield* book.candidates(0), [])
    assert.deepStrictEqual(yield* book.candidates(10, "public"), [fromNetwork, plain, fromInternet])
    assert.deepStrictEqual(yield* book.candidates(10, "private"), [fromNetwork, plain])
    assert.isTrue(Option.isNone(yield* book.candidate(alice, "private")))
    assert.isTrue(Option.isSome(yield* book.candidate(alice, "public")))
  })
}

const countsEachCandidate = Effect.gen(function* () {
  const [book, metrics] = [yield* PeerBook, yield* Metrics]
  yield* TestClock.adjust(candidateTtlMillis * 2)
  const now = yield* Clock.currentTimeMillis
  yield* book.storeCandidate(candidateOf(1, now, "192.0.2.1"), "public")
  yield* book.storeCandidate(candidateOf(1, now, "192.0.2.1"), "public")
  yield* book.storeCandidate(candidateOf(2, 0, "192.0.2.1"), "public")
  yield* book.storeCandidate(candidateOf(2, now * 2, "192.0.2.1"), "public")
  yield* book.storeCandidate({ ...candidateOf(2, now), did: didNumber(3) }, "public")
  yield* book.storeCandidate(candidateOf(0, now), "public")
  yield* book.storeCandidate(candidateOf(4, now, "10.0.0.1"), "public")
  assert.strictEqual(yield* metrics.value(candidatesReceived, {}), 7)
  assert.strictEqual(yield* metrics.value(candidatesStaleRejected, {}), 2)
  for (const reason of ["bad_signature", "future", "own", "unusable"] as const) {
    assert.strictEqual(yield* metrics.value(candidatesRejected, { reason }), 1, reason)
  }
  assert.strictEqual(yield* metrics.value(candidatesCached, {}), 2)
  yield* TestClock.adjust(candidateTtlMillis + 1)
  assert.strictEqual(yield* metrics.value(candidatesExpired, {}), 0)
  assert.strictEqual(yield* book.removeExpired, 2)
  assert.strictEqual(yield* metrics.value(candidatesExpired, {}), 2)
  assert.strictEqual(yield* metrics.value(candidatesCached, {}), 0)
})

export const peerBookContract = (name: string, layer: Layer.Layer<PeerBook, DataDirectoryError>) =>
  describe(`${name} as PeerBook`, () => {
    const cases = { ...addressesContract, ...candidatesContract }
    for (const [title, effect] of Object.entries(cases)) it.effect(title, () => effect.pipe(Effect.provide(layer)))

    it.effect("counts what becomes of candidates", () =>
      countsEachCandidate.pipe(Effect.provide(layer.pipe(Layer.provideMerge(MetricsMemory.layer))))
    )

    it.effect("ends its changes with its scope", () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const context = yield* Layer.buildWithScope(layer, scope)
        const { changes, learn } = Context.get(context, PeerBook)
        const before = yield* Stream.runCollect(changes).pipe(Effect.forkChild({ startImmediately: true }))
        yield* learn(alice, [at(1)], "mdns")
        yield* Effect.yieldNow
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(
          (yield* Fiber.join(before)).map(({ text }) => text),
          [alice.text]
        )
        assert.deepStrictEqual(yield* Stream.runCollect(changes), [])
      })
    )
  })
