/** Permissions and channels over time, and peers that the server refuses. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Result } from "effect"
import { TestClock } from "effect/testing"
import { turnPermissionRefreshes, supervisorErrors } from "../../../src/domain/metrics.ts"
import * as TurnConfig from "../../../src/domain/turnConfig.ts"
import { channelsMax } from "../../../src/domain/turnUpkeep.ts"
import type { ScriptedRequest } from "../../../src/layers/turn/ScriptedTurnServer.ts"
import * as Attribute from "../../../src/protocol/stunAttributes.ts"
import { Metrics } from "../../../src/services/Metrics.ts"
import { bytes, host, openPeer } from "../../contract/TurnClient.ts"
import { allocate, config, failure, inWorld, momentsOf, startServer, timed, watchEvents } from "./world.ts"

const peersOf = ({ message }: ScriptedRequest) =>
  Result.getOrThrow(Attribute.repeated(message, Attribute.xorPeerAddress)).map((peer) => peer.host)
const channelOf = ({ message }: ScriptedRequest) =>
  Result.getOrThrow(Attribute.required(message, Attribute.channelNumber))
const reportedPeers = Effect.flatMap(Metrics, (metrics) => metrics.value(supervisorErrors, { operation: "turn_peer" }))

describe("Permissions", () => {
  it.effect("are renewed every 240 s, all in one request, and counted", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      const allocation = yield* allocate()
      for (let index = 0; index < 50; index++) yield* allocation.permit(host(index))
      const before = server.requests().length
      yield* TestClock.adjust("490 seconds")
      const renewals = server
        .requests()
        .slice(before)
        .filter(({ method }) => method === "createPermission")
      assert.deepStrictEqual(
        renewals.map(({ atMillis }) => atMillis),
        [240_000, 480_000]
      )
      for (const renewal of renewals) assert.strictEqual(peersOf(renewal).length, 50)
      const metrics = yield* Metrics
      assert.strictEqual(yield* metrics.value(turnPermissionRefreshes, {}), 100)
    }).pipe(inWorld())
  )

  it.effect("are renewed in more requests when one would be too long", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      const allocation = yield* allocate()
      for (let index = 0; index < 200; index++) yield* allocation.permit(host(index))
      const before = server.requests().length
      yield* TestClock.adjust("240 seconds")
      const renewals = server
        .requests()
        .slice(before)
        .filter(({ method }) => method === "createPermission")
      assert.deepStrictEqual(
        renewals.map((renewal) => peersOf(renewal).length),
        [64, 64, 64, 8]
      )
      for (const { message } of renewals) assert.isBelow(message.bytes.length, 1_232)
    }).pipe(inWorld())
  )

  it.effect("take one nonce update for all requests in flight, and each request goes out once more", () => {
    let delay = 0
    return Effect.gen(function* () {
      const server = yield* startServer()
      const allocation = yield* allocate()
      delay = 20
      server.changeNonce()
      const before = server.requests().length
      const { exit } = yield* timed(
        Effect.forEach(
          Array.from({ length: 20 }, (_, index) => host(index)),
          allocation.permit,
          {
            concurrency: "unbounded"
          }
        ),
        "10 millis"
      )
      assert.isTrue(Exit.isSuccess(exit))
      assert.strictEqual(server.requests().length - before, 40)
      assert.strictEqual(allocation.statistics().droppedPackets, 0)
    }).pipe(inWorld({ deliveries: () => [delay] }))
  })

  it.effect("are not asked for all at once", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      const allocation = yield* allocate()
      server.script(() => ({ _tag: "Drop" }))
      const fiber = yield* Effect.forkChild(
        Effect.forEach(
          Array.from({ length: 100 }, (_, index) => host(index)),
          allocation.permit,
          {
            concurrency: "unbounded"
          }
        )
      )
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(momentsOf(server, "createPermission").length, 32)
      yield* Fiber.interrupt(fiber)
    }).pipe(inWorld())
  )

  it.effect("fail for a peer that the server refuses, and for nobody else", () =>
    Effect.gen(function* () {
      yield* startServer({ deniedHosts: ["10.0.0.9"] })
      const allocation = yield* allocate()
      yield* allocation.permit("10.0.0.1")
      const { error } = yield* failure(allocation.permit("10.0.0.9"), "10 millis")
      assert.deepStrictEqual([error.reason._tag, error.code], ["TurnPeerRefused", 403])
      assert.include(error.message, "10.0.0.9")
      const other = yield* failure(allocation.permit("2001:db8::1"), "10 millis")
      assert.deepStrictEqual([other.error.reason._tag, other.error.code], ["TurnPeerRefused", 443])
      assert.isTrue(allocation.send({ host: "10.0.0.1", port: 9 }, bytes("x")))
      assert.isFalse(allocation.send({ host: "10.0.0.9", port: 9 }, bytes("x")))
    }).pipe(inWorld())
  )

  it.effect("of 20 peers live on when the server turns against one of them, which is told", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      const allocation = yield* allocate()
      const events = yield* watchEvents(allocation)
      for (let index = 0; index < 20; index++) yield* allocation.permit(host(index))
      server.script((request) =>
        request.method === "createPermission" && peersOf(request).includes(host(13))
          ? { _tag: "Refuse", code: 403 }
          : undefined
      )
      yield* TestClock.adjust("241 seconds")
      const [held] = server.allocations()
      const expiries = Array.from(held?.permissions ?? [])
      assert.strictEqual(expiries.filter(([, expiresAtMillis]) => expiresAtMillis > 500_000).length, 19)
      assert.deepStrictEqual(
        events.map((event) => [event._tag, event._tag === "PeerRefused" && event.host]),
        [["PeerRefused", host(13)]]
      )
      assert.strictEqual(yield* reportedPeers, 1)
      assert.isFalse(allocation.send({ host: host(13), port: 9 }, bytes("x")))
      const before = momentsOf(server, "createPermission").length
      yield* TestClock.adjust("240 seconds")
      assert.strictEqual(momentsOf(server, "createPermission").length, before + 1)
    }).pipe(inWorld())
  )

  it.effect("live through a restart of the server at the very moment of asking", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      const allocation = yield* allocate()
      const peer = yield* openPeer()
      yield* server.stop
      yield* server.start
      // coturn's answer to this is 400, a probe finds 437, and the next allocation gets the permission.
      const { exit } = yield* timed(allocation.permit(peer.address.host), "10 millis")
      assert.isTrue(Exit.isSuccess(exit))
      assert.isTrue(allocation.send(peer.address, bytes("through")))
      yield* TestClock.adjust(1)
      assert.strictEqual(peer.heard.length, 1)
    }).pipe(inWorld())
  )

  it.effect("fail when the server's 400 has another reason than a lost allocation", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      const allocation = yield* allocate()
      const events = yield* watchEvents(allocation)
      server.script(({ method }) => (method === "createPermission" ? { _tag: "Refuse", code: 400 } : undefined))
      const { error } = yield* failure(allocation.permit("10.0.0.1"), "10 millis")
      assert.deepStrictEqual([error.reason._tag, error.code], ["TurnProtocolError", 400])
      assert.strictEqual(momentsOf(server, "createPermission").length, 2)
      assert.strictEqual(momentsOf(server, "refresh").length, 1)
      assert.deepStrictEqual(events, [])
    }).pipe(inWorld())
  )

  it.effect("fail after the scope has closed", () =>
    Effect.gen(function* () {
      yield* startServer()
      const allocation = yield* Effect.scoped(allocate())
      const { error } = yield* failure(allocation.permit("10.0.0.1"), "1 second")
      assert.deepStrictEqual([error.reason._tag, error.code], ["TurnUnreachable", "CLOSED"])
    }).pipe(inWorld())
  )
})

describe("Channels", () => {
  it.effect("are renewed without traffic before 600 s, and their permissions before 300 s", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      const allocation = yield* allocate()
      const peer = yield* openPeer()
      yield* TestClock.adjust("100 seconds")
      yield* allocation.bindChannel(peer.address)
      yield* TestClock.adjust("1000 seconds")
      assert.deepStrictEqual(momentsOf(server, "channelBind"), [100, 480, 960])
      assert.deepStrictEqual(momentsOf(server, "createPermission"), [240, 480, 720, 960])
    }).pipe(inWorld())
  )

  it.effect("are asked for again, with the permissions, 20 s after a round that failed", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      const allocation = yield* allocate(config.pipe(TurnConfig.withTimeout("500 millis")))
      const peer = yield* openPeer()
      yield* allocation.bindChannel(peer.address)
      yield* allocation.bindChannel({ host: "10.0.0.1", port: 1 })
      server.script((request) => {
        const { atMillis, method } = request
        if (atMillis !== 480_000) return undefined
        const about = method === "channelBind" ? channelOf(request) === 0x4000 : method === "createPermission"
        return about ? { _tag: "Drop" } : undefined
      })
      yield* TestClock.adjust("970 seconds")
      // The other channel is not renewed twice; the rounds keep to their time but for that of the unanswered request.
      assert.deepStrictEqual(momentsOf(server, "channelBind"), [0, 0, 480, 480, 500.5, 960.5, 960.5])
      assert.deepStrictEqual(momentsOf(server, "createPermission"), [240, 480, 500.5, 720.5, 960.5])
      assert.isDefined(allocation.state())
    }).pipe(inWorld())
  )

  it.effect("keep a peer's number after an unclear bind", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      const allocation = yield* allocate()
      const [first, second] = yield* Effect.all([openPeer(), openPeer()])
      server.script(({ method }) => (method === "channelBind" ? { _tag: "Drop" } : undefined))
      const { error } = yield* failure(allocation.bindChannel(first.address), "1 second")
      assert.strictEqual(error.reason._tag, "TurnTimeout")
      server.script(() => undefined)
      yield* allocation.bindChannel(second.address)
      yield* allocation.bindChannel(first.address)
      const numbers = server
        .requests()
        .filter(({ method }) => method === "channelBind")
        .map(channelOf)
      assert.deepStrictEqual(numbers.slice(-3), [0x4000, 0x4001, 0x4000])
    }).pipe(inWorld())
  )

  it.effect("give a number back that the server has refused", () =>
    Effect.gen(function* () {
      const server = yield* startServer({ deniedHosts: ["10.0.0.9"] })
      const allocation = yield* allocate()
      for (let index = 0; index < channelsMax + 1; index++) {
        const exit = yield* Effect.exit(allocation.bindChannel({ host: "10.0.0.9", port: 1 + index }))
        assert.isTrue(Exit.isFailure(exit))
      }
      yield* allocation.bindChannel({ host: "10.0.0.1", port: 1 })
      assert.deepStrictEqual(
        server.allocations().map(({ channels }) => channels.size),
        [1]
      )
    }).pipe(inWorld())
  )

  it.effect("bind once when asked twice", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      const allocation = yield* allocate()
      const peer = yield* openPeer()
      yield* allocation.bindChannel(peer.address)
      yield* allocation.bindChannel({ ...peer.address })
      assert.strictEqual(momentsOf(server, "channelBind").length, 1)
    }).pipe(inWorld())
  )

  it.effect("stay revoked when that happened while they were being bound", () => {
    let delay = 0
    return Effect.gen(function* () {
      yield* startServer()
      const allocation = yield* allocate()
      const peer = yield* openPeer()
      delay = 20
      const binding = yield* Effect.forkChild(allocation.bindChannel(peer.address), { startImmediately: true })
      yield* allocation.revoke(peer.address.host)
      yield* TestClock.adjust("40 millis")
      yield* Fiber.join(binding)
      assert.isFalse(allocation.send(peer.address, bytes("late")))
    }).pipe(inWorld({ deliveries: () => [delay] }))
  })

  it.effect("carry data while they are being bound", () => {
    let delay = 0
    return Effect.gen(function* () {
      yield* startServer()
      const allocation = yield* allocate()
      const peer = yield* openPeer()
      delay = 20
      const binding = yield* Effect.forkChild(allocation.bindChannel(peer.address), { startImmediately: true })
      assert.isTrue(allocation.send(peer.address, bytes("early")))
      yield* TestClock.adjust("40 millis")
      assert.deepStrictEqual(
        peer.heard.map(([message]) => message),
        ["early"]
      )
      yield* TestClock.adjust("20 millis")
      yield* Fiber.join(binding)
    }).pipe(inWorld({ deliveries: () => [delay] }))
  })
})

describe("A day with 50 peers", () => {
  it.effect(
    "lets nothing expire",
    () =>
      Effect.gen(function* () {
        const server = yield* startServer()
        const allocation = yield* allocate()
        const events = yield* watchEvents(allocation)
        const peers = yield* Effect.forEach(Array.from({ length: 50 }), () => openPeer())
        for (const peer of peers) yield* allocation.bindChannel(peer.address)
        const relayed = allocation.state()?.relayedAddress
        assert.isDefined(relayed)
        let heard = 0
        allocation.onReceive(() => void heard++)
        for (let hour = 1; hour <= 24; hour++) {
          yield* TestClock.adjust("1 hour")
          for (const peer of peers) {
            allocation.send(peer.address, bytes("down"))
            peer.send("up", relayed)
          }
          yield* TestClock.adjust(1)
          assert.strictEqual(heard, hour * 50)
          assert.isTrue(peers.every((peer) => peer.heard.length === hour))
        }
        assert.deepStrictEqual(allocation.state()?.relayedAddress, relayed)
        assert.deepStrictEqual(events, [])
        assert.isBelow((server.requests().length * 2) / peers.length, 1_500)
      }).pipe(inWorld()),
    60_000
  )
})
