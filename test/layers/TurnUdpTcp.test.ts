/** The client over both transports: the contract over TCP, which of them is taken when, and what ends a connection. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as TurnConfig from "../../src/domain/turnConfig.ts"
import * as ScriptedTurnServer from "../../src/layers/turn/ScriptedTurnServer.ts"
import { bytes, openPeer, turnClientContract } from "../contract/TurnClient.ts"
import {
  allocate,
  config,
  failure,
  inWorld,
  inWorldWithTcp,
  layerWithTcp,
  momentsOf,
  startServer,
  timed,
  watchEvents
} from "./turn/world.ts"

const overTcp = config.pipe(TurnConfig.withTransport("tcp"))

turnClientContract("TurnUdpTcp over TCP", {
  config: overTcp,
  layer: Layer.effectDiscard(ScriptedTurnServer.make()).pipe(Layer.provideMerge(layerWithTcp()))
})

// Every header and every payload is cut somewhere.
turnClientContract("TurnUdpTcp over TCP in pieces", {
  config: overTcp,
  layer: Layer.effectDiscard(ScriptedTurnServer.make()).pipe(
    Layer.provideMerge(
      layerWithTcp({
        pieces: (message) => {
          const last = Math.max(7, message.length - 1)
          return [message.subarray(0, 3), message.subarray(3, 7), message.subarray(7, last), message.subarray(last)]
        }
      })
    )
  )
})

const transportOf = (allocation: Effect.Success<ReturnType<typeof allocate>>) => allocation.state()?.transport

describe("TurnUdpTcp: which transport", () => {
  it.effect("takes UDP where it gets through", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      assert.strictEqual(transportOf(yield* allocate()), "udp")
      assert.lengthOf(server.connections(), 0)
    }).pipe(inWorldWithTcp())
  )

  it.effect("takes TCP after 3 s without any answer over UDP", () =>
    Effect.gen(function* () {
      const server = yield* startServer({ udpBlocked: true })
      const { atMillis, exit } = yield* timed(allocate(), "100 millis")
      assert.strictEqual(transportOf(yield* exit), "tcp")
      assert.strictEqual(atMillis, 3_000)
      assert.lengthOf(server.connections(), 1)
    }).pipe(inWorldWithTcp())
  )

  it.effect("gives a server that answers something over UDP its whole time", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      server.script(({ authenticated }) => (authenticated ? { _tag: "Drop" } : undefined))
      const allocating = yield* Effect.forkChild(allocate(), { startImmediately: true })
      yield* TestClock.adjust("30 seconds")
      assert.isUndefined(allocating.pollUnsafe())
      assert.lengthOf(server.connections(), 0)
      yield* Fiber.interrupt(allocating)
    }).pipe(inWorldWithTcp())
  )

  it.effect("asks over no other transport than it is told, or than there is", () =>
    Effect.gen(function* () {
      const server = yield* startServer({ udpBlocked: true })
      const { error, atSeconds } = yield* failure(allocate(config.pipe(TurnConfig.withTransport("udp"))), "500 millis")
      assert.strictEqual(atSeconds, 39.5)
      assert.deepStrictEqual([error.transport, error.before], ["udp", undefined])
      assert.include(error.message, "failed over UDP: no answer after 7 attempts")
      assert.lengthOf(server.connections(), 0)
      assert.strictEqual(transportOf(yield* allocate(overTcp)), "tcp")
    }).pipe(inWorldWithTcp())
  )

  it.effect("tells that a client of UDP only cannot do TCP", () =>
    Effect.gen(function* () {
      yield* startServer()
      const error = yield* Effect.flip(allocate(overTcp))
      assert.include(error.message, "over TCP: unreachable (EPROTONOSUPPORT)")
    }).pipe(inWorld())
  )

  it.effect("does not try TCP when the server refuses the credentials over UDP", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      server.script(() => ({ _tag: "Refuse", code: 401 }))
      const { error } = yield* failure(allocate(), "100 millis")
      assert.deepStrictEqual([error.reason._tag, error.transport], ["TurnUnauthorized", "udp"])
      assert.lengthOf(server.connections(), 0)
    }).pipe(inWorldWithTcp())
  )

  it.effect("names both transports when neither gets through, and gives up a connection that is never answered", () =>
    Effect.gen(function* () {
      yield* startServer({ udpBlocked: true })
      const { error, atSeconds } = yield* failure(allocate(), "500 millis")
      assert.strictEqual(atSeconds, 13)
      assert.strictEqual(
        error.message,
        "TURN allocate at 127.0.0.1:3478 failed over UDP: no answer after 3 attempts; over TCP: unreachable (ETIMEDOUT)"
      )
      assert.deepStrictEqual([error.transport, error.before?.map(({ transport }) => transport)], ["tcp", ["udp"]])
    }).pipe(inWorldWithTcp({ unanswered: () => true }))
  )

  it.effect("goes on at once where the UDP port is refused, and says so of both", () =>
    Effect.gen(function* () {
      const { error, atSeconds } = yield* failure(allocate(), "10 millis")
      assert.isBelow(atSeconds, 1)
      assert.include(error.message, "over UDP: unreachable (ECONNREFUSED); over TCP: unreachable (ECONNREFUSED)")
    }).pipe(inWorldWithTcp())
  )
})

describe("TurnUdpTcp: an allocation on TCP", () => {
  it.effect("sends each request once, keeps it alive, and releases it", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* allocate(overTcp)
          yield* TestClock.adjust("60 seconds")
          assert.deepStrictEqual(momentsOf(server, "refresh"), [25, 50])
          server.script(() => ({ _tag: "Drop" }))
          yield* TestClock.adjust("39 seconds")
          assert.deepStrictEqual(momentsOf(server, "refresh"), [25, 50, 75])
          server.script(() => undefined)
          yield* TestClock.adjust("60 seconds")
        })
      )
      yield* TestClock.adjust("1 seconds")
      assert.deepStrictEqual([server.allocations().length, server.connections().length], [0, 0])
    }).pipe(inWorldWithTcp())
  )

  it.effect("is replaced as soon as the connection ends, with channels, and over UDP where that is open by now", () =>
    Effect.gen(function* () {
      const server = yield* startServer({ udpBlocked: true })
      const { exit } = yield* timed(allocate(), "100 millis")
      const allocation = yield* exit
      const peer = yield* openPeer()
      yield* allocation.bindChannel(peer.address)
      const events = yield* watchEvents(allocation)
      for (const expected of ["tcp", "udp"] as const) {
        events.length = 0
        if (expected === "udp") server.blockUdp(false)
        for (const connection of server.connections()) connection.abort("ECONNRESET")
        yield* TestClock.adjust("1400 millis")
        // Blocked UDP is asked for a moment before.
        if (expected === "tcp") assert.isUndefined(allocation.state())
        yield* TestClock.adjust("200 millis")
        assert.deepStrictEqual(
          events.map(({ _tag }) => _tag),
          ["Lost", "Relocated"]
        )
        assert.strictEqual(transportOf(allocation), expected)
        assert.isTrue(allocation.send(peer.address, bytes(expected)))
        yield* TestClock.adjust("10 millis")
        assert.strictEqual(peer.heard.pop()?.[0], expected)
      }
    }).pipe(inWorldWithTcp())
  )

  it.effect("is replaced by one on TCP when UDP gets through no longer", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      const allocation = yield* allocate()
      const events = yield* watchEvents(allocation)
      server.blockUdp(true)
      yield* TestClock.adjust("90 seconds")
      assert.deepStrictEqual(
        events.map(({ _tag }) => _tag),
        ["Lost", "Relocated"]
      )
      assert.strictEqual(transportOf(allocation), "tcp")
    }).pipe(inWorldWithTcp())
  )

  it.effect("moves to UDP once that gets through, with what it keeps, and gives back the former one", () =>
    Effect.gen(function* () {
      const server = yield* startServer({ udpBlocked: true })
      const { exit } = yield* timed(allocate(), "100 millis")
      const allocation = yield* exit
      const [bound, permitted] = [yield* openPeer(), yield* openPeer()]
      yield* allocation.bindChannel(bound.address)
      yield* allocation.permit(permitted.address.host)
      const events = yield* watchEvents(allocation)
      const former = allocation.state()?.relayedAddress
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(transportOf(allocation), "tcp")
      server.blockUdp(false)
      yield* TestClock.adjust("15 minutes")
      assert.strictEqual(transportOf(allocation), "udp")
      const [event] = events
      assert.lengthOf(events, 1)
      assert.deepStrictEqual(event?._tag === "Relocated" ? event.previous : undefined, former)
      assert.deepStrictEqual([server.allocations().length, server.connections().length], [1, 0])
      for (const peer of [bound, permitted]) {
        assert.isTrue(allocation.send(peer.address, bytes("over UDP")))
        yield* TestClock.adjust("10 millis")
        assert.strictEqual(peer.heard.pop()?.[0], "over UDP")
      }
      yield* TestClock.adjust("1 hours")
      assert.lengthOf(events, 1)
    }).pipe(inWorldWithTcp())
  )

  it.effect("stays on TCP for as long as much goes through it", () =>
    Effect.gen(function* () {
      const server = yield* startServer({ udpBlocked: true })
      const { exit } = yield* timed(allocate(), "100 millis")
      const allocation = yield* exit
      const peer = yield* openPeer()
      yield* allocation.bindChannel(peer.address)
      server.blockUdp(false)
      for (let second = 0; second < 600; second++) {
        for (let count = 0; count < 10; count++) allocation.send(peer.address, new Uint8Array(1000))
        yield* TestClock.adjust("1 seconds")
      }
      assert.strictEqual(transportOf(allocation), "tcp")
      yield* TestClock.adjust("1 minutes")
      assert.strictEqual(transportOf(allocation), "udp")
    }).pipe(inWorldWithTcp())
  )

  it.effect("leaves a connection that brings noise for a new one, and counts it", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      const allocation = yield* allocate(overTcp)
      const events = yield* watchEvents(allocation)
      const [connection] = server.connections()
      connection?.write(bytes("SSH-2.0-OpenSSH_9.6\r\n"))
      yield* TestClock.adjust("1 seconds")
      const [lost, relocated] = events
      assert.isTrue(lost?._tag === "Lost" && lost.error.code === "EBADMSG")
      assert.strictEqual(relocated?._tag, "Relocated")
      assert.strictEqual(allocation.statistics().droppedPackets, 1)
      assert.notInclude(server.connections(), connection)
    }).pipe(inWorldWithTcp())
  )

  it.effect("comes back after the server was away, asked for again and again", () =>
    Effect.gen(function* () {
      const server = yield* startServer({ udpBlocked: true })
      const { exit } = yield* timed(allocate(), "100 millis")
      const allocation = yield* exit
      const events = yield* watchEvents(allocation)
      yield* server.stop
      yield* TestClock.adjust("20 seconds")
      assert.isUndefined(allocation.state())
      yield* server.start
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(
        events.map(({ _tag }) => _tag),
        ["Lost", "Relocated"]
      )
      assert.strictEqual(transportOf(allocation), "tcp")
    }).pipe(inWorldWithTcp())
  )
})
