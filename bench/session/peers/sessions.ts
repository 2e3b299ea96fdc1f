/** This node's sessions: `SessionManager` over one transport, its streams and frames. */
import { Effect, Layer, ManagedRuntime, Option, References, Result, Scope } from "effect"
import { format, parse } from "../../../src/domain/peerAddress.ts"
import * as IdentityMemory from "../../../src/layers/IdentityMemory.ts"
import * as PeerBookMemory from "../../../src/layers/PeerBookMemory.ts"
import * as SessionLibp2p from "../../../src/layers/SessionLibp2p.ts"
import { PeerBook } from "../../../src/services/PeerBook.ts"
import { SessionManager, type SessionStream } from "../../../src/services/SessionManager.ts"
import { echoBytes, echoProtocol, type Link, type Peer, sinkProtocol, writeBytes, writesPerBatch } from "./Peer.ts"

/** Nobody dials by itself: what is measured is what is asked for. */
const quiet = {
  dialsHeardOf: false,
  peerExchangeMaxPeers: 0,
  redial: { initialMillis: 86_400_000, maxMillis: 86_400_000, attemptsMax: 1 }
} as const

/** Sessions, listening on loopback. They log nothing: the other process just ends when all is measured. */
export const sessionsOn = (options: SessionLibp2p.Libp2pSessionOptions) =>
  SessionLibp2p.layer({ ...quiet, ...options }).pipe(
    Layer.provideMerge(PeerBookMemory.layer),
    Layer.provideMerge(IdentityMemory.layer()),
    Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "None"))
  )

/** Where this node listens, with who it is. */
export const ownAddress = Effect.gen(function* () {
  const { did, listening } = yield* SessionManager
  const [address] = yield* listening
  if (address === undefined) return yield* Effect.die(new Error("it does not listen"))
  return format({ did, address })
})

/** Learns where a member is and opens a session with it. */
export const dialAt = Effect.fnUntraced(function* (text: string) {
  const { address, did } = Result.getOrThrow(parse(text))
  yield* PeerBook.use((book) => book.learn(did, [address], "config"))
  yield* SessionManager.use((sessions) => sessions.dial(did))
  return did
})

const serveSink = Effect.fnUntraced(function* (stream: SessionStream) {
  let frames = 0
  while (Option.isSome(yield* stream.receive)) {
    if (++frames % writesPerBatch === 0) yield* stream.send(new Uint8Array(1))
  }
})

const serveEcho = Effect.fnUntraced(function* (stream: SessionStream) {
  while (true) {
    const frame = yield* stream.receive
    if (Option.isNone(frame)) return
    yield* stream.send(frame.value)
  }
})

const open = Effect.fnUntraced(function* (address: string) {
  const did = yield* dialAt(address)
  const sessions = yield* SessionManager
  const [sink, echo] = [yield* sessions.open(did, sinkProtocol), yield* sessions.open(did, echoProtocol)]
  const [large, small] = [new Uint8Array(writeBytes), new Uint8Array(echoBytes)]
  const flow = Effect.fnUntraced(function* (more: () => boolean) {
    let batches = 0
    for (; more(); batches++) {
      for (let count = 0; count < writesPerBatch; count++) yield* sink.send(large)
    }
    for (let count = 0; count < batches; count++) yield* sink.receive
    return batches
  })
  const roundTrips = Effect.fnUntraced(function* (more: () => boolean) {
    while (more()) {
      yield* echo.send(small)
      yield* echo.receive
    }
  })
  const run = Effect.runPromiseWith(yield* Effect.context())
  const opened: Link = {
    flow: (more) => run(flow(more)),
    roundTrips: (more) => run(roundTrips(more))
  }
  return opened
})

const cycleOnce = Effect.fnUntraced(function* (address: string) {
  const did = yield* dialAt(address)
  const sessions = yield* SessionManager
  const stream = yield* sessions.open(did, echoProtocol)
  yield* stream.send(new Uint8Array(echoBytes))
  const frame = yield* stream.receive
  if (Option.isNone(frame)) return yield* Effect.die(new Error("nothing came back"))
  yield* stream.end
  yield* stream.receive
  yield* sessions.close(did)
}, Effect.scoped)

export const sessionPeer = (transport: "quic" | "tcp"): Peer => {
  const runtime = ManagedRuntime.make(sessionsOn({ transports: [transport] }))
  const scope = Scope.makeUnsafe()
  const serve = Effect.gen(function* () {
    const sessions = yield* SessionManager
    yield* sessions.handle(sinkProtocol, serveSink)
    yield* sessions.handle(echoProtocol, serveEcho)
    return yield* ownAddress
  })
  return {
    listen: () => runtime.runPromise(Scope.provide(serve, scope)),
    connect: (address) => runtime.runPromise(Scope.provide(open(address), scope)),
    cycle: (address) => runtime.runPromise(cycleOnce(address))
  }
}
