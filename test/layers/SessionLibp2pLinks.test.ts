import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Option, Scope, Context } from "effect"
import * as IdentityMemory from "../../src/layers/IdentityMemory.ts"
import * as PeerBookMemory from "../../src/layers/PeerBookMemory.ts"
import * as SessionLibp2p from "../../src/layers/SessionLibp2p.ts"
import { Links } from "../../src/services/Links.ts"
import { PeerBook } from "../../src/services/PeerBook.ts"
import { SessionManager } from "../../src/services/SessionManager.ts"
import { echo, echoes, failure, knows, type TestNode, until } from "../contract/SessionManager.ts"
import { didNumber } from "../fixtures/dids.ts"

interface LinkedNode extends TestNode {
  readonly links: Links["Service"]
}

/** A node on loopback that tells nobody where it is. */
const node = Effect.fnUntraced(function* (options: SessionLibp2p.Libp2pSessionOptions = {}, seed?: number) {
  const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
  const context = yield* Layer.buildWithScope(
    SessionLibp2p.layer({ announceAddresses: "none", dialsHeardOf: false, ...options }).pipe(
      Layer.provideMerge(PeerBookMemory.layer),
      Layer.provideMerge(IdentityMemory.layer(seed === undefined ? undefined : new Uint8Array(32).fill(seed)))
    ),
    scope
  )
  const manager = Context.get(context, SessionManager)
  const [address] = yield* manager.listening
  if (address === undefined) return yield* Effect.die(new Error("it does not listen"))
  const made: LinkedNode = {
    manager,
    book: Context.get(context, PeerBook),
    links: Context.get(context, Links),
    did: manager.did,
    uri: { did: manager.did, address },
    stop: Scope.close(scope, Exit.void)
  }
  return made
})

/** Two nodes that share nothing but a neighbour, and do not know each other's address. */
const pair = Effect.fnUntraced(function* (options: SessionLibp2p.Libp2pSessionOptions = {}) {
  const neighbour = yield* node()
  const bootstrapPeers = [neighbour.uri]
  const [a, b] = [yield* node({ ...options, bootstrapPeers }), yield* node({ ...options, bootstrapPeers })]
  yield* until(Effect.map(neighbour.manager.sessions, ({ length }) => length === 2))
  return { neighbour, a, b }
})

const test = (name: string, body: Effect.Effect<void, unknown, Scope.Scope>) => it.live(name, () => Effect.scoped(body))

const pathTo = Effect.fnUntraced(function* (from: TestNode, to: TestNode) {
  return Option.getOrUndefined(yield* from.manager.path(to.did))
})

describe("links over loopback", () => {
  test(
    "lead to a member whose address nobody knows, with streams from either side",
    Effect.gen(function* () {
      const { a, b } = yield* pair()
      for (const served of [a, b]) yield* served.manager.handle("/test/echo/1", echo)
      yield* echoes(a, b.did, "from the one who dialled")
      yield* echoes(b, a.did, "x".repeat(300_000))
      for (const [from, to] of [
        [a, b],
        [b, a]
      ] as const) {
        const path = yield* pathTo(from, to)
        const { links, port } = yield* to.links.status
        assert.strictEqual(path?.kind, "direct")
        // The link socket's address, and not the one on loopback in front of QUIC.
        assert.strictEqual(path?.remoteAddress, `127.0.0.1:${port}`)
        assert.strictEqual(links.length, 1)
        assert.strictEqual(links[0]?.state, "up")
        assert.isTrue(links[0]?.paths.some(({ active, state }) => active && state === "valid"))
      }
    })
  )

  test(
    "settle on one when both sides ask for it at once",
    Effect.gen(function* () {
      const { a, b } = yield* pair()
      const opened = yield* Effect.all([a.manager.dial(b.did), b.manager.dial(a.did)], { concurrency: 2 })
      assert.sameMembers(
        opened.map(({ direction }) => direction),
        ["inbound", "outbound"]
      )
      for (const one of [a, b]) {
        yield* until(Effect.map(one.links.status, ({ links }) => links.length === 1 && links[0]?.state === "up"))
        assert.strictEqual((yield* one.manager.sessions).length, 2)
      }
    })
  )

  test(
    "are made anew with a member that was restarted",
    Effect.gen(function* () {
      const neighbour = yield* node()
      const bootstrapPeers = [neighbour.uri]
      const a = yield* node({ bootstrapPeers })
      const first = yield* node({ bootstrapPeers }, 7)
      yield* a.manager.dial(first.did)
      yield* first.stop
      yield* until(Effect.map(a.links.status, ({ links }) => links.length === 0))
      // Or the neighbour would pass the next offer on to where nobody is any more.
      yield* until(Effect.map(neighbour.manager.path(first.did), Option.isNone))
      const second = yield* node({ bootstrapPeers }, 7)
      yield* second.manager.handle("/test/echo/1", echo)
      yield* until(Effect.map(neighbour.manager.path(second.did), Option.isSome))
      yield* echoes(a, second.did)
      assert.strictEqual((yield* pathTo(a, second))?.kind, "direct")
    })
  )

  test(
    "are not made where the member's own address leads to it",
    Effect.gen(function* () {
      const { a, b } = yield* pair()
      yield* knows(a, b)
      yield* a.manager.dial(b.did)
      assert.deepStrictEqual((yield* a.links.status).links, [])
      assert.strictEqual((yield* pathTo(a, b))?.remoteAddress, `127.0.0.1:${b.uri.address.port}`)
    })
  )

  test(
    "come after addresses that lead nowhere",
    Effect.gen(function* () {
      const { a, b } = yield* pair()
      const gone = yield* node()
      yield* gone.stop
      yield* a.book.learn(b.did, [{ ...gone.uri.address, transport: "tcp" }], "config")
      yield* a.manager.dial(b.did)
      assert.strictEqual((yield* a.links.status).links.length, 1)
    })
  )

  test(
    "end with their session, and say why nobody was reached",
    Effect.gen(function* () {
      const { a, b } = yield* pair()
      yield* a.manager.dial(b.did)
      yield* a.manager.close(b.did)
      for (const one of [a, b]) yield* until(Effect.map(one.links.status, ({ links }) => links.length === 0))
      assert.strictEqual((yield* failure(a.manager.dial(didNumber(3))))?._tag, "PeerUnknown")
      assert.deepStrictEqual((yield* a.links.status).links, [])
    })
  )

  test(
    "have a socket of their own, which others know of and do not dial",
    Effect.gen(function* () {
      const neighbour = yield* node()
      const a = yield* node({ announceAddresses: "all", bootstrapPeers: [neighbour.uri] })
      const { port } = yield* a.links.status
      const announces = Effect.map(a.manager.connectionCandidate, ({ addresses }) =>
        addresses.some(({ address, kind }) => kind === "reflexive" && address.port === port)
      )
      yield* until(announces)
      yield* neighbour.manager.close(a.did)
      yield* a.manager.dial(neighbour.did)
      yield* until(Effect.map(neighbour.manager.path(a.did), Option.isSome))
      const addresses = yield* neighbour.book.addresses(a.did)
      assert.deepStrictEqual(
        addresses.map((address) => address.port),
        [a.uri.address.port]
      )
    })
  )

  test(
    "are not there when they are switched off, or without QUIC",
    Effect.gen(function* () {
      const off = yield* node({ links: false })
      const tcp = yield* node({ transports: ["tcp"] })
      for (const one of [off, tcp]) assert.strictEqual((yield* one.links.status).port, 0)
    })
  )
})
