/** One allocation over time: refreshes, keepalives, and every way in which a client notices that it is gone. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Random, Result, Scope } from "effect"
import { TestClock } from "effect/testing"
import {
  turnAllocationRefreshes,
  turnAllocations,
  turnLifetimeLeft,
  turnRelocations,
  supervisorErrors
} from "../../../src/domain/metrics.ts"
import * as TurnConfig from "../../../src/domain/turnConfig.ts"
import type { StunMessage } from "../../../src/protocol/stun.ts"
import * as Attribute from "../../../src/protocol/stunAttributes.ts"
import { Metrics } from "../../../src/services/Metrics.ts"
import { Udp } from "../../../src/services/Udp.ts"
import { bytes, openPeer } from "../../contract/TurnClient.ts"
import { allocate, config, failuresOf, inWorld, momentsOf, startServer, watchEvents } from "./world.ts"

const valueOf = <A>(read: (metrics: typeof Metrics.Service) => Effect.Effect<A>) => Effect.flatMap(Metrics, read)
const lifetimeOf = (message: StunMessage) => Result.getOrUndefined(Attribute.required(message, Attribute.lifetime))
const withoutKeepalive = config.pipe(TurnConfig.withKeepalive(0))

describe("Upkeep of a live allocation", () => {
  it.effect("sends a Refresh every 25 s, and counts it", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      const allocation = yield* allocate()
      yield* TestClock.adjust("100 seconds")
      assert.deepStrictEqual(momentsOf(server, "refresh"), [25, 50, 75, 100])
      assert.strictEqual(allocation.state()?.expiresAtMillis, 700_000)
      assert.strictEqual(yield* valueOf((metrics) => metrics.value(turnAllocationRefreshes, {})), 4)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* valueOf((metrics) => metrics.value(turnLifetimeLeft, {})), 590)
    }).pipe(inWorld())
  )

  it.effect("keeps to another keepalive", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      yield* allocate(config.pipe(TurnConfig.withKeepalive("7 seconds")))
      yield* TestClock.adjust("21 seconds")
      assert.deepStrictEqual(momentsOf(server, "refresh"), [7, 14, 21])
    }).pipe(inWorld())
  )

  it.effect("refreshes at 40 to 60 % of the lifetime without a keepalive, each time at another moment", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      yield* allocate(withoutKeepalive)
      yield* TestClock.adjust("1 hour")
      const moments = [0, ...momentsOf(server, "refresh")]
      const pauses = moments.slice(1).map((moment, index) => moment - (moments[index] ?? 0))
      assert.isAtLeast(pauses.length, 9)
      for (const pause of pauses) assert.isTrue(pause >= 240 && pause <= 360, `refreshed after ${pause} s`)
      assert.isAbove(new Set(pauses).size, 5)
    }).pipe(inWorld())
  )

  it.effect("draws the jitter from Effect's Random", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      yield* allocate(withoutKeepalive)
      yield* TestClock.adjust("20 minutes")
      return momentsOf(server, "refresh")
    }).pipe(
      inWorld(),
      Random.withSeed("seed"),
      (run) => Effect.all([run, run]),
      // The clock goes on between the runs.
      Effect.map(([first, second]) =>
        assert.deepStrictEqual(
          second.map((moment) => Math.round(moment - 1_200)),
          first.map((moment) => Math.round(moment))
        )
      )
    )
  )

  it.effect("lives on 5 s of lifetime", () =>
    Effect.gen(function* () {
      const server = yield* startServer({ lifetimeSecondsMax: 5 })
      const allocation = yield* allocate()
      const relayed = allocation.state()?.relayedAddress
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual(allocation.state()?.relayedAddress, relayed)
      assert.isTrue(momentsOf(server, "refresh").length >= 200 && momentsOf(server, "refresh").length <= 300)
    }).pipe(inWorld())
  )

  it.effect("is not busy on 1 s of lifetime", () =>
    Effect.gen(function* () {
      const server = yield* startServer({ lifetimeSecondsMax: 1 })
      yield* allocate()
      yield* TestClock.adjust("60 seconds")
      assert.isAtMost(momentsOf(server, "refresh").length, 150)
    }).pipe(inWorld())
  )

  it.effect("repeats a Refresh that is refused without sense, and reports it", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      const allocation = yield* allocate()
      const events = yield* watchEvents(allocation)
      server.script(({ method }) =>
        method === "refresh" && momentsOf(server, method).length <= 2 ? { _tag: "Refuse", code: 500 } : undefined
      )
      yield* TestClock.adjust("55 seconds")
      assert.deepStrictEqual(momentsOf(server, "refresh"), [25, 26, 27, 52])
      assert.deepStrictEqual(events, [])
      const reported = yield* valueOf((metrics) => metrics.value(supervisorErrors, { operation: "turn_refresh" }))
      assert.strictEqual(reported, 2)
    }).pipe(inWorld())
  )

  it.effect("answers a question with one Refresh, however many ask", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      const allocation = yield* allocate()
      yield* TestClock.adjust("1 second")
      yield* Effect.all([allocation.probe, allocation.probe, allocation.probe], { concurrency: "unbounded" })
      assert.deepStrictEqual(momentsOf(server, "refresh"), [1])
    }).pipe(inWorld())
  )

  it.effect("doubts a server that is silent for 1.5 s after data went out, and asks it every 6.5 s", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      const allocation = yield* allocate(withoutKeepalive)
      const peer = yield* openPeer()
      yield* allocation.permit(peer.address.host)
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(momentsOf(server, "refresh"), [])
      for (let tenths = 0; tenths < 200; tenths++) {
        allocation.send(peer.address, bytes("anybody there?"))
        yield* TestClock.adjust("100 millis")
      }
      assert.deepStrictEqual(momentsOf(server, "refresh"), [31.5, 38, 44.5])
    }).pipe(inWorld())
  )

  it.effect("does not doubt a server that answers or has nothing to answer", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      const allocation = yield* allocate(withoutKeepalive)
      const peer = yield* openPeer()
      const relayed = allocation.state()?.relayedAddress
      assert.isDefined(relayed)
      yield* allocation.permit(peer.address.host)
      for (let second = 0; second < 20; second++) {
        allocation.send(peer.address, bytes("ping"))
        yield* TestClock.adjust("1 second")
        peer.send("pong", relayed)
      }
      yield* TestClock.adjust("60 seconds")
      assert.deepStrictEqual(momentsOf(server, "refresh"), [])
    }).pipe(inWorld())
  )
})

describe("Upkeep of a lost allocation", () => {
  it.effect("replaces one that a Refresh does not find, and tells both", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      const allocation = yield* allocate()
      const before = allocation.state()
      const events = yield* watchEvents(allocation)
      yield* server.stop
      yield* server.start
      yield* TestClock.adjust("25 seconds")
      const after = allocation.state()
      assert.isDefined(before)
      assert.isDefined(after)
      assert.notDeepEqual(after.relayedAddress, before.relayedAddress)
      // The same socket: the server sees the same address.
      assert.deepStrictEqual(after.mappedAddress, before.mappedAddress)
      assert.deepStrictEqual(
        events.map(({ _tag }) => _tag),
        ["Lost", "Relocated"]
      )
      const [lost, relocated] = events
      assert.isTrue(lost?._tag === "Lost" && lost.error.reason._tag === "TurnMismatch")
      assert.isTrue(relocated?._tag === "Relocated" && relocated.previous === before.relayedAddress)
      assert.isTrue(relocated?._tag === "Relocated" && relocated.state === after)
      assert.strictEqual(yield* valueOf((metrics) => metrics.value(turnAllocations, {})), 2)
      assert.strictEqual(yield* valueOf((metrics) => metrics.value(turnRelocations, {})), 1)
      const reported = yield* valueOf((metrics) => metrics.value(supervisorErrors, { operation: "turn_refresh" }))
      assert.strictEqual(reported, 1)
    }).pipe(inWorld())
  )

  it.effect("puts permissions and channels back, under the same numbers, and relays again", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      const allocation = yield* allocate()
      const [bound, permitted] = yield* Effect.all([openPeer("127.0.0.1"), openPeer("127.0.0.2")])
      yield* allocation.bindChannel(bound.address)
      yield* allocation.permit(permitted.address.host)
      const numbers = () => server.allocations().map(({ channels }) => Array.from(channels.keys()))
      const before = numbers()
      yield* server.stop
      yield* server.start
      yield* allocation.probe
      assert.isUndefined(allocation.state())
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(numbers(), before)
      const relayed = allocation.state()?.relayedAddress
      assert.isDefined(relayed)
      for (const peer of [bound, permitted]) {
        assert.isTrue(allocation.send(peer.address, bytes("again")))
        yield* TestClock.adjust(1)
        assert.deepStrictEqual(peer.heard, [["again", relayed]])
      }
    }).pipe(inWorld())
  )

  it.effect("starts a probe when the server's port refuses, and is back a tenth of the outage after the server", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      const allocation = yield* allocate()
      const peer = yield* openPeer()
      const events = yield* watchEvents(allocation)
      yield* allocation.bindChannel(peer.address)
      yield* server.stop
      allocation.send(peer.address, bytes("lost"))
      // Long before silence would tell.
      yield* TestClock.adjust("50 millis")
      assert.deepStrictEqual(
        events.map(({ _tag }) => _tag),
        ["Lost"]
      )
      yield* TestClock.adjust("10 seconds")
      assert.isFalse(allocation.send(peer.address, bytes("dropped")))
      assert.isAbove(yield* failuresOf("unreachable"), 10)
      // A long outage is reported once.
      const reported = yield* valueOf((metrics) => metrics.value(supervisorErrors, { operation: "turn_allocate" }))
      assert.strictEqual(reported, 1)
      yield* server.start
      yield* TestClock.adjust("1200 millis")
      assert.deepStrictEqual(
        events.map(({ _tag }) => _tag),
        ["Lost", "Relocated"]
      )
      assert.isTrue(allocation.send(peer.address, bytes("through")))
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(
        peer.heard.map(([message]) => message),
        ["through"]
      )
    }).pipe(inWorld())
  )

  it.effect("keeps the relayed address when the server had only been out of reach", () => {
    let reachable = true
    return Effect.gen(function* () {
      const server = yield* startServer()
      const scope = yield* Scope.make()
      const allocation = yield* Scope.provide(allocate(), scope)
      const relayed = allocation.state()?.relayedAddress
      const events = yield* watchEvents(allocation)
      reachable = false
      yield* TestClock.adjust("67 seconds")
      assert.deepStrictEqual(
        events.map(({ _tag }) => _tag),
        ["Lost"]
      )
      reachable = true
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual(
        events.map(({ _tag }) => _tag),
        ["Lost", "Relocated"]
      )
      assert.deepStrictEqual(allocation.state()?.relayedAddress, relayed)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(server.allocations(), [])
    }).pipe(inWorld({ deliveries: () => (reachable ? [0] : []) }))
  })

  it.effect("asks from a new socket after a silent attempt, and releases what the old one may hold", () => {
    let blocked = 0
    return Effect.gen(function* () {
      const server = yield* startServer()
      const allocation = yield* allocate()
      blocked = allocation.state()?.mappedAddress.port ?? 0
      yield* TestClock.adjust("90 seconds")
      const port = allocation.state()?.mappedAddress.port
      assert.isDefined(port)
      assert.notStrictEqual(port, blocked)
      // The old socket is closed: its port can be had.
      yield* Udp.use((udp) => udp.bind({ host: "127.0.0.1", port: blocked }))
      assert.strictEqual(server.allocations().filter(({ client }) => client.port === port).length, 1)
    }).pipe(inWorld({ deliveries: ({ from, to }) => (from.port === blocked || to.port === blocked ? [] : [0]) }))
  })

  it.effect("waits longer and longer for a server that refuses, and recovers when it does not", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      const allocation = yield* allocate()
      yield* server.stop
      yield* server.start
      server.script(({ authenticated, method }) =>
        authenticated && method === "allocate" ? { _tag: "Refuse", code: 486 } : undefined
      )
      yield* TestClock.adjust("10 minutes")
      const attempts = yield* failuresOf("quota")
      assert.isTrue(attempts >= 15 && attempts <= 30, `${attempts} attempts`)
      assert.isUndefined(allocation.state())
      server.script(() => undefined)
      yield* TestClock.adjust("35 seconds")
      assert.isDefined(allocation.state())
    }).pipe(inWorld())
  )

  it.effect("resolves the server's name again, and follows it", () => {
    let host = "10.0.0.1"
    return Effect.gen(function* () {
      const server = yield* startServer({ address: { host, port: 3478 } })
      const allocation = yield* allocate({ ...config, server: { host: "turn.example.org", port: 3478 } })
      yield* server.stop
      host = "10.0.0.2"
      const next = yield* startServer({ address: { host, port: 3478 } })
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(allocation.state()?.server, next.address)
      host = "gone"
      yield* next.stop
      yield* next.start
      yield* TestClock.adjust("30 seconds")
      // Without a resolver, the address that was good so far.
      assert.deepStrictEqual(allocation.state()?.server, next.address)
    }).pipe(inWorld({ resolve: () => (host === "gone" ? [] : [host]) }))
  })

  it.effect("follows the name away from a server that is silent, and releases what that one still holds", () => {
    let host = "10.0.0.1"
    return Effect.gen(function* () {
      const former = yield* startServer({ address: { host, port: 3478 } })
      const next = yield* startServer({ address: { host: "10.0.0.2", port: 3478 } })
      const allocation = yield* allocate({ ...config, server: { host: "turn.example.org", port: 3478 } })
      former.script(({ message }) => (lifetimeOf(message) === 0 ? undefined : { _tag: "Drop" }))
      host = "10.0.0.2"
      yield* TestClock.adjust("70 seconds")
      assert.deepStrictEqual(allocation.state()?.server, next.address)
      assert.deepStrictEqual([former.allocations().length, next.allocations().length], [0, 1])
    }).pipe(inWorld({ resolve: () => [host] }))
  })

  it.effect("does not hurry when one allocation after the other is lost at once", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      const allocation = yield* allocate()
      yield* allocation.permit("10.0.0.1")
      // A server that forgets what it grants: each renewal is answered 400, and the Refresh that this asks for 437.
      server.script(({ method }) =>
        method === "createPermission" || method === "refresh"
          ? { _tag: "Refuse", code: method === "refresh" ? 437 : 400 }
          : undefined
      )
      yield* Effect.forkChild(allocation.probe)
      for (let second = 0; second < 600; second++) yield* TestClock.adjust("1 second")
      const allocations = yield* valueOf((metrics) => metrics.value(turnAllocations, {}))
      assert.isTrue(allocations > 10 && allocations < 40, `${allocations} allocations`)
    }).pipe(inWorld())
  )

  it.effect("lets requests about peers wait for the next allocation, and fail when there is none in time", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      const allocation = yield* allocate()
      yield* server.stop
      const early = yield* Effect.forkChild(Effect.exit(allocation.permit("10.0.0.1")), { startImmediately: true })
      yield* TestClock.adjust("45 seconds")
      const late = yield* Effect.forkChild(Effect.exit(allocation.permit("10.0.0.2")), { startImmediately: true })
      yield* TestClock.adjust("10 seconds")
      yield* server.start
      yield* TestClock.adjust("10 seconds")
      assert.isTrue(Exit.isFailure(yield* Fiber.join(early)))
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(late)))
    }).pipe(inWorld())
  )

  it.effect("ends with its scope while it is lost", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* allocate()
          yield* server.stop
          yield* TestClock.adjust("30 seconds")
        })
      )
      yield* server.start
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(server.allocations(), [])
    }).pipe(inWorld())
  )
})
