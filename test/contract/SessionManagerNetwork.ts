/** What every `SessionManager` does with many members: settling, finding, staying connected, limits. */
import { assert, describe } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Option, Stream } from "effect"
import {
  bytes,
  echo,
  echoes,
  failure,
  knows,
  passive,
  type SessionFixture,
  sessionsWith,
  type TestNode,
  until
} from "./SessionManager.ts"

export const sessionNetworkContract = (name: string, { node, silent, test }: SessionFixture) =>
  describe(`${name} as SessionManager among others`, () => {
    test(
      "settles on one connection when both sides dial at once, and it works both ways",
      Effect.gen(function* () {
        for (let round = 0; round < 5; round++) {
          const [a, b] = [yield* node(passive), yield* node(passive)]
          yield* a.manager.handle("/test/echo/1", echo)
          yield* b.manager.handle("/test/echo/1", echo)
          yield* knows(a, b)
          yield* knows(b, a)
          yield* Effect.all([a.manager.dial(b.did), b.manager.dial(a.did)], { concurrency: 2 }).pipe(
            // One of the two may see its connection give way; the next dial finds the one that stayed.
            Effect.retry({ times: 3 })
          )
          yield* until(
            Effect.map(Effect.all([sessionsWith(a, b.did), sessionsWith(b, a.did)]), ([x, y]) => x === 1 && y === 1)
          )
          yield* echoes(a, b.did, `a${round}`)
          yield* echoes(b, a.did, `b${round}`)
          const [fromA, fromB] = [yield* a.manager.sessions, yield* b.manager.sessions]
          assert.notStrictEqual(fromA[0]?.direction, fromB[0]?.direction)
          yield* a.stop
          yield* b.stop
        }
      })
    )

    test(
      "shares one attempt among all who dial the same member",
      Effect.gen(function* () {
        const [a, b] = [yield* node(passive), yield* node(passive)]
        yield* knows(a, b)
        const sessions = yield* Effect.all(
          Array.from({ length: 20 }, () => a.manager.dial(b.did)),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(new Set(sessions.map(({ openedAtMillis }) => openedAtMillis)).size, 1)
        assert.strictEqual(yield* sessionsWith(b, a.did), 1)
      })
    )

    test(
      "returns at once from a dial that is interrupted",
      Effect.gen(function* () {
        const [a, b] = [yield* node(passive), yield* node(passive)]
        yield* a.book.learn(b.did, [yield* silent], "config")
        const dial = yield* Effect.forkChild(Effect.exit(a.manager.dial(b.did)))
        yield* Effect.sleep(500)
        assert.isUndefined(dial.pollUnsafe())
        const interrupted = yield* Effect.timeoutOption(Fiber.interrupt(dial), 500)
        assert.isTrue(Option.isSome(interrupted))
        // And the member can be dialled elsewhere right away.
        yield* a.book.remove(b.did)
        yield* knows(a, b)
        yield* a.manager.dial(b.did)
      })
    )

    test(
      "tries the next address beside one that is silent",
      Effect.gen(function* () {
        const [a, b] = [yield* node(passive), yield* node(passive)]
        yield* a.book.learn(b.did, [yield* silent, b.uri.address], "config")
        const session = yield* Effect.timeoutOption(a.manager.dial(b.did), 3000)
        assert.isTrue(Option.isSome(session))
      })
    )

    test(
      "replaces the connection of a member that was restarted, and tells both ends",
      Effect.gen(function* () {
        const a = yield* node({ ...passive, seed: 1 })
        const first = yield* node({ ...passive, seed: 2 })
        const heard: Array<string> = []
        yield* Effect.forkChild(
          Stream.runForEach(a.manager.events, (event) => Effect.sync(() => void heard.push(event._tag))),
          { startImmediately: true }
        )
        yield* knows(a, first)
        yield* a.manager.dial(first.did)
        yield* first.stop
        yield* until(Effect.map(a.manager.sessions, (sessions) => sessions.length === 0))
        const second = yield* node({ ...passive, seed: 2, at: first.uri })
        yield* second.manager.handle("/test/echo/1", echo)
        yield* echoes(a, second.did)
        assert.deepStrictEqual(heard, ["Opened", "Closed", "Opened"])
      })
    )

    test(
      "closes a session for both sides, and tells the other one",
      Effect.gen(function* () {
        const [a, b] = [yield* node(passive), yield* node(passive)]
        yield* knows(a, b)
        const reasons = new Map<TestNode, string>()
        for (const one of [a, b]) {
          yield* Effect.forkChild(
            Stream.runForEach(one.manager.events, (event) =>
              Effect.sync(() => void (event._tag === "Closed" && reasons.set(one, event.reason)))
            ),
            { startImmediately: true }
          )
        }
        yield* a.manager.dial(b.did)
        yield* until(Effect.map(sessionsWith(b, a.did), (count) => count === 1))
        yield* a.manager.close(b.did)
        assert.strictEqual(yield* sessionsWith(a, b.did), 0)
        yield* until(Effect.map(sessionsWith(b, a.did), (count) => count === 0))
        yield* until(Effect.sync(() => reasons.size === 2))
        assert.strictEqual(reasons.get(a), "closed by this node")
        assert.include(reasons.get(b), "it said goodbye: closed by this node")
      })
    )

    test(
      "measures the round trip",
      Effect.gen(function* () {
        const [a, b] = [yield* node(passive), yield* node(passive)]
        yield* knows(a, b)
        const rttMs = yield* a.manager.ping(b.did)
        assert.isAbove(rttMs, 0)
        const path = yield* a.manager.path(b.did)
        assert.isAbove(Option.getOrThrow(path).rttMs ?? 0, 0)
        assert.strictEqual((yield* failure(a.manager.ping(a.did)))?._tag, "PeerIsSelf")
      })
    )

    test(
      "stays connected to a bootstrap peer, across its restart",
      Effect.gen(function* () {
        const first = yield* node({ ...passive, seed: 3 })
        const a = yield* node({ ...passive, bootstrapPeers: [first.uri] })
        yield* until(Effect.map(sessionsWith(a, first.did), (count) => count === 1))
        yield* first.stop
        yield* until(Effect.map(sessionsWith(a, first.did), (count) => count === 0))
        const second = yield* node({ ...passive, seed: 3, at: first.uri })
        yield* until(Effect.map(sessionsWith(a, second.did), (count) => count === 1))
      })
    )

    test(
      "finds a member of whom only a neighbour knows",
      Effect.gen(function* () {
        const hub = yield* node(passive)
        const a = yield* node({ ...passive, peerExchangeMaxPeers: 0, bootstrapPeers: [hub.uri] })
        const b = yield* node({ ...passive, peerExchangeMaxPeers: 0, bootstrapPeers: [hub.uri] })
        // There is somebody to ask, who has heard where the member is.
        yield* until(Effect.map(sessionsWith(a, hub.did), (count) => count === 1))
        yield* until(Effect.map(hub.book.candidate(b.did), Option.isSome))
        const session = yield* a.manager.dial(b.did)
        assert.strictEqual(session.did.text, b.did.text)
      })
    )

    test(
      "connects the members that a bootstrap peer knows",
      Effect.gen(function* () {
        const hub = yield* node()
        const a = yield* node({ bootstrapPeers: [hub.uri] })
        const b = yield* node({ bootstrapPeers: [hub.uri] })
        yield* until(Effect.map(sessionsWith(a, b.did), (count) => count === 1))
        yield* until(Effect.map(sessionsWith(b, a.did), (count) => count === 1))
      })
    )

    test(
      "refuses sessions and streams beyond its limits",
      Effect.gen(function* () {
        const b = yield* node({ ...passive, connectionsMax: 1, streamsPerPeerMax: 2 })
        const [a, c] = [yield* node(passive), yield* node(passive)]
        yield* b.manager.handle("/test/echo/1", echo)
        yield* knows(a, b)
        yield* knows(c, b)
        yield* a.manager.dial(b.did)
        assert.isTrue(Exit.isFailure(yield* Effect.exit(c.manager.dial(b.did))))
        const open = yield* Effect.all([a.manager.open(b.did, "/test/echo/1"), a.manager.open(b.did, "/test/echo/1")])
        for (const stream of open) {
          yield* stream.send(bytes("x"))
          yield* stream.receive
        }
        const third = yield* Effect.exit(
          Effect.gen(function* () {
            const stream = yield* a.manager.open(b.did, "/test/echo/1")
            return yield* stream.receive
          }).pipe(Effect.scoped)
        )
        assert.isTrue(Exit.isFailure(third) && !Cause.hasInterruptsOnly(third.cause))
      })
    )

    test(
      "signs a candidate that others accept",
      Effect.gen(function* () {
        const [a, b] = [yield* node(passive), yield* node(passive)]
        const candidate = yield* a.manager.connectionCandidate
        assert.isAbove(candidate.addresses.length, 0)
        assert.strictEqual(yield* b.book.storeCandidate(candidate, "loopback"), "stored")
        const silentNode = yield* node({ ...passive, announceAddresses: "none" })
        assert.deepStrictEqual((yield* silentNode.manager.connectionCandidate).addresses, [])
      })
    )
  })
