/** Links whose two sides, relay or surroundings change at an awkward moment. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Scope, SubscriptionRef } from "effect"
import { makePeer, makeWorld } from "../../../fixtures/linkPeers.ts"
import { inVirtualTime } from "../../../fixtures/virtualTime.ts"
import { cutDirect, hostA, hostB, linkTest, measured, pair, talks, until } from "../../../fixtures/linkPairs.ts"

/** A clock whose time of day can be set back. */
const steppingClock = (clock: Clock.Clock) => {
  let backMillis = 0
  const wall = () => clock.currentTimeMillisUnsafe() - backMillis
  const stepped: Clock.Clock = {
    currentTimeMillisUnsafe: wall,
    currentTimeMillis: Effect.sync(wall),
    currentTimeNanosUnsafe: () => BigInt(wall()) * 1_000_000n,
    currentTimeNanos: Effect.sync(() => BigInt(wall()) * 1_000_000n),
    monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
    monotonicTimeNanos: clock.monotonicTimeNanos,
    sleep: (duration) => clock.sleep(duration)
  }
  const back = (millis: number): void => void (backMillis = millis)
  return { back, stepped }
}

describe("links at awkward moments", () => {
  linkTest(
    "that gave way to the member's offer do not offer again, however long a way takes to be found",
    Effect.gen(function* () {
      const { a, b, world } = yield* pair
      world.passes = () => false
      const both = yield* Effect.forkChild(
        Effect.all([a.links.connect(b.did), b.links.connect(a.did)], { concurrency: 2 })
      )
      yield* Effect.sleep(4000)
      world.passes = () => true
      yield* Fiber.join(both)
      yield* until(() => a.connected().length === 1 && b.connected().length === 1)
      assert.isAtMost(world.offers.filter(({ from, kind }) => kind === "offer" && from.text === b.did.text).length, 1)
      yield* talks(a, b, "hello")
      yield* talks(b, a, "hello too")
    })
  )

  linkTest(
    "that both begin again and again come to one, and nothing waits for ever",
    Effect.gen(function* () {
      const { a, b, world } = yield* pair
      world.passes = () => false
      const attempts = yield* Effect.forEach([a, b, a, b, b, a], (from, index) =>
        Effect.forkChild(Effect.exit(Effect.delay(from.links.connect(from === a ? b.did : a.did), index * 1300)))
      )
      yield* Effect.sleep(9000)
      world.passes = () => true
      yield* Effect.forEach(attempts, Fiber.join)
      yield* a.links.connect(b.did)
      yield* until(() => b.connected().length === 1)
      yield* talks(a, b, "hello")
    })
  )

  linkTest(
    "tell of a relay that came while the offer was under way",
    Effect.gen(function* () {
      const { a, b, world } = yield* pair
      cutDirect(world)
      const take = world.handlers.get(a.did.text)
      world.handlers.set(a.did.text, (from, offer) =>
        take === undefined ? Effect.void : Effect.delay(take(from, offer), 1500)
      )
      const connecting = yield* Effect.forkChild(a.links.connect(b.did))
      yield* until(() => world.offers.some(({ kind }) => kind === "answer"))
      yield* a.allocate("203.0.113.9")
      yield* Fiber.join(connecting)
      const last = world.offers.findLast(({ from }) => from.text === a.did.text)
      assert.isTrue(last?.candidates.some(({ kind }) => kind === "relayed"))
    })
  )
  linkTest(
    "let the last words of their session through when the node stops",
    Effect.gen(function* () {
      const world = yield* makeWorld
      const b = yield* makePeer(world, 2, hostB)
      const scope = yield* Scope.make()
      const a = yield* Scope.provide(makePeer(world, 1, hostA), scope)
      yield* a.links.connect(b.did)
      yield* until(() => b.connected().length === 1)
      const goodbye = Effect.sync(() => {
        a.say(b.did, "goodbye")
        a.drop(b.did)
      })
      yield* Scope.addFinalizer(scope, goodbye)
      yield* Scope.close(scope, Exit.void)
      yield* Effect.sleep(100)
      assert.include(b.heard(), "goodbye")
    })
  )

  linkTest(
    "are given up at once with a member that is not wanted any more",
    Effect.gen(function* () {
      const { a, b, world } = yield* pair
      world.passes = () => false
      const connecting = yield* Effect.forkChild(Effect.flip(a.links.connect(b.did)))
      yield* Effect.sleep(1000)
      yield* a.links.abandon(b.did)
      assert.strictEqual((yield* Fiber.join(connecting)).reason, "closed")
      world.passes = () => true
      yield* Effect.sleep(50)
      assert.strictEqual(b.links.links().length, 0)
      assert.deepStrictEqual([a.connected(), b.connected(), a.links.links()], [[], [], []])
    })
  )

  linkTest(
    "are not begun by an offer that comes after its refusal, and anew by the next one",
    Effect.gen(function* () {
      const { a, b, world } = yield* pair
      const take = world.handlers.get(b.did.text) ?? (() => Effect.void)
      world.handlers.set(b.did.text, (from, offer) =>
        offer.kind === "offer" ? Effect.delay(take(from, offer), 500) : take(from, offer)
      )
      yield* Effect.forkChild(Effect.exit(a.links.connect(b.did)))
      yield* until(() => world.offers.some(({ kind }) => kind === "offer"))
      yield* a.links.abandon(b.did)
      for (let waited = 0; waited < 1000; waited += 10) {
        yield* Effect.sleep(10)
        assert.deepStrictEqual(b.links.links(), [])
      }
      yield* a.links.connect(b.did)
      yield* talks(a, b, "hello")
    })
  )

  for (const left of ["smaller", "larger"] as const) {
    linkTest(
      `are given up soon when the member is gone before there is a session, by the ${left} one`,
      Effect.gen(function* () {
        const { a, b, world } = yield* pair
        const [stays, leaves] = left === "smaller" ? [a, b] : [b, a]
        world.delivers = (_from, { kind }) => kind !== "refusal"
        const connecting = yield* Effect.forkChild(Effect.flip(stays.links.connect(leaves.did)))
        while (stays.link(leaves.did)?.agent.active === undefined) yield* Effect.sleep(1)
        assert.strictEqual(leaves.link(stays.did)?.state, "connecting")
        yield* leaves.links.abandon(stays.did)
        yield* Effect.sleep(5000)
        assert.deepStrictEqual([stays.links.links(), leaves.links.links()], [[], []])
        assert.strictEqual((yield* Fiber.join(connecting)).reason, "noSession")
      })
    )
  }

  linkTest(
    "are offered by whoever waits for one that the member gave up",
    Effect.gen(function* () {
      const { a, b, world } = yield* pair
      world.passes = () => false
      yield* Effect.forkChild(Effect.exit(a.links.connect(b.did)))
      yield* until(() => b.links.links().length === 1)
      const waiting = yield* Effect.forkChild(b.links.connect(a.did))
      yield* Effect.sleep(100)
      world.passes = () => true
      yield* a.links.abandon(b.did)
      yield* Fiber.join(waiting)
      yield* until(() => a.connected().length === 1)
      yield* talks(b, a, "hello")
    })
  )

  linkTest(
    "wait for neighbours that take no more for now",
    Effect.gen(function* () {
      const { a, b, world } = yield* pair
      let refused = 0
      world.limits = (_from, { kind }) => (kind === "offer" || kind === "answer") && refused++ % 5 < 4
      yield* a.links.connect(b.did)
      assert.strictEqual(refused, 10)
    })
  )

  linkTest(
    "bind their channels again on the allocation that takes the place of another",
    Effect.gen(function* () {
      const { a, b, world } = yield* pair
      cutDirect(world)
      yield* a.allocate("203.0.113.9")
      yield* a.links.connect(b.did)
      yield* talks(a, b, "over the first")
      yield* SubscriptionRef.set(a.relay, undefined)
      const bound: Array<string> = []
      const next = yield* a.allocate("203.0.113.10")
      yield* SubscriptionRef.set(a.relay, undefined)
      yield* SubscriptionRef.set(a.relay, {
        ...next,
        bindChannel: (peer) =>
          Effect.andThen(
            Effect.sync(() => void bound.push(peer.host)),
            next.bindChannel(peer)
          )
      })
      yield* Effect.sleep(5000)
      yield* talks(a, b, "over the second")
      assert.strictEqual(bound.length, 1)
    })
  )

  it.effect("go over the relay in time when the way is cut after the time of day was set back an hour", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const { back, stepped } = steppingClock(clock)
      const body = Effect.gen(function* () {
        const { a, b, world } = yield* pair
        yield* a.allocate("203.0.113.9")
        yield* a.links.connect(b.did)
        yield* until(() => a.link(b.did)?.path().kind === "direct")
        yield* Effect.sleep(5000)
        back(3_600_000)
        yield* Effect.sleep(5000)
        cutDirect(world)
        yield* Effect.sleep(3000)
        yield* talks(a, b, "after the cut")
        yield* talks(b, a, "also back")
      })
      yield* inVirtualTime(Effect.scoped(Effect.provideService(body, Clock.Clock, stepped)))
    }).pipe(measured)
  )
})
