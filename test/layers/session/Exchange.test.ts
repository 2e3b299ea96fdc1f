import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { peerExchangeRequests } from "../../../src/domain/metrics.ts"
import { format } from "../../../src/domain/peerAddress.ts"
import type { ControlMessage } from "../../../src/protocol/sessionControl.ts"
import { failure } from "../../contract/SessionManager.ts"
import { candidateOf, hostAt, signedBy } from "../../fixtures/connectionCandidates.ts"
import { didNumber, keyNumber } from "../../fixtures/dids.ts"
import { makeSessionNode, portOf, type SessionNode } from "../../fixtures/sessionNodes.ts"
import { home, makeRogue, within, world } from "../../fixtures/sessionRogue.ts"

/** An address of each scope, the widest first, and one where nobody can be. */
const addresses = {
  public: "203.0.113.9",
  private: "10.0.0.9",
  linkLocal: "169.254.0.9",
  loopback: "127.0.0.9",
  unusable: "224.0.0.9"
}
const everywhere = Object.values(addresses)

const textsOf = (numbers: ReadonlyArray<number>) => numbers.map((number) => didNumber(number).text)

const hostsKnown = (node: SessionNode, number: number) =>
  Effect.map(node.book.addresses(didNumber(number)), (all) => all.map(({ host }) => host))

const peersResponse = (id: number, numbers: ReadonlyArray<number>, hosts: ReadonlyArray<string>): ControlMessage => ({
  _tag: "PeersResponse",
  id,
  peers: numbers.map((number) => ({
    did: didNumber(number),
    addresses: hosts.map((host) => format({ did: didNumber(number), address: { host, port: 1, transport: "any" } }))
  })),
  totalKnown: numbers.length
})

describe("what may be told", () => {
  const entitled = {
    "198.51.100.2": [addresses.public],
    "10.0.0.2": [addresses.public, addresses.private],
    "127.0.0.2": [addresses.public, addresses.private, addresses.linkLocal, addresses.loopback]
  }
  for (const [host, allowed] of Object.entries(entitled)) {
    it.effect(
      `by a member at ${host} is of ${allowed.join(", ")} only, in every message, and nothing else is dialled`,
      () =>
        Effect.gen(function* () {
          const now = yield* Clock.currentTimeMillis
          const { node, rogues } = yield* world(
            [
              {
                number: 2,
                host,
                hello: { candidate: candidateOf(2, now, ...everywhere) },
                answer: (message) => {
                  if (message._tag === "Find") {
                    return { _tag: "Found", id: message.id, candidate: candidateOf(5, now, ...everywhere) }
                  }
                  return message._tag === "PeersRequest"
                    ? peersResponse(message.id, [4], [...everywhere, "name.example"])
                    : undefined
                }
              }
            ],
            { dialsHeardOf: true, peerExchangeMaxPeers: 10 }
          )
          yield* TestClock.adjust("1 second")
          yield* (
            rogues[0]?.sessions[0]?.send({ _tag: "Candidates", candidates: [candidateOf(3, now, ...everywhere)] }) ??
              Effect.void
          )
          yield* TestClock.adjust("1 second")
          yield* within(5000, failure(node.manager.dial(didNumber(5))))
          yield* TestClock.adjust("10 seconds")
          assert.sameMembers([...(yield* hostsKnown(node, 2))], [host, ...allowed])
          for (const told of [3, 4, 5])
            assert.sameMembers([...(yield* hostsKnown(node, told))], allowed, `member ${told}`)
          const dialled = new Set(node.dials.map(({ target }) => target.host))
          assert.sameMembers([...dialled], [host, ...allowed])
        })
    )
  }

  it.effect("holds for a member that came to us, by where it came from", () =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const { network, node } = yield* world([])
      const rogue = yield* makeRogue(network, {
        number: 2,
        host: "198.51.100.2",
        hello: { candidate: candidateOf(2, now, ...everywhere) }
      })
      yield* within(1000, rogue.dial(1, home))
      assert.deepStrictEqual(yield* hostsKnown(node, 2), [addresses.public])
    })
  )

  it.effect("by this node is what the other one may know, and what does not become believable by the detour", () =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const near = { number: 3, host: "10.0.0.3", hello: { candidate: candidateOf(3, now, "10.0.0.3") } }
      const far = {
        number: 4,
        host: "198.51.100.4",
        hello: { candidate: candidateOf(4, now, "198.51.100.4", "10.0.0.4") }
      }
      const { network, node } = yield* world([near, far], { peerExchangeMaxPeers: 10 })
      yield* TestClock.adjust("1 second")
      for (const { candidates, host, number, peers } of [
        // Nobody dials a private address that he hears of over the internet, so it does no harm there.
        { number: 5, host: "198.51.100.5", peers: [4], candidates: [3, 4] },
        // Member 4 named 10.0.0.4 over the internet, and may not have this network believe it.
        { number: 6, host: "10.0.0.6", peers: [3, 4], candidates: [3] }
      ]) {
        const rogue = yield* makeRogue(network, { number, host })
        yield* within(1000, rogue.dial(1, home))
        const [session] = rogue.sessions
        assert.isDefined(session)
        yield* session.send({ _tag: "PeersRequest", id: 1, maxPeers: 100 })
        yield* session.send({ _tag: "Find", id: 2, did: didNumber(4) })
        yield* TestClock.adjust("1 second")
        const messages = session.heard.map(({ message }) => message)
        const response = messages.find((message) => message._tag === "PeersResponse")
        assert.sameMembers(response?.peers.map(({ did }) => did.text) ?? [], textsOf(peers))
        assert.isFalse(response?.peers.some(({ addresses }) => addresses.join().includes("10.0.0.4")))
        const told = messages.find((message) => message._tag === "Candidates")
        assert.sameMembers(told?.candidates.map(({ did }) => did.text) ?? [], textsOf(candidates))
        const found = messages.find((message) => message._tag === "Found")
        assert.strictEqual(found?.candidate?.did.text, candidates.includes(4) ? didNumber(4).text : undefined)
      }
      assert.strictEqual(yield* node.metrics.value(peerExchangeRequests, { direction: "received" }), 2)
    })
  )

  it.effect("is nothing that the member says in another one's name", () =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const { node } = yield* world([
        { number: 2, host: "198.51.100.2", hello: { candidate: candidateOf(3, now, "203.0.113.3") } }
      ])
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* node.manager.sessions).length, 1)
      assert.deepStrictEqual(yield* hostsKnown(node, 3), [])
    })
  )
})

describe("the peer exchange", () => {
  it.effect("asks configured peers only, once, after its delay, and takes no more than its limit", () =>
    Effect.gen(function* () {
      const numbers = Array.from({ length: 20 }, (_, index) => 100 + index)
      const answer = (message: ControlMessage) =>
        message._tag === "PeersRequest" ? peersResponse(message.id, numbers, ["203.0.113.9"]) : undefined
      const { network, node, rogues } = yield* world([{ number: 2, host: "198.51.100.2", answer }], {
        peerExchangeMaxPeers: 5,
        peerExchangeDelayMillis: 700
      })
      const stranger = yield* makeRogue(network, { number: 3, host: "198.51.100.3", answer })
      yield* within(100, stranger.dial(1, home))
      yield* TestClock.adjust("1 minute")
      const asked = rogues[0]?.sessions[0]?.heard.filter(({ message }) => message._tag === "PeersRequest") ?? []
      const [session] = yield* node.manager.sessions
      assert.strictEqual(asked.length, 1)
      assert.strictEqual(asked[0]?.atMillis, (session?.openedAtMillis ?? 0) + 700 + 1)
      assert.deepStrictEqual(asked[0]?.message, {
        _tag: "PeersRequest",
        id: asked[0]?.message._tag === "PeersRequest" ? asked[0].message.id : -1,
        maxPeers: 5
      })
      const known = yield* Effect.filter(numbers, (number) =>
        Effect.map(hostsKnown(node, number), (hosts) => hosts.length > 0)
      )
      assert.deepStrictEqual(known, numbers.slice(0, 5))
      assert.isTrue(stranger.sessions[0]?.heard.every(({ message }) => message._tag !== "PeersRequest"))
      assert.strictEqual((yield* node.manager.sessions).length, 2)
    })
  )

  it.effect("tells no more than was asked for, nor than its own limit", () =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const others = [3, 4, 5, 6, 7, 8].map((number) => {
        const host = `198.51.100.${number}`
        return { number, host, hello: { candidate: candidateOf(number, now, host) } }
      })
      const { network } = yield* world(others, { peerExchangeMaxPeers: 3 })
      const rogue = yield* makeRogue(network, { number: 2, host: "198.51.100.2" })
      yield* within(1000, rogue.dial(1, home))
      const [session] = rogue.sessions
      assert.isDefined(session)
      for (const [id, maxPeers] of [1000, 2, 0].entries()) yield* session.send({ _tag: "PeersRequest", id, maxPeers })
      yield* TestClock.adjust("1 second")
      const answers = session.heard.flatMap(({ message }) => (message._tag === "PeersResponse" ? [message] : []))
      assert.deepStrictEqual(
        answers.map(({ id, peers, totalKnown }) => [id, peers.length, totalKnown]),
        [
          [0, 3, 6],
          [1, 2, 6],
          [2, 0, 6]
        ]
      )
    })
  )

  it.effect("tells the six best addresses of each member, so that the longest answer fits into a frame", () =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const hosts = Array.from({ length: 16 }, (_, index) => `203.0.113.${index + 1}`)
      const { network } = yield* world(
        [{ number: 3, host: "198.51.100.3", hello: { candidate: candidateOf(3, now, ...hosts) } }],
        { peerExchangeMaxPeers: 10 }
      )
      const rogue = yield* makeRogue(network, { number: 2, host: "198.51.100.2" })
      yield* within(1000, rogue.dial(1, home))
      yield* rogue.sessions[0]?.send({ _tag: "PeersRequest", id: 1, maxPeers: 10 }) ?? Effect.void
      yield* TestClock.adjust("1 second")
      const messages = rogue.sessions[0]?.heard.map(({ message }) => message) ?? []
      const response = messages.find((message) => message._tag === "PeersResponse")
      assert.strictEqual(response?.peers[0]?.addresses.length, 6)
      assert.include(response?.peers[0]?.addresses[0], "198.51.100.3")
    })
  )

  it.effect("survives a peer that never answers", () =>
    Effect.gen(function* () {
      const { node } = yield* world([{ number: 2, host: "198.51.100.2" }], { peerExchangeMaxPeers: 5 })
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* node.manager.sessions).length, 1)
    })
  )
})

const wanted = 9
const found =
  (candidate: (now: number) => ReturnType<typeof candidateOf> | null, now: number) =>
  (message: ControlMessage): ControlMessage | undefined =>
    message._tag === "Find" ? { _tag: "Found", id: message.id, candidate: candidate(now) } : undefined
const truth = (now: number) =>
  signedBy(keyNumber(wanted), { timestamp: now, addresses: [hostAt("203.0.113.9", portOf(wanted))] })

describe("the question where a member is", () => {
  it.effect("is answered by the right member's signed candidate, and by nothing else", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("1 hour")
      const now = yield* Clock.currentTimeMillis
      const lies: ReadonlyArray<(now: number) => ReturnType<typeof candidateOf> | null> = [
        () => null,
        (now) => candidateOf(8, now, "203.0.113.9"),
        (now) => ({ ...truth(now), timestamp: now + 1 }),
        (now) => ({ ...candidateOf(8, now, "203.0.113.9"), did: didNumber(wanted) }),
        (now) => truth(now - 600_000),
        (now) => candidateOf(wanted, now, "10.0.0.9")
      ]
      for (const lie of lies) {
        const { network, node } = yield* world([{ number: 2, host: "198.51.100.2", answer: found(lie, now) }])
        yield* makeSessionNode(network, { number: wanted, host: "203.0.113.9" })
        yield* TestClock.adjust("100 millis")
        const reason = yield* within(100, failure(node.manager.dial(didNumber(wanted))))
        assert.strictEqual(reason?._tag, "PeerUnknown")
        assert.deepStrictEqual(yield* hostsKnown(node, wanted), [])
      }
      const { network, node } = yield* world([{ number: 2, host: "198.51.100.2", answer: found(truth, now) }])
      yield* makeSessionNode(network, { number: wanted, host: "203.0.113.9" })
      yield* TestClock.adjust("100 millis")
      const session = yield* within(100, node.manager.dial(didNumber(wanted)))
      assert.strictEqual(session.did.text, didNumber(wanted).text)
    })
  )

  it.effect("is not delayed by neighbours that are silent or lie, and waits 3 s for the last of them", () =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const silent = { number: 2, host: "198.51.100.2", answer: () => undefined }
      const liar = { number: 3, host: "198.51.100.3", answer: found((now) => candidateOf(8, now, "203.0.113.9"), now) }
      const honest = { number: 4, host: "198.51.100.4", answer: found(truth, now) }
      const { network, node } = yield* world([silent, liar, honest])
      yield* makeSessionNode(network, { number: wanted, host: "203.0.113.9" })
      yield* TestClock.adjust("100 millis")
      yield* within(100, node.manager.dial(didNumber(wanted)))
      const without = yield* world([silent, liar])
      yield* TestClock.adjust("100 millis")
      const asking = yield* Effect.forkChild(failure(without.node.manager.dial(didNumber(wanted))))
      yield* TestClock.adjust(2999)
      assert.isUndefined(asking.pollUnsafe())
      yield* TestClock.adjust(2)
      assert.strictEqual((yield* Fiber.join(asking))?._tag, "PeerUnknown")
    })
  )
})
