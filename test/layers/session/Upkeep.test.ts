import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Logger, Option, Stream } from "effect"
import { TestClock } from "effect/testing"
import {
  networkPeersDiscovered,
  peerExchangeDialFailures,
  peerExchangePeersDialed,
  supervisorErrors
} from "../../../src/domain/metrics.ts"
import type { PeerAddress } from "../../../src/domain/peerAddress.ts"
import { make as makeNetwork } from "../../../src/layers/session/memory/Network.ts"
import type { Wire } from "../../../src/layers/session/Wire.ts"
import type { SessionEvent } from "../../../src/services/SessionManager.ts"
import { signedBy } from "../../fixtures/connectionCandidates.ts"
import { didNumber, keyNumber } from "../../fixtures/dids.ts"
import { makeSessionNode, type SessionNode, uriOf } from "../../fixtures/sessionNodes.ts"

const [here, there, elsewhere] = ["198.51.100.1", "198.51.100.2", "198.51.100.3"] as const
/** Nothing of its own but what a test is about. */
const passive = { dialsHeardOf: false, peerExchangeMaxPeers: 0 }
/** A transport that never notices a silent connection by itself. */
const patient = { latencyMillis: 1, idleTimeoutMillis: 3_600_000 }

/** Collects what happens to a node's sessions, with its time. */
const watch = Effect.fnUntraced(function* (node: SessionNode) {
  const seen: Array<{ readonly event: SessionEvent; readonly atMillis: number }> = []
  yield* Effect.forkScoped(
    Stream.runForEach(node.manager.events, (event) =>
      Effect.map(Clock.currentTimeMillis, (atMillis) => void seen.push({ event, atMillis }))
    ),
    { startImmediately: true }
  )
  return seen
})

const signedCandidate = (number: number, timestamp: number, address: PeerAddress) =>
  signedBy(keyNumber(number), { addresses: [{ kind: "host", address }], timestamp })
const tags = (seen: ReadonlyArray<{ readonly event: SessionEvent }>) => seen.map(({ event }) => event._tag)
const times = (node: SessionNode) => node.dials.map(({ atMillis }) => atMillis)
const rtt = (from: SessionNode, to: SessionNode) =>
  Effect.map(from.manager.path(to.did), (path) => Option.getOrThrow(path).rttMs)
const failing = (node: SessionNode) => node.metrics.value(supervisorErrors, { operation: "session_upkeep" })
const sessions = (node: SessionNode) => Effect.map(node.manager.sessions, (all) => all.length)

describe("staying connected", () => {
  it.effect("dials a bootstrap peer for ever, with pauses that double up to a minute, of which chance takes half", () =>
    Effect.gen(function* () {
      for (const { chance, pauses } of [
        { chance: 0, pauses: [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000] },
        { chance: 0.5, pauses: [1500, 3000, 6000, 12_000, 24_000, 45_000, 45_000, 45_000] },
        { chance: 1 - Number.EPSILON, pauses: [2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000] }
      ]) {
        const network = yield* makeNetwork()
        const started = yield* Clock.currentTimeMillis
        const node = yield* makeSessionNode(network, {
          ...passive,
          number: 1,
          host: here,
          chance,
          bootstrapPeers: [uriOf(2, there)]
        })
        yield* TestClock.adjust("10 minutes")
        // Each attempt is refused after a round trip of 2 ms.
        let at = started
        const expected = [at, ...pauses.map((pause) => (at += pause + 2))]
        assert.deepStrictEqual(times(node).slice(0, expected.length), expected)
        assert.isAtLeast(node.dials.length, 14)
        yield* node.stop
      }
    })
  )

  it.effect("warns of another member at a bootstrap address at once and every ten minutes, by both DIDs", () => {
    const warnings: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => {
      if (logLevel === "Warn") warnings.push(String(message))
    })
    return Effect.gen(function* () {
      const network = yield* makeNetwork()
      const other = yield* makeSessionNode(network, { ...passive, number: 3, host: there })
      const wanted = { did: didNumber(2), address: other.uri.address }
      yield* makeSessionNode(network, { ...passive, number: 1, host: here, bootstrapPeers: [wanted] })
      yield* TestClock.adjust("1 second")
      assert.strictEqual(warnings.length, 1)
      assert.include(warnings[0], wanted.did.text)
      assert.include(warnings[0], other.did.text)
      assert.include(warnings[0], there)
      yield* TestClock.adjust("9 minutes")
      assert.strictEqual(warnings.length, 1)
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual(warnings.length, 2)
    }).pipe(Effect.provide(Logger.layer([logger])))
  })

  it.effect("warns of a bootstrap peer that stays away, but not of one that restarts, nor of others", () => {
    const warnings: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => {
      if (logLevel === "Warn") warnings.push(String(message))
    })
    return Effect.gen(function* () {
      const network = yield* makeNetwork()
      const bootstrapPeers = [uriOf(2, there)]
      const node = yield* makeSessionNode(network, { number: 1, host: here, chance: 0, bootstrapPeers })
      yield* node.book.learn(didNumber(3), [uriOf(3, elsewhere).address], "exchange")
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(warnings, [])
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(warnings.length, 1)
      assert.include(warnings[0], didNumber(2).text)
    }).pipe(Effect.provide(Logger.layer([logger])))
  })

  it.effect("comes back within a second of a lost session, and connects as soon as the peer is there", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork()
      const bootstrapPeers = [uriOf(2, there)]
      const node = yield* makeSessionNode(network, { ...passive, number: 1, host: here, chance: 0, bootstrapPeers })
      const first = yield* makeSessionNode(network, { ...passive, number: 2, host: there })
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* sessions(node), 1)
      const seen = yield* watch(node)
      yield* TestClock.adjust("5 seconds")
      const stopping = yield* Effect.forkChild(first.stop)
      yield* TestClock.adjust("100 millis")
      yield* Fiber.join(stopping)
      assert.strictEqual(yield* sessions(node), 0)
      const second = yield* makeSessionNode(network, { ...passive, number: 2, host: there })
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* sessions(node), 1)
      assert.strictEqual(yield* sessions(second), 1)
      assert.deepStrictEqual(tags(seen), ["Closed", "Opened"])
      assert.isAtMost((seen[1]?.atMillis ?? Infinity) - (seen[0]?.atMillis ?? 0), 600)
    })
  )

  it.effect("goes more and more slowly to a member that ends each session soon", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork({ latencyMillis: 1 })
      const bootstrapPeers = [uriOf(2, there)]
      // So that the other one cannot dial back.
      const quiet = { ...passive, announceAddresses: "none" as const, chance: 0 }
      const node = yield* makeSessionNode(network, { ...quiet, number: 1, host: here, bootstrapPeers })
      const rude = yield* makeSessionNode(network, { ...passive, number: 2, host: there })
      yield* Effect.forkScoped(
        Stream.runForEach(rude.manager.events, (event) =>
          event._tag === "Opened" ? Effect.delay(rude.manager.close(event.session.did), 100) : Effect.void
        ),
        { startImmediately: true }
      )
      yield* TestClock.adjust("10 minutes")
      assert.isAtLeast(node.dials.length, 10)
      assert.isAtMost(node.dials.length, 30)
    })
  )

  it.effect("gives up a member that nobody configured after ten failures, and takes it up when it is heard of", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork()
      const node = yield* makeSessionNode(network, { number: 1, host: here, chance: 0 })
      const { address, did } = uriOf(2, there)
      // From this source an address stays in the book, so that it is the upkeep that gives up.
      yield* node.book.learn(did, [address], "config")
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(node.dials.length, 10)
      yield* node.book.learn(did, [{ ...address, port: 4 }], "exchange")
      yield* TestClock.adjust("1 hour")
      // Once, at both addresses.
      assert.deepStrictEqual(
        node.dials.slice(10).map(({ target }) => target.port),
        [4, address.port]
      )
      const news = yield* makeSessionNode(network, { ...passive, number: 2, host: there, port: 5 })
      yield* node.book.learn(did, [news.uri.address], "exchange")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* sessions(node), 1)
      assert.strictEqual(yield* node.metrics.value(peerExchangePeersDialed, {}), 12)
      assert.strictEqual(yield* node.metrics.value(peerExchangeDialFailures, {}), 11)
      assert.strictEqual(yield* node.metrics.value(networkPeersDiscovered, {}), 1)
    })
  )

  it.effect("tries a member that was given up once for each fresh candidate, and at most once a minute", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork()
      const node = yield* makeSessionNode(network, { number: 1, host: here, chance: 0 })
      const { address, did } = uriOf(2, there)
      const hear = Effect.gen(function* () {
        const candidate = signedCandidate(2, yield* Clock.currentTimeMillis, address)
        assert.strictEqual(yield* node.book.storeCandidate(candidate, "public"), "stored")
      })
      // So that the address stays in the book, as one does that has worked.
      yield* node.book.learn(did, [address], "config")
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(node.dials.length, 10)
      yield* hear
      yield* TestClock.adjust("1 second")
      assert.strictEqual(node.dials.length, 11)
      for (let count = 0; count < 50; count++) {
        yield* hear
        yield* TestClock.adjust("1 second")
      }
      assert.strictEqual(node.dials.length, 11)
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(node.dials.length, 12)
      assert.strictEqual((times(node)[11] ?? 0) - (times(node)[10] ?? 0), 60_000)
      yield* makeSessionNode(network, { ...passive, number: 2, host: there })
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(yield* sessions(node), 0)
      yield* hear
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* sessions(node), 1)
    })
  )

  it.effect("keeps whoever came to it, once it is told where to go", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork({ latencyMillis: 1 })
      const node = yield* makeSessionNode(network, { ...passive, number: 1, host: here, chance: 0 })
      const guest = yield* makeSessionNode(network, { ...passive, number: 2, host: there })
      yield* guest.book.learn(node.did, [node.uri.address], "config")
      const dialling = yield* Effect.forkChild(guest.manager.dial(node.did))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(dialling)
      assert.deepStrictEqual(times(node), [])
      const stopping = yield* Effect.forkChild(guest.stop)
      yield* TestClock.adjust("100 millis")
      yield* Fiber.join(stopping)
      yield* makeSessionNode(network, { ...passive, number: 2, host: there })
      yield* TestClock.adjust("2 seconds")
      assert.isAtLeast(node.dials.length, 1)
      assert.strictEqual(yield* sessions(node), 1)
    })
  )
})

describe("silence", () => {
  // Every moment of a heartbeat's period, on a near and on a far way.
  const cuts = [1, 2500].flatMap((latencyMillis) =>
    Array.from({ length: 12 }, (_, index) => ({ latencyMillis, offset: index * 1300 }))
  )
  it.effect("closes a silent session on both sides after 25 s of it, and dials again after the way has healed", () =>
    Effect.gen(function* () {
      for (const { latencyMillis, offset } of cuts) {
        const network = yield* makeNetwork(patient)
        const bootstrapPeers = [uriOf(2, there)]
        const a = yield* makeSessionNode(network, { ...passive, number: 1, host: here, bootstrapPeers })
        const b = yield* makeSessionNode(network, { ...passive, number: 2, host: there })
        yield* TestClock.adjust("5 seconds")
        network.setConditions({ latencyMillis })
        yield* TestClock.adjust(55_000 + offset)
        assert.deepStrictEqual([yield* sessions(a), yield* sessions(b)], [1, 1])
        const [seenByA, seenByB] = [yield* watch(a), yield* watch(b)]
        const cut = yield* Clock.currentTimeMillis
        network.partition([here])
        yield* TestClock.adjust("31 seconds")
        for (const [event] of [seenByA, seenByB]) {
          const told = `${latencyMillis} ms away, cut ${offset} ms after a minute`
          assert.strictEqual(event?.event._tag, "Closed", told)
          // The last word was heard up to a heartbeat before the cut.
          assert.isAtLeast((event?.atMillis ?? 0) - cut, 14_990, told)
          assert.isAtMost((event?.atMillis ?? 0) - cut, 25_000, told)
        }
        network.setConditions({ latencyMillis: 1 })
        network.heal()
        yield* TestClock.adjust("90 seconds")
        assert.deepStrictEqual([yield* sessions(a), yield* sessions(b)], [1, 1])
        yield* Effect.all([a.stop, b.stop], { concurrency: 2 }).pipe(Effect.forkChild)
        yield* TestClock.adjust("20 seconds")
        assert.deepStrictEqual(network.links, [])
      }
    })
  )

  it.effect("measures the round trip every ten seconds", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork({ latencyMillis: 40 })
      const bootstrapPeers = [uriOf(2, there)]
      const a = yield* makeSessionNode(network, { ...passive, number: 1, host: here, bootstrapPeers })
      const b = yield* makeSessionNode(network, { ...passive, number: 2, host: there })
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual([yield* rtt(a, b), yield* rtt(b, a)], [80, 80])
      network.setConditions({ latencyMillis: 150 })
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual([yield* rtt(a, b), yield* rtt(b, a)], [300, 300])
      network.setConditions({ latencyMillis: 6000 })
      yield* TestClock.adjust("1 minute")
      // A round trip of twelve seconds is too long to be measured and no reason to close.
      assert.deepStrictEqual([yield* sessions(a), yield* sessions(b)], [1, 1])
    })
  )
})

describe("a change of addresses", () => {
  it.effect("ends the pauses at once", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork()
      const bootstrapPeers = [uriOf(2, there), uriOf(3, elsewhere)]
      const node = yield* makeSessionNode(network, { ...passive, number: 1, host: here, chance: 0.9, bootstrapPeers })
      yield* TestClock.adjust("10 minutes")
      // Far from the next dial, which comes 57 s after the last.
      const last = times(node).at(-1) ?? 0
      yield* TestClock.adjust(last + 57_002 + 10_000 - (yield* Clock.currentTimeMillis))
      const before = node.dials.length
      node.moveTo({ host: "203.0.113.1", port: 1, transport: "any" })
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(node.dials.length, before + 2)
      assert.strictEqual(new Set(node.dials.slice(-2).map(({ did }) => did)).size, 2)
      // The same addresses in another order are no change.
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(node.dials.length, before + 2)
    })
  )

  it.effect("checks every session: one that does not answer is closed and dialled again, the others stay", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork(patient)
      const bootstrapPeers = [uriOf(2, there), uriOf(3, elsewhere)]
      const node = yield* makeSessionNode(network, { ...passive, number: 1, host: here, bootstrapPeers })
      yield* makeSessionNode(network, { ...passive, number: 2, host: there })
      yield* makeSessionNode(network, { ...passive, number: 3, host: elsewhere })
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* sessions(node), 2)
      const seen = yield* watch(node)
      network.partition([there])
      node.moveTo({ host: "203.0.113.1", port: 1, transport: "any" })
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(
        seen.map(({ event }) => event._tag === "Closed" && event.did.text),
        [didNumber(2).text]
      )
      network.heal()
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(tags(seen), ["Closed", "Opened"])
      assert.strictEqual(yield* sessions(node), 2)
    })
  )
})

describe("a defect", () => {
  it.effect("in a dial is reported, and the member dialled again", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork()
      let broken = true
      const wire = (wire: Wire): Wire => ({
        ...wire,
        dial: (did, target) => (broken ? Effect.die(new Error("a bug in the transport")) : wire.dial(did, target))
      })
      const bootstrapPeers = [uriOf(2, there)]
      const node = yield* makeSessionNode(network, { ...passive, number: 1, host: here, bootstrapPeers, wire })
      yield* makeSessionNode(network, { ...passive, number: 2, host: there })
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* failing(node), 1)
      broken = false
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* sessions(node), 1)
      assert.strictEqual(yield* failing(node), 1)
    })
  )

  it.effect("in reading the addresses is reported, and they are read on", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork()
      let broken = false
      const wire = (wire: Wire): Wire => ({
        ...wire,
        listening: () => {
          if (broken) throw new Error("a bug in reading the interfaces")
          return wire.listening()
        }
      })
      const bootstrapPeers = [uriOf(2, there)]
      const node = yield* makeSessionNode(network, { ...passive, number: 1, host: here, bootstrapPeers, wire })
      yield* TestClock.adjust("5 minutes")
      broken = true
      yield* TestClock.adjust("3 seconds")
      assert.isAtLeast(yield* failing(node), 1)
      broken = false
      const before = node.dials.length
      node.moveTo({ host: "203.0.113.1", port: 1, transport: "any" })
      yield* TestClock.adjust("5 seconds")
      assert.isAbove(node.dials.length, before)
    })
  )
})
