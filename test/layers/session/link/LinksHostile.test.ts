/** Members that mean no good: what they can make a node do is limited, and others do not suffer from it. */
import { assert, describe } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import type { Did } from "../../../../src/domain/did.ts"
import type { LinkCandidate } from "../../../../src/domain/linkCandidate.ts"
import type { LinkOffer } from "../../../../src/domain/linkOffer.ts"
import { didNumber } from "../../../fixtures/dids.ts"
import { type LinkPeer, type LinkWorld, makePeer } from "../../../fixtures/linkPeers.ts"
import { linkTest, pair, until } from "../../../fixtures/linkPairs.ts"

const dead: ReadonlyArray<LinkCandidate> = Array.from({ length: 4 }, (_, index) => ({
  kind: "serverReflexive",
  address: { host: `203.0.113.${index + 1}`, port: 4000 }
}))

let links = 0
/** An offer of a member that is not there. */
const offerOf = (world: LinkWorld, from: Did, to: Did): LinkOffer => {
  const linkId = new Uint8Array(16)
  new DataView(linkId.buffer).setUint32(0, ++links)
  const timestamp = ++world.timestamp
  const secret = { ufrag: "hostile0", password: "a".repeat(32) }
  return {
    ...secret,
    version: 1,
    kind: "offer",
    from,
    to,
    linkId,
    candidates: dead,
    timestamp,
    signature: new Uint8Array(64)
  }
}

/** Somebody offers, and takes the answers. */
const offers = (world: LinkWorld, from: Did, to: LinkPeer): Effect.Effect<void> => {
  if (!world.handlers.has(from.text)) world.handlers.set(from.text, () => Effect.void)
  return world.handlers.get(to.did.text)?.(from, offerOf(world, from, to.did)) ?? Effect.void
}

describe("links with hostile members about", () => {
  for (const connecting of ["node", "member"] as const) {
    linkTest(
      `are made while strangers offer more than there may be, and the ${connecting} begins`,
      Effect.gen(function* () {
        const { a, b, world } = yield* pair
        for (let number = 100; number < 200; number++) yield* offers(world, didNumber(number), a)
        assert.strictEqual(a.links.links().length, 64)
        const [from, to] = connecting === "node" ? [a, b] : [b, a]
        yield* from.links.connect(to.did)
        assert.strictEqual(b.connected().length, 1)
        yield* Effect.sleep(12_000)
        assert.deepStrictEqual(
          a.links.links().map(({ did }) => did.text),
          [b.did.text]
        )
      })
    )
  }

  linkTest(
    "keep nobody waiting for ever when the member begins again and again",
    Effect.gen(function* () {
      const { a, world } = yield* pair
      // The smaller one's offers stand.
      const hostile = Array.from({ length: 100 }, (_, index) => didNumber(100 + index)).find(
        ({ text }) => text < a.did.text
      )
      assert.isDefined(hostile)
      world.handlers.set(hostile.text, () => Effect.void)
      const connecting = yield* Effect.forkChild(a.links.connect(hostile))
      for (let count = 0; count < 20 && connecting.pollUnsafe() === undefined; count++) {
        yield* Effect.sleep(4000)
        yield* offers(world, hostile, a)
      }
      const exit = connecting.pollUnsafe()
      assert.isTrue(exit !== undefined && Exit.isFailure(exit))
      yield* Fiber.interrupt(connecting)
      yield* Effect.sleep(12_000)
      assert.deepStrictEqual(a.links.links(), [])
    })
  )

  linkTest(
    "tell a member whose way comes and goes no more often than one that has none",
    Effect.gen(function* () {
      const { a, b, world } = yield* pair
      yield* a.links.connect(b.did)
      let heard = 0
      world.delivers = (from, { kind }) => {
        if (from.text === a.did.text && kind === "update") heard++
        return false
      }
      const link = a.link(b.did)
      assert.isDefined(link)
      for (let time = 0; time < 40; time++) {
        world.passes = () => false
        yield* until(() => link.isLost)
        world.passes = () => true
        yield* until(() => !link.isLost)
      }
      heard = 0
      world.passes = () => false
      yield* until(() => link.isLost)
      yield* Effect.sleep(20_000)
      assert.isAtMost(heard, 4)
      assert.isAtLeast(heard, 2)
    })
  )

  linkTest(
    "come from one host so often, and from others all the same",
    Effect.gen(function* () {
      const { a, b, world } = yield* pair
      const crowd = yield* Effect.forEach(
        Array.from({ length: 70 }, (_, index) => 200 + index),
        (number) => makePeer(world, number, "198.51.100.66")
      )
      // One after another, since only so many are made at a time.
      yield* Effect.forEach(crowd, ({ links }) => Effect.ignore(Effect.timeout(links.connect(a.did), 2000)), {
        concurrency: 8
      })
      assert.strictEqual(a.connected().length, 64)
      yield* b.links.connect(a.did)
      // Whom this node wants itself is another matter.
      const last = crowd.find(({ did }) => a.link(did) === undefined)
      assert.isDefined(last)
      yield* Effect.sleep(10_000)
      yield* a.links.connect(last.did)
      assert.strictEqual(a.connected().length, 66)
    })
  )
})
