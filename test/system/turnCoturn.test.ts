/**
 * The TURN client against a real coturn on loopback: what no scripted server can prove. Coturn's own behaviour, such as
 * 400 after a restart and a released 5-tuple that it refuses for a second, is taken as it is.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Redacted, References, Schedule, Scope } from "effect"
import { turnAllocationRefreshes } from "../../src/domain/metrics.ts"
import type { TransportAddress } from "../../src/domain/transportAddress.ts"
import * as TurnConfig from "../../src/domain/turnConfig.ts"
import * as MetricsMemory from "../../src/layers/MetricsMemory.ts"
import * as TurnUdp from "../../src/layers/TurnUdp.ts"
import * as UdpNode from "../../src/layers/UdpNode.ts"
import { Metrics } from "../../src/services/Metrics.ts"
import { type TurnAllocation, TurnClient } from "../../src/services/TurnClient.ts"
import { Udp } from "../../src/services/Udp.ts"
import { bytes, openPeer, text } from "../contract/TurnClient.ts"
import { collectEvents } from "../layers/turn/world.ts"
import * as Coturn from "./coturn.ts"

const world = TurnUdp.layer.pipe(
  Layer.provideMerge(UdpNode.layer),
  Layer.provideMerge(MetricsMemory.layer),
  Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "None"))
)

/** What a test opens ends before the client's layers do. */
const inWorld = <A, E>(effect: Effect.Effect<A, E, TurnClient | Udp | Scope.Scope>) =>
  effect.pipe(Effect.scoped, Effect.provide(world))

const configOf = ({ host, port }: Coturn.Coturn, username = "user", password = "password") =>
  TurnConfig.make({ host, port }).pipe(TurnConfig.withCredentials(username, Redacted.make(password)))

const allocate = (config: TurnConfig.TurnConfig) => TurnClient.use((turn) => turn.allocate(config))

/** Waits until something is so; a test that waits in vain ends by its timeout, which names it. */
const until = (condition: () => boolean) =>
  Effect.sync(condition).pipe(Effect.repeat({ until: (holds) => holds, schedule: Schedule.spaced("10 millis") }))

const relayedAddress = (allocation: TurnAllocation): TransportAddress => {
  const state = allocation.state()
  assert.isDefined(state)
  return state.relayedAddress
}

const refreshes = Effect.flatMap(Metrics, (metrics) => metrics.value(turnAllocationRefreshes, {}))
const untilRefreshed = (times: number) =>
  refreshes.pipe(Effect.repeat({ until: (count) => count >= times, schedule: Schedule.spaced("20 millis") }))

/** A peer that answers, and a client that counts the answers: sends until one comes back. */
const untilEchoed = Effect.fnUntraced(function* (allocation: TurnAllocation, peer: TransportAddress) {
  let echoes = 0
  allocation.onReceive(() => void echoes++)
  yield* Effect.sync(() => void allocation.send(peer, bytes("echo"))).pipe(
    Effect.repeat({ until: () => echoes > 0, schedule: Schedule.spaced("20 millis") })
  )
})

const openEcho = Effect.fnUntraced(function* (host = "127.0.0.1") {
  const socket = yield* Udp.use((udp) => udp.bind({ host, port: 0 }))
  socket.onReceive((payload, from) => socket.send(payload, from))
  return socket.local
})

const count = (log: string, pattern: RegExp): number => log.match(pattern)?.length ?? 0

/** Says in the list of skipped tests what to install. */
const hint = Coturn.missing === undefined ? "" : ` (${Coturn.missing})`

describe.skipIf(Coturn.skipped)(`coturn${hint}`, () => {
  it.live("allocates with long-term credentials, and releases at the end", () =>
    Effect.gen(function* () {
      const coturn = yield* Coturn.start()
      const scope = yield* Scope.make()
      const allocation = yield* Scope.provide(allocate(configOf(coturn)), scope)
      const state = allocation.state()
      assert.isDefined(state)
      assert.deepStrictEqual([state.relayedAddress.host, state.mappedAddress.host], ["127.0.0.1", "127.0.0.1"])
      assert.strictEqual(state.lifetimeSeconds, 600)
      yield* Scope.close(scope, Exit.void)
      yield* until(() => /refreshed, realm=<example\.org>, username=<user>, lifetime=0/.test(coturn.log()))
      assert.strictEqual(count(coturn.log(), /error 401/g), 1)
    }).pipe(inWorld)
  )

  // The last two are other texts once prepared, which coturn leaves as they are. It drops leading spaces of `--user`.
  const passwords = ["p@ss w:rd%2F=\"'\\$`! ", "pässwörd", "密码", "пароль", "ªⅨ", "a\u{300}"]
  it.live.each(passwords)("allocates with the password %s", (password) =>
    Effect.gen(function* () {
      const coturn = yield* Coturn.start({ users: [`user:${password}`] })
      const allocation = yield* allocate(configOf(coturn, "user", password))
      assert.isDefined(allocation.state())
    }).pipe(inWorld)
  )

  it.live("stops after the second 401 for a wrong password or user", () =>
    Effect.gen(function* () {
      const coturn = yield* Coturn.start()
      for (const [user, password] of [
        ["user", "wrong"],
        ["nobody", "password"]
      ] as const) {
        const before = count(coturn.log(), /error 401/g)
        const error = yield* Effect.flip(allocate(configOf(coturn, user, password)))
        assert.deepStrictEqual([error.reason._tag, error.code], ["TurnUnauthorized", 401])
        yield* until(() => count(coturn.log(), /error 401/g) === before + 2)
      }
    }).pipe(inWorld)
  )

  it.live("relays both ways by indications and by a channel", () =>
    Effect.gen(function* () {
      const coturn = yield* Coturn.start()
      const allocation = yield* allocate(configOf(coturn))
      const heard: Array<string> = []
      allocation.onReceive((payload, peer) => void heard.push(`${text(payload)} ${peer.port}`))
      const peer = yield* openPeer()
      yield* allocation.permit(peer.address.host)
      for (const round of ["indication", "channel"]) {
        allocation.send(peer.address, bytes(`down by ${round}`))
        yield* until(() => peer.heard.length === 1)
        assert.deepStrictEqual(peer.heard.pop(), [`down by ${round}`, relayedAddress(allocation)])
        peer.send(`up by ${round}`, relayedAddress(allocation))
        yield* until(() => heard.length === 1)
        assert.strictEqual(heard.pop(), `up by ${round} ${peer.address.port}`)
        if (round === "indication") yield* allocation.bindChannel(peer.address)
      }
      assert.strictEqual(allocation.statistics().droppedPackets, 0)
    }).pipe(inWorld)
  )

  it.live("allocates an IPv6 relay from an IPv6 socket, and relays", () =>
    Effect.gen(function* () {
      const coturn = yield* Coturn.start({ host: "::1" })
      const allocation = yield* allocate(configOf(coturn).pipe(TurnConfig.withAddressFamily(6)))
      assert.deepStrictEqual(
        [allocation.state()?.relayedAddress.host, allocation.state()?.mappedAddress.host],
        ["::1", "::1"]
      )
      const peer = yield* openEcho("::1")
      yield* allocation.bindChannel(peer)
      yield* untilEchoed(allocation, peer)
    }).pipe(inWorld)
  )

  it.live("finds the server under a host name", () =>
    Effect.gen(function* () {
      const coturn = yield* Coturn.start()
      const allocation = yield* allocate({ ...configOf(coturn), server: { host: "localhost", port: coturn.port } })
      assert.strictEqual(allocation.state()?.server.host, "127.0.0.1")
    }).pipe(inWorld)
  )

  it.live("lives on a lifetime of 5 s", () =>
    Effect.gen(function* () {
      const coturn = yield* Coturn.start({ flags: ["--max-allocate-lifetime=5"] })
      const allocation = yield* allocate(configOf(coturn).pipe(TurnConfig.withKeepalive(0)))
      assert.strictEqual(allocation.state()?.lifetimeSeconds, 5)
      const relayed = relayedAddress(allocation)
      const events = yield* collectEvents(allocation)
      // Three refreshes are at least 6 s, so that the first lifetime has ended.
      yield* untilRefreshed(3)
      const peer = yield* openEcho()
      yield* allocation.bindChannel(peer)
      yield* untilEchoed(allocation, peer)
      assert.deepStrictEqual(relayedAddress(allocation), relayed)
      assert.deepStrictEqual(events, [])
    }).pipe(inWorld)
  )

  it.live("takes stale nonces in its stride", () =>
    Effect.gen(function* () {
      const coturn = yield* Coturn.start({ flags: ["--stale-nonce=2"] })
      const allocation = yield* allocate(configOf(coturn).pipe(TurnConfig.withKeepalive("500 millis")))
      const relayed = relayedAddress(allocation)
      const events = yield* collectEvents(allocation)
      const peer = yield* openEcho()
      yield* allocation.bindChannel(peer)
      yield* until(() => count(coturn.log(), /error 438/g) >= 2)
      // All of these meet a nonce that may be stale.
      yield* Effect.forEach(
        Array.from({ length: 10 }, (_, index) => `127.0.1.${index}`),
        allocation.permit,
        { concurrency: "unbounded" }
      )
      yield* untilEchoed(allocation, peer)
      assert.deepStrictEqual(relayedAddress(allocation), relayed)
      assert.deepStrictEqual([events, allocation.statistics().droppedPackets], [[], 0])
    }).pipe(inWorld)
  )

  it.live("takes another local port when coturn still holds a released one", () =>
    Effect.gen(function* () {
      const coturn = yield* Coturn.start()
      const ports: Array<number> = []
      const first = Effect.gen(function* () {
        const allocation = yield* allocate(configOf(coturn))
        ports.push(allocation.state()?.mappedAddress.port ?? 0)
      })
      yield* Effect.scoped(first)
      // The next client's first socket has the port that was released a moment ago.
      const pinned = Layer.effect(
        Udp,
        Udp.useSync((udp) => {
          const wanted = ports.slice()
          return Udp.of({ ...udp, connect: (remote) => udp.connect(remote, { localPort: wanted.pop() ?? 0 }) })
        })
      ).pipe(Layer.provide(UdpNode.layer))
      yield* Effect.scoped(first).pipe(Effect.provide(Layer.provide(TurnUdp.layer, pinned), { local: true }))
      assert.strictEqual(count(coturn.log(), /error 437/g), 1)
      assert.notStrictEqual(ports[0], ports[1])
    }).pipe(inWorld)
  )

  it.live("fails for a denied peer, and for nobody else", () =>
    Effect.gen(function* () {
      const coturn = yield* Coturn.start({ flags: ["--denied-peer-ip=127.0.0.9"] })
      const allocation = yield* allocate(configOf(coturn))
      const peer = yield* openEcho()
      yield* allocation.permit(peer.host)
      for (const attempt of [allocation.permit("127.0.0.9"), allocation.bindChannel({ host: "127.0.0.9", port: 9 })]) {
        const error = yield* Effect.flip(Effect.asVoid(attempt))
        assert.deepStrictEqual([error.reason._tag, error.code], ["TurnPeerRefused", 403])
      }
      yield* untilEchoed(allocation, peer)
    }).pipe(inWorld)
  )

  it.live("tells a reached quota, which is free again a second after a release", () =>
    Effect.gen(function* () {
      const coturn = yield* Coturn.start({ flags: ["--user-quota=1"] })
      const scope = yield* Scope.make()
      yield* Scope.provide(allocate(configOf(coturn)), scope)
      const error = yield* Effect.flip(allocate(configOf(coturn)))
      assert.deepStrictEqual([error.reason._tag, error.code], ["TurnQuotaReached", 486])
      yield* Scope.close(scope, Exit.void)
      const allocation = yield* Effect.retry(allocate(configOf(coturn)), Schedule.spaced("200 millis"))
      assert.isDefined(allocation.state())
    }).pipe(inWorld)
  )
})

describe.skipIf(Coturn.skipped)(`coturn that fails${hint}`, () => {
  it.live("is killed and started again under traffic: data flows again, from a new address that is announced", () =>
    Effect.gen(function* () {
      const coturn = yield* Coturn.start()
      const allocation = yield* allocate(configOf(coturn))
      const before = relayedAddress(allocation)
      const events = yield* collectEvents(allocation)
      const peer = yield* openEcho()
      yield* allocation.bindChannel(peer)
      yield* untilEchoed(allocation, peer)
      let echoes = 0
      allocation.onReceive(() => void echoes++)
      yield* Effect.forkScoped(
        Effect.sync(() => void allocation.send(peer, bytes("traffic"))).pipe(Effect.repeat(Schedule.spaced("5 millis")))
      )
      yield* coturn.kill
      yield* until(() => events.some(({ _tag }) => _tag === "Lost"))
      yield* coturn.start
      yield* until(() => events.some(({ _tag }) => _tag === "Relocated"))
      echoes = 0
      yield* until(() => echoes > 0)
      const relocated = events.at(-1)
      assert.isTrue(relocated?._tag === "Relocated")
      assert.deepStrictEqual(relocated?._tag === "Relocated" && relocated.previous, before)
      assert.deepStrictEqual(
        relocated?._tag === "Relocated" && relocated.state.relayedAddress,
        relayedAddress(allocation)
      )
      assert.notDeepEqual(relayedAddress(allocation), before)
    }).pipe(inWorld)
  )

  it.live("is killed and started again between two packets: ChannelData lost in silence is noticed", () =>
    Effect.gen(function* () {
      const coturn = yield* Coturn.start()
      const allocation = yield* allocate(configOf(coturn).pipe(TurnConfig.withKeepalive(0)))
      const events = yield* collectEvents(allocation)
      const peer = yield* openEcho()
      yield* allocation.bindChannel(peer)
      yield* coturn.kill
      yield* coturn.start
      assert.deepStrictEqual(events, [])
      yield* untilEchoed(allocation, peer)
      assert.deepStrictEqual(
        events.map(({ _tag }) => _tag),
        ["Lost", "Relocated"]
      )
    }).pipe(inWorld)
  )

  it.live("is killed and started again while nothing is sent: the next keepalive notices", () =>
    Effect.gen(function* () {
      const coturn = yield* Coturn.start()
      const allocation = yield* allocate(configOf(coturn).pipe(TurnConfig.withKeepalive("1 second")))
      const events = yield* collectEvents(allocation)
      const peer = yield* openPeer()
      yield* allocation.permit(peer.address.host)
      yield* coturn.kill
      yield* coturn.start
      yield* until(() => events.some(({ _tag }) => _tag === "Relocated"))
      const heard: Array<string> = []
      allocation.onReceive((payload) => void heard.push(text(payload)))
      yield* Effect.sync(() => peer.send("back", relayedAddress(allocation))).pipe(
        Effect.repeat({ until: () => heard.length > 0, schedule: Schedule.spaced("20 millis") })
      )
    }).pipe(inWorld)
  )

  it.live("is killed and started again, and the first thing it hears is a new peer", () =>
    Effect.gen(function* () {
      const coturn = yield* Coturn.start()
      const allocation = yield* allocate(configOf(coturn))
      yield* coturn.kill
      yield* coturn.start
      const peer = yield* openEcho()
      // Answered with 438, then 400, by which coturn does not say that the allocation is gone.
      yield* allocation.bindChannel(peer)
      yield* untilEchoed(allocation, peer)
    }).pipe(inWorld)
  )

  it.live("is stopped for a while and goes on: the allocation is lost, and found again under its address", () =>
    Effect.gen(function* () {
      const coturn = yield* Coturn.start()
      const config = configOf(coturn).pipe(TurnConfig.withKeepalive("200 millis"), TurnConfig.withTimeout("3 seconds"))
      const allocation = yield* allocate(config)
      const before = relayedAddress(allocation)
      const events = yield* collectEvents(allocation)
      yield* coturn.freeze
      yield* until(() => events.some(({ _tag }) => _tag === "Lost"))
      yield* coturn.thaw
      yield* until(() => events.some(({ _tag }) => _tag === "Relocated"))
      assert.deepStrictEqual(relayedAddress(allocation), before)
    }).pipe(inWorld)
  )

  it.live("is not there: the port refuses at once", () =>
    Effect.gen(function* () {
      const coturn = yield* Coturn.start()
      yield* coturn.kill
      const error = yield* Effect.flip(allocate(configOf(coturn)))
      assert.deepStrictEqual([error.reason._tag, error.code], ["TurnUnreachable", "ECONNREFUSED"])
    }).pipe(inWorld)
  )
})
