import { it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Result, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { frame } from "../../src/domain/ed25519.ts"
import * as GossipMemory from "../../src/layers/GossipMemory.ts"
import * as IdentityMemory from "../../src/layers/IdentityMemory.ts"
import * as PeerBookMemory from "../../src/layers/PeerBookMemory.ts"
import * as SessionMemory from "../../src/layers/SessionMemory.ts"
import {
  decodeFloodFrame,
  encodeFloodMessage,
  encodeTopics,
  floodSignedBytes,
  gossipProtocol
} from "../../src/protocol/gossipFlood.ts"
import { Gossip } from "../../src/services/Gossip.ts"
import { PeerBook } from "../../src/services/PeerBook.ts"
import { SessionManager } from "../../src/services/SessionManager.ts"
import { gossipContract, type GossipNode, type GossipRogue, until } from "../contract/Gossip.ts"
import { inVirtualTime } from "../fixtures/virtualTime.ts"

type Network = SessionMemory.MemoryNetwork

const seedOf = (number: number): Uint8Array => {
  const seed = new Uint8Array(32)
  new DataView(seed.buffer).setUint32(0, number)
  return seed
}

const sessions = (network: Network, seed?: Uint8Array) =>
  SessionMemory.layer({ network, dialsHeardOf: false, peerExchangeMaxPeers: 0 }).pipe(
    Layer.provideMerge(PeerBookMemory.layer),
    Layer.provideMerge(IdentityMemory.layer(seed))
  )

/** Where the members of the network of the present test listen. */
const directory = new Map<string, SessionManager["Service"]>()

const connect = (context: Context.Context<PeerBook | SessionManager>): GossipNode["connect"] =>
  Effect.fnUntraced(function* ({ did }) {
    const addresses = yield* directory.get(did.text)?.listening ?? Effect.succeed([])
    yield* Context.get(context, PeerBook).learn(did, addresses, "config")
    yield* Context.get(context, SessionManager).dial(did)
  })

const node = (network: Network) =>
  Effect.fnUntraced(function* (seed?: number) {
    const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
    const layer = GossipMemory.layer().pipe(
      Layer.provideMerge(sessions(network, seed === undefined ? undefined : seedOf(seed)))
    )
    const context = yield* Layer.buildWithScope(layer, scope)
    const manager = Context.get(context, SessionManager)
    directory.set(manager.did.text, manager)
    const made: GossipNode = {
      did: manager.did,
      gossip: Context.get(context, Gossip),
      connect: connect(context),
      stop: Scope.close(scope, Exit.void)
    }
    return made
  })

const rogue = (network: Network) =>
  Effect.fnUntraced(function* (number: number) {
    const scope = yield* Effect.scope
    const context = yield* Layer.buildWithScope(sessions(network, seedOf(number)), scope)
    const manager = Context.get(context, SessionManager)
    directory.set(manager.did.text, manager)
    const received: Array<Uint8Array> = []
    yield* manager.handle(gossipProtocol, (stream) =>
      Effect.ignore(Stream.runForEach(stream.frames, (bytes) => Effect.sync(() => received.push(bytes))))
    )
    const streams = new Map<string, Effect.Success<ReturnType<typeof manager.open>>>()
    const broadcast = Effect.fnUntraced(function* (bytes: Uint8Array) {
      // What is sent to nobody would test nothing.
      yield* until(Effect.map(manager.sessions, (sessions) => sessions.length > 0))
      for (const { did } of yield* manager.sessions) {
        const stream = streams.get(did.text) ?? (yield* Scope.provide(manager.open(did, gossipProtocol), scope))
        streams.set(did.text, stream)
        yield* stream.send(bytes)
      }
    })
    const made: GossipRogue = {
      did: manager.did,
      wants: (topics) => broadcast(encodeTopics(topics)),
      send: ({ author, envelope, signer, topic }) =>
        broadcast(
          encodeFloodMessage({
            topic,
            author: author.publicKey,
            signature: signer.sign(frame("icn-node/gossip/v1", floodSignedBytes(topic, envelope))),
            envelope
          })
        ),
      sendGarbage: Effect.andThen(broadcast(Uint8Array.of(77)), broadcast(new Uint8Array(300_000).fill(2))),
      replay: Effect.gen(function* () {
        const messages = received.filter((bytes) => bytes[0] === 2)
        for (const bytes of messages) yield* broadcast(bytes)
        return messages.length
      }),
      received: () =>
        received.flatMap((bytes) => {
          const decoded = Result.getOrThrow(decodeFloodFrame(bytes))
          return decoded._tag === "Message" ? [decoded.message.envelope] : []
        })
    }
    return made
  })

let current: Network | undefined
const present = Effect.suspend(() =>
  current === undefined ? Effect.die(new Error("no network")) : Effect.succeed(current)
)

gossipContract("GossipMemory", {
  node: (seed) => Effect.flatMap(present, (network) => node(network)(seed)),
  rogue: (number) => Effect.flatMap(present, (network) => rogue(network)(number)),
  test: (name, body) =>
    it.effect(name, () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(1_800_000_000_000)
        yield* inVirtualTime(
          Effect.scoped(
            Effect.gen(function* () {
              directory.clear()
              current = yield* SessionMemory.makeNetwork({ latencyMillis: 3, jitterMillis: 2, loss: 0.02 }, 11)
              yield* body
            })
          )
        )
      })
    )
})
