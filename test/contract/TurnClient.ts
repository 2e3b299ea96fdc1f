/** What every `TurnClient` does, whatever is behind it. A layer's test file runs it on its own layer. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, type Layer, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import type { TransportAddress } from "../../src/domain/transportAddress.ts"
import type * as TurnConfig from "../../src/domain/turnConfig.ts"
import { permissionsMax } from "../../src/domain/turnUpkeep.ts"
import { TurnClient } from "../../src/services/TurnClient.ts"
import { Udp } from "../../src/services/Udp.ts"

export const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Lets everything that is on its way arrive. */
export const settle = TestClock.adjust("10 millis")

/** One of many peers that need not exist. */
export const host = (index: number): string => `10.0.${index >> 8}.${index & 255}`

/** A plain UDP peer that keeps what it hears. */
export const openPeer = Effect.fnUntraced(function* (host = "127.0.0.1") {
  const socket = yield* Udp.use((udp) => udp.bind({ host, port: 0 }))
  const heard: Array<readonly [text: string, from: TransportAddress]> = []
  socket.onReceive((payload, from) => heard.push([text(payload), from]))
  return {
    address: socket.local,
    heard,
    send: (message: string, to: TransportAddress) => socket.send(bytes(message), to)
  }
})

export interface TurnClientFixture {
  readonly config: TurnConfig.TurnConfig
  /** A client, its network, and a server where it needs one. */
  readonly layer: Layer.Layer<TurnClient | Udp, unknown>
  /** With a server of its own, which needs real time. */
  readonly live?: boolean
}

/** Loopback takes less; what must not arrive is waited for in vain. */
const settleLive = Effect.sleep("50 millis")
/** How far a moment of the server's may be off in real time. */
const toleranceMillis = 5_000

const listen = (heard: Array<string>) => (payload: Uint8Array, peer: TransportAddress) =>
  void heard.push(`${text(payload)} from ${peer.host}:${peer.port}`)

export const turnClientContract = (name: string, { config, layer, live = false }: TurnClientFixture) => {
  const test = live ? it.live : it.effect
  const pause = live ? settleLive : settle
  const tolerance = live ? toleranceMillis : 0
  const allocate = TurnClient.use((turn) => turn.allocate(config))
  const relayedAddress = (allocation: Effect.Success<typeof allocate>): TransportAddress => {
    const state = allocation.state()
    assert.isDefined(state)
    return state.relayedAddress
  }
  /** Everything inside ends before the network does. */
  const run = <A, E>(effect: Effect.Effect<A, E, TurnClient | Udp | Scope.Scope>) =>
    effect.pipe(Effect.scoped, Effect.provide(layer))

  describe(`${name}: the contract of TurnClient`, () => {
    test("lends an address with a lifetime, until the scope closes", () =>
      run(
        Effect.gen(function* () {
          const scope = yield* Scope.make()
          const allocation = yield* Scope.provide(allocate, scope)
          const state = allocation.state()
          assert.isDefined(state)
          assert.isAbove(state.relayedAddress.port, 0)
          assert.isAbove(state.lifetimeSeconds, 0)
          const now = yield* Clock.currentTimeMillis
          assert.closeTo(state.expiresAtMillis - now, state.lifetimeSeconds * 1000, tolerance)
          const peer = yield* openPeer()
          yield* allocation.permit(peer.address.host)
          const heard: Array<string> = []
          allocation.onReceive(listen(heard))
          yield* Scope.close(scope, Exit.void)
          assert.isUndefined(allocation.state())
          assert.isFalse(allocation.send(peer.address, bytes("late")))
          peer.send("late", state.relayedAddress)
          yield* pause
          assert.deepStrictEqual([heard, peer.heard], [[], []])
        })
      ))

    test("relays both ways for a permitted peer, and counts it", () =>
      run(
        Effect.gen(function* () {
          const allocation = yield* allocate
          const peer = yield* openPeer()
          const heard: Array<string> = []
          allocation.onReceive(listen(heard))
          const permission = yield* allocation.permit(peer.address.host)
          assert.strictEqual(permission.host, "127.0.0.1")
          assert.closeTo(permission.expiresAtMillis - (yield* Clock.currentTimeMillis), 300_000, tolerance)
          assert.isTrue(allocation.send(peer.address, bytes("ping")))
          yield* pause
          assert.deepStrictEqual(peer.heard, [["ping", relayedAddress(allocation)]])
          peer.send("pong!", relayedAddress(allocation))
          yield* pause
          assert.deepStrictEqual(heard, [`pong! from 127.0.0.1:${peer.address.port}`])
          assert.deepStrictEqual(allocation.statistics(), {
            sentBytes: 4,
            sentPackets: 1,
            receivedBytes: 5,
            receivedPackets: 1,
            droppedPackets: 0
          })
        })
      ))

    test("relays nothing for a peer without permission", () =>
      run(
        Effect.gen(function* () {
          const allocation = yield* allocate
          const peer = yield* openPeer()
          const heard: Array<string> = []
          allocation.onReceive(listen(heard))
          assert.isFalse(allocation.send(peer.address, bytes("ping")))
          peer.send("pong", relayedAddress(allocation))
          yield* pause
          assert.deepStrictEqual([heard, peer.heard], [[], []])
          assert.strictEqual(allocation.statistics().droppedPackets, 1)
        })
      ))

    test("relays nothing for a peer whose permission was revoked", () =>
      run(
        Effect.gen(function* () {
          const allocation = yield* allocate
          const peer = yield* openPeer()
          const heard: Array<string> = []
          allocation.onReceive(listen(heard))
          yield* allocation.bindChannel(peer.address)
          yield* allocation.permit(peer.address.host)
          yield* allocation.revoke(peer.address.host)
          assert.isFalse(allocation.send(peer.address, bytes("ping")))
          peer.send("pong", relayedAddress(allocation))
          yield* pause
          assert.deepStrictEqual([heard, peer.heard], [[], []])
        })
      ))

    test("relays both ways over a channel, which brings the permission with it", () =>
      run(
        Effect.gen(function* () {
          const allocation = yield* allocate
          const peer = yield* openPeer()
          const other = yield* openPeer()
          const heard: Array<string> = []
          allocation.onReceive(listen(heard))
          yield* allocation.bindChannel(peer.address)
          assert.isTrue(allocation.send(peer.address, bytes("ping")))
          assert.isTrue(allocation.send(other.address, bytes("other")))
          yield* pause
          assert.deepStrictEqual(peer.heard, [["ping", relayedAddress(allocation)]])
          assert.deepStrictEqual(other.heard, [["other", relayedAddress(allocation)]])
          peer.send("pong", relayedAddress(allocation))
          yield* pause
          assert.deepStrictEqual(heard, [`pong from 127.0.0.1:${peer.address.port}`])
        })
      ))

    test("carries empty, large and binary datagrams as they are", () =>
      run(
        Effect.gen(function* () {
          const allocation = yield* allocate
          const peer = yield* openPeer()
          const heard: Array<Uint8Array> = []
          allocation.onReceive((payload) => void heard.push(payload.slice()))
          yield* allocation.bindChannel(peer.address)
          const udp = yield* Udp
          const echo = yield* udp.bind({ host: "127.0.0.1", port: 0 })
          echo.onReceive((payload, from) => echo.send(payload, from))
          yield* allocation.bindChannel(echo.local)
          const payloads = [0, 1, 2, 3, 4, 1200, 9000].map((length) => Uint8Array.from({ length }, (_, i) => i * 7))
          for (const payload of payloads) assert.isTrue(allocation.send(echo.local, payload))
          yield* pause
          assert.deepStrictEqual(
            heard.map((payload) => Array.from(payload)),
            payloads.map((payload) => Array.from(payload))
          )
        })
      ))

    test("relays between two allocations", () =>
      run(
        Effect.gen(function* () {
          const [left, right] = yield* Effect.all([allocate, allocate])
          const heard: Array<string> = []
          right.onReceive(listen(heard))
          yield* left.permit(relayedAddress(right).host)
          yield* right.permit(relayedAddress(left).host)
          left.send(relayedAddress(right), bytes("hello"))
          yield* pause
          assert.deepStrictEqual(heard, [`hello from 127.0.0.1:${relayedAddress(left).port}`])
        })
      ))

    test("streams relayed packets, and ends its streams with the scope", () =>
      run(
        Effect.gen(function* () {
          const scope = yield* Scope.make()
          const allocation = yield* Scope.provide(allocate, scope)
          const peer = yield* openPeer()
          yield* allocation.permit(peer.address.host)
          const packets = yield* Effect.forkChild(Stream.runCollect(allocation.packets), { startImmediately: true })
          const events = yield* Effect.forkChild(Stream.runCollect(allocation.events), { startImmediately: true })
          yield* pause
          for (const message of ["one", "two"]) peer.send(message, relayedAddress(allocation))
          yield* pause
          yield* Scope.close(scope, Exit.void)
          const collected = yield* Fiber.join(packets)
          assert.deepStrictEqual(
            collected.map(({ payload, peer: { port } }) => [text(payload), port]),
            [
              ["one", peer.address.port],
              ["two", peer.address.port]
            ]
          )
          assert.deepStrictEqual(yield* Fiber.join(events), [])
        })
      ))

    test("relays nothing to what is no port, and binds no channel to it", () =>
      run(
        Effect.gen(function* () {
          const allocation = yield* allocate
          yield* allocation.permit("127.0.0.1")
          for (const port of [0, -1, 65_536, 1.5]) {
            assert.isFalse(allocation.send({ host: "127.0.0.1", port }, bytes("nowhere")))
            const error = yield* Effect.flip(allocation.bindChannel({ host: "127.0.0.1", port }))
            assert.strictEqual(error.reason._tag, "TurnPeerRefused")
          }
          assert.strictEqual(allocation.statistics().droppedPackets, 4)
        })
      ))

    test("fails for a peer that is no IP address, and keeps the others", () =>
      run(
        Effect.gen(function* () {
          const allocation = yield* allocate
          const peer = yield* openPeer()
          yield* allocation.permit(peer.address.host)
          const error = yield* Effect.flip(allocation.permit("peer.example.org"))
          assert.strictEqual(error.reason._tag, "TurnPeerRefused")
          assert.include(error.message, "peer.example.org")
          assert.strictEqual((yield* Effect.flip(allocation.bindChannel({ host: "x", port: 1 }))).method, "channelBind")
          assert.isTrue(allocation.send(peer.address, bytes("ping")))
        })
      ))

    test("permits so many peers and no more", () =>
      run(
        Effect.gen(function* () {
          const allocation = yield* allocate
          for (let index = 0; index < permissionsMax; index++) yield* allocation.permit(host(index))
          const error = yield* Effect.flip(allocation.permit(host(permissionsMax)))
          assert.strictEqual(error.reason._tag, "TurnLimitReached")
          yield* allocation.revoke(host(0))
          yield* allocation.permit(host(permissionsMax))
        })
      ))

    test("fails with the name of a server that does not resolve", () =>
      run(
        Effect.gen(function* () {
          const turn = yield* TurnClient
          const nowhere = { ...config, server: { host: "nowhere.invalid", port: 3478 } }
          const error = yield* Effect.flip(turn.allocate(nowhere))
          assert.deepStrictEqual([error.method, error.code], ["resolve", "ENOTFOUND"])
          assert.include(error.message, "nowhere.invalid:3478")
        })
      ))
  })
}
