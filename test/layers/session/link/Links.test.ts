import { assert, describe } from "@effect/vitest"
import { Effect, Exit, Option, SubscriptionRef } from "effect"
import * as Metric from "../../../../src/domain/metrics.ts"
import type { LinkOfferContent } from "../../../../src/domain/linkOffer.ts"
import type { LinkFailed } from "../../../../src/layers/session/link/Link.ts"
import { encodeBindingRequest } from "../../../../src/protocol/stunBinding.ts"
import { type LinkPeer, type LinkWorld, makePeer, makeWorld } from "../../../fixtures/linkPeers.ts"
import { cutDirect, hostA, hostB, linkTest, pair, talks, until, value } from "../../../fixtures/linkPairs.ts"

const kindOf = (peer: LinkPeer, to: LinkPeer): string | undefined => peer.link(to.did)?.path().kind

/** What a link came to nothing for. */
const failureOf = (connect: Effect.Effect<void, LinkFailed>) =>
  Effect.map(Effect.exit(connect), (exit) => Option.getOrUndefined(Exit.findErrorOption(exit))?.reason)

const restore = (world: LinkWorld): void => {
  world.passes = () => true
}

describe("links", () => {
  for (const offerer of ["smaller", "larger"] as const) {
    linkTest(
      `carry a session both ways when the ${offerer} one offers; the smaller dials`,
      Effect.gen(function* () {
        const { a, b } = yield* pair
        const [from, to] = offerer === "smaller" ? [a, b] : [b, a]
        yield* from.links.connect(to.did)
        yield* until(() => to.connected().length === 1)
        assert.deepStrictEqual(
          [a, b].map((one) => one.connected().map(({ dialler }) => dialler)),
          [["self"], ["peer"]]
        )
        assert.deepStrictEqual([kindOf(a, b), kindOf(b, a)], ["direct", "direct"])
        yield* talks(a, b, "from a")
        yield* talks(b, a, "from b")
        assert.strictEqual(yield* value(Metric.linkEstablished, { kind: "direct" }), 2)
      })
    )
  }

  linkTest(
    "are one when both offer at once",
    Effect.gen(function* () {
      const { a, b } = yield* pair
      yield* Effect.all([a.links.connect(b.did), b.links.connect(a.did)], { concurrency: 2 })
      for (const one of [a, b]) {
        assert.strictEqual(one.connected().length, 1)
        assert.strictEqual(one.links.links().length, 1)
      }
      yield* talks(a, b, "from a")
      yield* talks(b, a, "from b")
    })
  )

  linkTest(
    "are asked for again when an offer or its answer is lost",
    Effect.gen(function* () {
      for (const kind of ["offer", "answer"]) {
        const { a, b, world } = yield* pair
        let lost = 0
        world.delivers = (_from, offer) => offer.kind !== kind || ++lost > 1
        yield* a.links.connect(b.did)
        yield* talks(a, b, "found")
        assert.isAtLeast(lost, 2)
      }
    })
  )

  linkTest(
    "say why there is none",
    Effect.gen(function* () {
      const { a, b, world } = yield* pair
      assert.strictEqual(
        yield* failureOf(a.links.connect((yield* makePeer(yield* makeWorld, 3, hostB)).did)),
        "noRoute"
      )
      world.delivers = () => false
      assert.strictEqual(yield* failureOf(a.links.connect(b.did)), "noAnswer")
      world.delivers = () => true
      cutDirect(world)
      assert.strictEqual(yield* failureOf(a.links.connect(b.did)), "noPath")
      yield* until(() => b.links.links().length === 0)
      assert.strictEqual(a.links.links().length, 0)
      assert.strictEqual(yield* value(Metric.linkAttemptFailures, { reason: "noAnswer" }), 1)
      // Nothing of it stays in the way.
      restore(world)
      yield* a.links.connect(b.did)
      yield* talks(b, a, "after all")
    })
  )

  linkTest(
    "go over the relay where nothing else leads, and straight once that does",
    Effect.gen(function* () {
      const { a, b, world } = yield* pair
      cutDirect(world)
      yield* b.allocate("203.0.113.9")
      yield* a.links.connect(b.did)
      assert.deepStrictEqual([kindOf(a, b), kindOf(b, a)], ["relayed", "relayed"])
      yield* talks(a, b, "through the relay")
      yield* talks(b, a, "and back")
      restore(world)
      yield* until(() => kindOf(a, b) === "direct" && kindOf(b, a) === "direct")
      yield* talks(a, b, "straight")
      assert.isAtLeast(a.pathChanges(), 1)
      assert.isAbove(yield* value(Metric.linkRelayBytes, { direction: "sent" }), 0)
      assert.strictEqual(a.connected().length, 1)
    })
  )

  linkTest(
    "go on over the relay within three seconds when the straight way is cut",
    Effect.gen(function* () {
      const { a, b, world } = yield* pair
      yield* a.allocate("203.0.113.9")
      yield* a.links.connect(b.did)
      yield* until(() => kindOf(a, b) === "direct")
      yield* Effect.sleep(30_000)
      cutDirect(world)
      a.say(b.did, "into the void")
      b.say(a.did, "as well")
      yield* Effect.sleep(3000)
      // What went nowhere goes once more, so that QUIC goes on at once.
      assert.include(b.heard(), "into the void")
      assert.include(a.heard(), "as well")
      yield* talks(a, b, "after the cut")
      yield* talks(b, a, "also back")
      // One side notices it and the other follows, or both notice.
      assert.isAtLeast(yield* value(Metric.linkSwitches, { to: "relayed", reason: "lost" }), 1)
    })
  )

  linkTest(
    "survive that every way goes and another relay comes",
    Effect.gen(function* () {
      const { a, b, world } = yield* pair
      yield* a.allocate("203.0.113.9")
      yield* a.links.connect(b.did)
      cutDirect(world)
      yield* until(() => kindOf(a, b) === "relayed")
      // The relay's server is gone, with everything on it.
      yield* SubscriptionRef.set(a.relay, undefined)
      world.passes = (from, to) => [from, to].includes("203.0.113.8")
      yield* until(() => a.link(b.did)?.isLost === true)
      yield* a.allocate("203.0.113.8")
      yield* until(() => a.link(b.did)?.isLost === false && b.link(a.did)?.isLost !== true)
      yield* talks(a, b, "over the new relay")
      yield* talks(b, a, "and back")
    })
  )

  linkTest(
    "follow a member whose address changes",
    Effect.gen(function* () {
      const world = yield* makeWorld
      const hosts = { current: [hostA] }
      const [one, other] = [yield* makePeer(world, 1, hostA, () => hosts.current), yield* makePeer(world, 2, hostB)]
      let probes = 0
      const probe = Effect.sync(() => void probes++)
      const allocation = yield* one.allocate("203.0.113.9")
      yield* SubscriptionRef.set(one.relay, { ...allocation, probe })
      yield* one.links.connect(other.did)
      hosts.current = [hostA, "192.0.2.77"]
      yield* one.links.addressesChanged
      yield* until(() => world.offers.some(({ kind }) => kind === "update"))
      const update = world.offers.findLast(({ kind }) => kind === "update")
      assert.isTrue(update?.candidates.some(({ address }) => address.host === "192.0.2.77"))
      assert.strictEqual(probes, 1)
      yield* talks(one, other, "still here")
    })
  )

  linkTest(
    "slow down what one member is sent through the relay",
    Effect.gen(function* () {
      const { a, b, world } = yield* pair
      cutDirect(world)
      // The way through the relay of the one who sends is what is limited.
      yield* a.allocate("203.0.113.9")
      yield* a.links.connect(b.did)
      const before = b.heard().length
      const packet = "x".repeat(1000)
      for (let sent = 0; sent < 500; sent++) {
        a.say(b.did, packet)
        if (sent % 50 === 49) yield* Effect.sleep(10)
      }
      yield* Effect.sleep(200)
      // Half a second's worth at once, and a tenth more in the time that passes.
      assert.isAtMost(b.heard().length - before, 65)
      assert.isAtLeast(b.heard().length - before, 45)
      assert.isAbove(yield* value(Metric.linkDroppedPackets, { reason: "relayLimit" }), 400)
    })
  )

  linkTest(
    "end with their session, and leave nothing behind",
    Effect.gen(function* () {
      const { a, b } = yield* pair
      yield* a.links.connect(b.did)
      yield* until(() => b.connected().length === 1)
      a.drop(b.did)
      b.drop(a.did)
      assert.deepStrictEqual([a.links.links(), b.links.links()], [[], []])
      yield* a.links.connect(b.did)
      yield* talks(a, b, "again")
      assert.strictEqual(yield* value(Metric.linksActive, {}), 2)
    })
  )

  linkTest(
    "are no more than so many at their beginning, whoever begins",
    Effect.gen(function* () {
      const { a, world } = yield* pair
      world.handlers.clear()
      const silent = yield* Effect.forEach(Array.from({ length: 70 }), (_, index) =>
        makePeer(world, 100 + index, hostB)
      )
      world.delivers = (_from, offer: LinkOfferContent) => offer.kind !== "offer"
      const failures = yield* Effect.forEach(silent, ({ did }) => failureOf(a.links.connect(did)), {
        concurrency: "unbounded"
      })
      assert.strictEqual(failures.filter((reason) => reason === "limit").length, 6)
      assert.strictEqual(failures.filter((reason) => reason === "noAnswer").length, 64)
    })
  )

  linkTest(
    "count what comes to their socket and is no good",
    Effect.gen(function* () {
      const world = yield* makeWorld
      const b = yield* makePeer(world, 1, hostB)
      const stranger = yield* world.udp.bind({ host: "203.0.113.7", port: 0 })
      const to = { host: hostB, port: b.links.port }
      const request = encodeBindingRequest({ transactionId: new Uint8Array(12) })
      const broken = request.slice()
      broken[broken.length - 1] = (broken[broken.length - 1] ?? 0) ^ 1
      for (const bytes of [Uint8Array.of(64, 1, 2), broken, request]) stranger.send(bytes, to)
      yield* Effect.sleep(100)
      assert.deepStrictEqual(
        [
          yield* value(Metric.linkDroppedPackets, { reason: "stray" }),
          yield* value(Metric.linkDroppedPackets, { reason: "malformed" }),
          yield* value(Metric.linkBindingAnswers, { result: "answered" })
        ],
        [1, 1, 1]
      )
      b.links.socket.send(request, { host: "2001:db8::1", port: 1 })
      assert.strictEqual(yield* value(Metric.linkDroppedPackets, { reason: "noFamily" }), 1)
    })
  )
})
