/**
 * Two members in one program: one serves a protocol, the other one opens a stream to it by nothing but its DID and an
 * address. Run it with `node examples/session-echo.ts`.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Stream } from "effect"
// In a program of your own: import { IdentityMemory, … } from "icn-node"
import { IdentityMemory, PeerBook, PeerBookMemory, SessionLibp2p, SessionManager } from "../src/index.ts"

const member = SessionLibp2p.layer().pipe(
  Layer.provideMerge(PeerBookMemory.layer),
  Layer.provideMerge(IdentityMemory.layer())
)

const serve = Effect.gen(function* () {
  const sessions = yield* SessionManager
  yield* sessions.handle("/echo/1", (stream) => Stream.runForEach(stream.frames, stream.send))
  return { did: sessions.did, addresses: yield* sessions.listening }
})

const program = Effect.gen(function* () {
  // Each member has layers of its own; `fresh`, since the same layer would otherwise be built once for both.
  const other = yield* serve.pipe(Effect.provide(yield* Layer.build(Layer.fresh(member))))
  yield* Effect.gen(function* () {
    yield* PeerBook.use((book) => book.learn(other.did, other.addresses, "config"))
    const stream = yield* SessionManager.use((sessions) => sessions.open(other.did, "/echo/1"))
    yield* stream.send(new TextEncoder().encode("hello"))
    yield* stream.end
    // Up to the other side's end: who reads it has read everything.
    yield* Stream.runForEach(stream.frames, (frame) => Console.log(new TextDecoder().decode(frame)))
  }).pipe(Effect.provide(yield* Layer.build(Layer.fresh(member))))
})

NodeRuntime.runMain(Effect.scoped(program))
