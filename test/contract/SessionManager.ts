/** What every `SessionManager` does: run by the layers' tests, over real sockets and in memory under TestClock. */
import { assert, describe } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Option, type Scope, Stream } from "effect"
import type { Did } from "../../src/domain/did.ts"
import type { PeerUri } from "../../src/domain/peerAddress.ts"
import type { SessionOptions } from "../../src/layers/session/Settings.ts"
import type { PeerBook } from "../../src/services/PeerBook.ts"
import {
  SessionError,
  type SessionListenFailed,
  type SessionManager,
  type SessionStream
} from "../../src/services/SessionManager.ts"

export interface TestNode {
  readonly manager: SessionManager["Service"]
  readonly book: PeerBook["Service"]
  readonly did: Did
  /** Where it listens. */
  readonly uri: PeerUri
  /** Stops it in good order, before the scope does. */
  readonly stop: Effect.Effect<void>
}

export interface TestNodeOptions extends SessionOptions {
  /** The identity, by number; a new one each time unless given. */
  readonly seed?: number
  /** Listens where this one did. */
  readonly at?: PeerUri
}

export interface SessionFixture {
  /** A node that runs until the scope closes or it is stopped. */
  readonly node: (options?: TestNodeOptions) => Effect.Effect<TestNode, SessionListenFailed, Scope.Scope>
  /** An address of this network at which nobody answers, not even to refuse. */
  readonly silent: Effect.Effect<PeerUri["address"], never, Scope.Scope>
  /** Registers a test, in which sleeping takes virtual or real time. */
  readonly test: (name: string, body: Effect.Effect<void, unknown, Scope.Scope>) => void
}

/** Waits until a condition holds. */
export const until = (condition: Effect.Effect<boolean>): Effect.Effect<void> =>
  Effect.flatMap(condition, (holds) => (holds ? Effect.void : Effect.andThen(Effect.sleep(10), until(condition))))

export const reasonOf = <A>(exit: Exit.Exit<A, unknown>): SessionError["reason"] | undefined => {
  const error = Option.getOrUndefined(Exit.findErrorOption(exit))
  return error instanceof SessionError ? error.reason : undefined
}
export const failure = <A>(effect: Effect.Effect<A, SessionError>) => Effect.map(Effect.exit(effect), reasonOf)

export const echo = (stream: SessionStream) => Stream.runForEach(stream.frames, stream.send)
const text = (frame: Uint8Array): string => new TextDecoder().decode(frame)
export const bytes = (content: string): Uint8Array => new TextEncoder().encode(content)

export const knows = (a: TestNode, b: TestNode) => a.book.learn(b.did, [b.uri.address], "config")
/** Nothing of its own, so that a test sees only what it does. */
export const passive: TestNodeOptions = { dialsHeardOf: false }
export const sessionsWith = (node: TestNode, did: Did) =>
  Effect.map(node.manager.sessions, (sessions) => sessions.filter((session) => session.did.text === did.text).length)

/** Sends a text and expects it back. */
export const echoes = Effect.fnUntraced(function* (from: TestNode, to: Did, content = "hello") {
  const stream = yield* from.manager.open(to, "/test/echo/1")
  yield* stream.send(bytes(content))
  yield* stream.end
  const frames = yield* Stream.runCollect(stream.frames)
  assert.deepStrictEqual(frames.map(text), [content])
}, Effect.scoped)

export const sessionContract = (name: string, { node, test }: SessionFixture) =>
  describe(`${name} as SessionManager`, () => {
    test(
      "opens one session that both sides see, with the other one's proven DID",
      Effect.gen(function* () {
        const [a, b] = [yield* node(passive), yield* node(passive)]
        const heard = yield* b.manager.events.pipe(
          Stream.take(1),
          Stream.runCollect,
          Effect.forkChild({ startImmediately: true })
        )
        yield* knows(a, b)
        const session = yield* a.manager.dial(b.did)
        assert.strictEqual(session.did.text, b.did.text)
        assert.strictEqual(session.direction, "outbound")
        assert.strictEqual(session.path.kind, "direct")
        yield* until(Effect.map(sessionsWith(b, a.did), (count) => count === 1))
        const [event] = yield* Fiber.join(heard)
        assert.strictEqual(event?._tag, "Opened")
        if (event?._tag === "Opened") {
          assert.strictEqual(event.session.did.text, a.did.text)
          assert.strictEqual(event.session.direction, "inbound")
        }
        const again = yield* a.manager.dial(b.did)
        assert.strictEqual(again.openedAtMillis, session.openedAtMillis)
        assert.strictEqual(yield* sessionsWith(a, b.did), 1)
      })
    )

    test(
      "says why a member is not reached: itself, unknown, nobody there, somebody else there",
      Effect.gen(function* () {
        const [a, b, c] = [yield* node(passive), yield* node(passive), yield* node(passive)]
        assert.strictEqual((yield* failure(a.manager.dial(a.did)))?._tag, "PeerIsSelf")
        assert.strictEqual((yield* failure(a.manager.dial(b.did)))?._tag, "PeerUnknown")
        yield* a.book.learn(b.did, [c.uri.address], "config")
        const wrong = yield* failure(a.manager.dial(b.did))
        assert.strictEqual(wrong?._tag, "WrongPeer")
        if (wrong?._tag === "WrongPeer") assert.strictEqual(wrong.found, c.did.text)
        assert.strictEqual((yield* a.manager.sessions).length, 0)
        yield* b.stop
        yield* a.book.remove(b.did)
        yield* knows(a, b)
        const nobody = yield* failure(a.manager.dial(b.did))
        assert.strictEqual(nobody?._tag, "DialFailed")
        if (nobody?._tag === "DialFailed") assert.include(nobody.attempts[0]?.address, String(b.uri.address.port))
      })
    )

    test(
      "carries frames of every size in both directions, up to an explicit end",
      Effect.gen(function* () {
        const [a, b] = [yield* node(passive), yield* node(passive)]
        yield* b.manager.handle("/test/echo/1", echo)
        yield* knows(a, b)
        const stream = yield* a.manager.open(b.did, "/test/echo/1")
        const sizes = [0, 1, 3, 4, 5, 65_535, 65_536, 262_145, 1_048_576, 0, 7]
        const sender = yield* Effect.forEach(sizes, (size, index) => stream.send(new Uint8Array(size).fill(index)), {
          discard: true
        }).pipe(Effect.andThen(stream.end), Effect.forkChild)
        const frames = yield* Stream.runCollect(stream.frames)
        yield* Fiber.join(sender)
        assert.deepStrictEqual(
          frames.map(({ length }) => length),
          sizes
        )
        assert.isTrue(frames.every((frame, index) => frame.every((byte) => byte === index)))
        assert.isTrue(Option.isNone(yield* stream.receive))
        const tooLong = yield* failure(stream.send(new Uint8Array(1_048_577)))
        assert.strictEqual(tooLong?._tag, "FrameTooLong")
        const total = sizes.reduce((sum, size) => sum + size, 0)
        const [session] = yield* a.manager.sessions
        assert.deepStrictEqual([session?.bytesOut, session?.bytesIn], [total, total])
      })
    )

    test(
      "refuses a protocol that nobody serves, and serves each once",
      Effect.gen(function* () {
        const [a, b] = [yield* node(passive), yield* node(passive)]
        yield* knows(a, b)
        assert.strictEqual(
          (yield* failure(Effect.scoped(a.manager.open(b.did, "/test/none/1"))))?._tag,
          "ProtocolUnsupported"
        )
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* b.manager.handle("/test/echo/1", echo)
            yield* echoes(a, b.did)
            assert.strictEqual(
              (yield* failure(Effect.scoped(b.manager.handle("/test/echo/1", echo))))?._tag,
              "SessionLimitReached"
            )
          })
        )
        assert.strictEqual(
          (yield* failure(Effect.scoped(a.manager.open(b.did, "/test/echo/1"))))?._tag,
          "ProtocolUnsupported"
        )
      })
    )

    test(
      "tells a stream that is cut from one that has ended",
      Effect.gen(function* () {
        const [a, b] = [yield* node(passive), yield* node(passive)]
        const outcomes: Array<string> = []
        let frames = 0
        yield* b.manager.handle("/test/read/1", (stream) =>
          Effect.exit(Stream.runForEach(stream.frames, () => Effect.sync(() => void frames++))).pipe(
            Effect.flatMap((exit) => Effect.sync(() => void outcomes.push(reasonOf(exit)?._tag ?? "end")))
          )
        )
        yield* b.manager.handle("/test/fail/1", (stream) =>
          Effect.andThen(stream.receive, Effect.fail("the handler failed"))
        )
        yield* knows(a, b)
        const write = Effect.fnUntraced(function* (ends: boolean) {
          const stream = yield* a.manager.open(b.did, "/test/read/1")
          const before = frames
          yield* stream.send(bytes("half"))
          // A stream that is given up before it has reached its handler never does.
          if (!ends) yield* until(Effect.sync(() => frames > before))
          if (ends) yield* stream.end
          if (ends) yield* stream.receive
        }, Effect.scoped)
        yield* write(false)
        yield* until(Effect.sync(() => outcomes.length === 1))
        yield* write(true)
        yield* until(Effect.sync(() => outcomes.length === 2))
        assert.deepStrictEqual(outcomes, ["StreamReset", "end"])
        const failed = yield* a.manager.open(b.did, "/test/fail/1")
        yield* failed.send(bytes("x"))
        assert.strictEqual((yield* failure(failed.receive))?._tag, "StreamReset")
      })
    )

    test(
      "holds back a writer whose reader does not read, and loses nothing",
      Effect.gen(function* () {
        const [a, b] = [yield* node(passive), yield* node(passive)]
        const proceed = Deferred.makeUnsafe<void>()
        const read: Array<number> = []
        yield* b.manager.handle("/test/slow/1", (stream) =>
          Effect.andThen(
            Deferred.await(proceed),
            Stream.runForEach(stream.frames, (frame) => Effect.sync(() => void read.push(frame[0] ?? -1)))
          )
        )
        yield* knows(a, b)
        const stream = yield* a.manager.open(b.did, "/test/slow/1")
        const frames = 256
        let sent = 0
        const writer = yield* Effect.forkChild(
          Effect.gen(function* () {
            for (let index = 0; index < frames; index++) {
              yield* stream.send(new Uint8Array(262_144).fill(index & 0xff))
              sent++
            }
            yield* stream.end
          })
        )
        let before = -1
        yield* until(
          Effect.suspend(() => {
            const still = sent === before && sent > 0
            before = sent
            return Effect.as(Effect.sleep(200), still)
          })
        )
        // 64 MiB are to be sent; what the two sides and the way between them hold is far less.
        assert.isBelow(sent, 64)
        yield* Deferred.succeed(proceed, undefined)
        yield* Fiber.join(writer)
        assert.isTrue(Option.isNone(yield* stream.receive))
        assert.deepStrictEqual(
          read,
          Array.from({ length: frames }, (_, index) => index & 0xff)
        )
      })
    )
  })
