/** The TURN client against a real coturn over TCP: the contract, the way there from UDP, and servers that fail. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted, References, Schedule, type Scope } from "effect"
import * as Dgram from "node:dgram"
import * as Net from "node:net"
import * as TurnConfig from "../../src/domain/turnConfig.ts"
import type { TransportAddress } from "../../src/domain/transportAddress.ts"
import * as MetricsMemory from "../../src/layers/MetricsMemory.ts"
import * as TcpNode from "../../src/layers/TcpNode.ts"
import * as TurnUdpTcp from "../../src/layers/TurnUdpTcp.ts"
import * as UdpNode from "../../src/layers/UdpNode.ts"
import { tcpQueueBytesMax } from "../../src/services/Tcp.ts"
import { type TurnAllocation, TurnClient } from "../../src/services/TurnClient.ts"
import { Udp } from "../../src/services/Udp.ts"
import { bytes, turnClientContract } from "../contract/TurnClient.ts"
import { collectEvents } from "../layers/turn/world.ts"
import * as Coturn from "./coturn.ts"

const world = TurnUdpTcp.layer.pipe(
  Layer.provideMerge(Layer.merge(UdpNode.layer, TcpNode.layer)),
  Layer.provideMerge(MetricsMemory.layer),
  Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "None"))
)

const inWorld = <A, E>(effect: Effect.Effect<A, E, TurnClient | Udp | Scope.Scope>) =>
  effect.pipe(Effect.scoped, Effect.provide(world))

const configOf = (server: TransportAddress, transport: TurnConfig.TurnTransportChoice = "tcp") =>
  TurnConfig.make({ host: server.host, port: server.port }).pipe(
    TurnConfig.withCredentials("user", Redacted.make("password")),
    TurnConfig.withTransport(transport)
  )

const allocate = (config: TurnConfig.TurnConfig) => TurnClient.use((turn) => turn.allocate(config))

const until = (condition: () => boolean) =>
  Effect.sync(condition).pipe(Effect.repeat({ until: (holds) => holds, schedule: Schedule.spaced("10 millis") }))

const openEcho = Effect.fnUntraced(function* () {
  const socket = yield* Udp.use((udp) => udp.bind({ host: "127.0.0.1", port: 0 }))
  socket.onReceive((payload, from) => socket.send(payload, from))
  return socket.local
})

const untilEchoed = Effect.fnUntraced(function* (allocation: TurnAllocation, peer: TransportAddress) {
  let echoes = 0
  allocation.onReceive(() => void echoes++)
  yield* Effect.sync(() => void allocation.send(peer, bytes("echo"))).pipe(
    Effect.repeat({ until: () => echoes > 0, schedule: Schedule.spaced("20 millis") })
  )
})

/** A UDP port that hears everything and says nothing, as behind a firewall. */
const udpSink = ({ host, port }: TransportAddress) =>
  Effect.acquireRelease(
    Effect.callback<Dgram.Socket>((resume) => {
      const socket = Dgram.createSocket("udp4")
      socket.bind(port, host, () => resume(Effect.succeed(socket)))
    }),
    (socket) => Effect.callback<void>((resume) => void socket.close(() => resume(Effect.void)))
  )

/** A way to a TCP server that can be stopped: it passes everything on, or reads nothing more from the client. */
const tcpGate = Effect.fnUntraced(function* (server: TransportAddress, port = 0) {
  const sockets = new Set<Net.Socket>()
  const clients = new Set<Net.Socket>()
  const gate = Net.createServer((client) => {
    const onward = Net.connect(server)
    for (const socket of [client, onward]) {
      sockets.add(socket)
      socket.on("error", () => {})
      socket.on("close", () => [client, onward].forEach((one) => one.destroy()))
    }
    clients.add(client)
    client.pipe(onward)
    onward.pipe(client)
  })
  yield* Effect.callback<void>((resume) => void gate.listen(port, "127.0.0.1", () => resume(Effect.void)))
  yield* Effect.addFinalizer(() =>
    Effect.callback<void>((resume) => {
      gate.close(() => resume(Effect.void))
      for (const socket of sockets) socket.destroy()
    })
  )
  const address = gate.address()
  return {
    address: { host: "127.0.0.1", port: typeof address === "object" && address !== null ? address.port : 0 },
    stopReading: () => {
      for (const client of clients) {
        client.unpipe()
        client.pause()
      }
    }
  }
})

const hint = Coturn.missing === undefined ? "" : ` (${Coturn.missing})`

describe.skipIf(Coturn.skipped)(`coturn over TCP${hint}`, () => {
  it.live("is asked over TCP at once where its UDP port is closed, and after 3 s where UDP goes nowhere", () =>
    Effect.gen(function* () {
      const coturn = yield* Coturn.start({ flags: ["--no-udp"] })
      const peer = yield* openEcho()
      const overRefused = yield* allocate(configOf(coturn, "auto"))
      assert.strictEqual(overRefused.state()?.transport, "tcp")
      yield* overRefused.bindChannel(peer)
      yield* untilEchoed(overRefused, peer)
      yield* udpSink(coturn)
      const overSilence = yield* allocate(configOf(coturn, "auto"))
      assert.strictEqual(overSilence.state()?.transport, "tcp")
      yield* overSilence.permit(peer.host)
      yield* untilEchoed(overSilence, peer)
    }).pipe(inWorld)
  )

  it.live("is asked over UDP where it listens on both", () =>
    Effect.gen(function* () {
      const coturn = yield* Coturn.start()
      assert.strictEqual((yield* allocate(configOf(coturn, "auto"))).state()?.transport, "udp")
    }).pipe(inWorld)
  )

  it.live("carries 200 packets a second for 3 s, in their order and without a loss", () =>
    Effect.gen(function* () {
      const coturn = yield* Coturn.start()
      const allocation = yield* allocate(configOf(coturn))
      const peer = yield* openEcho()
      yield* allocation.bindChannel(peer)
      yield* untilEchoed(allocation, peer)
      const heard: Array<number> = []
      allocation.onReceive((payload) => {
        if (payload.length > 8) heard.push(Buffer.from(payload).readUInt32BE(0))
      })
      const count = 600
      let sent = 0
      const sendOne = Effect.sync(() => {
        const payload = Buffer.alloc(1000 + (sent % 4))
        payload.writeUInt32BE(sent++)
        assert.isTrue(allocation.send(peer, payload))
      })
      yield* sendOne.pipe(Effect.repeat({ schedule: Schedule.fixed("5 millis"), times: count - 1 }))
      yield* until(() => heard.length === count)
      assert.deepStrictEqual(
        heard,
        Array.from({ length: count }, (_, index) => index)
      )
    }).pipe(inWorld)
  )

  for (const transport of ["tcp", "auto"] as const) {
    it.live(`is killed and started again, with a client of ${transport}: data flows again`, () =>
      Effect.gen(function* () {
        const coturn = yield* Coturn.start()
        const allocation = yield* allocate(configOf(coturn, transport))
        const before = allocation.state()?.relayedAddress
        const events = yield* collectEvents(allocation)
        const peer = yield* openEcho()
        yield* allocation.bindChannel(peer)
        yield* untilEchoed(allocation, peer)
        yield* coturn.kill
        // Over TCP the end of the connection tells; over UDP what is sent from now on does.
        yield* Effect.sync(() => void allocation.send(peer, bytes("traffic"))).pipe(
          Effect.repeat({ until: () => events.length > 0, schedule: Schedule.spaced("10 millis") })
        )
        yield* coturn.start
        yield* until(() => events.some(({ _tag }) => _tag === "Relocated"))
        yield* untilEchoed(allocation, peer)
        assert.notDeepEqual(allocation.state()?.relayedAddress, before)
      }).pipe(inWorld)
    )
  }

  it.live("comes back with its UDP port closed: the client that lived on UDP goes to TCP", () =>
    Effect.gen(function* () {
      const [before, after] = yield* Effect.all([Coturn.start(), Coturn.start({ flags: ["--no-udp"] })])
      const allocation = yield* allocate(configOf(before, "auto").pipe(TurnConfig.withKeepalive("200 millis")))
      assert.strictEqual(allocation.state()?.transport, "udp")
      yield* before.kill
      yield* until(() => allocation.state() === undefined)
      yield* tcpGate({ host: after.host, port: after.port }, before.port)
      yield* until(() => allocation.state()?.transport === "tcp")
    }).pipe(inWorld)
  )

  it.live("reads nothing for a while: what is queued stays bounded, and a new connection replaces that one", () =>
    Effect.gen(function* () {
      const coturn = yield* Coturn.start()
      const gate = yield* tcpGate(coturn)
      const config = configOf(gate.address).pipe(TurnConfig.withTimeout("2 seconds"))
      const allocation = yield* allocate(config)
      const events = yield* collectEvents(allocation)
      const peer = yield* openEcho()
      yield* allocation.bindChannel(peer)
      yield* untilEchoed(allocation, peer)
      gate.stopReading()
      const payload = new Uint8Array(10_000)
      const before = process.memoryUsage().arrayBuffers
      const burst = Effect.sync(() => {
        let taken = 0
        while (taken < 50 && allocation.send(peer, payload)) taken++
        return taken
      })
      // Each turn of the event loop hands more to the kernel, until that takes no more either.
      yield* burst.pipe(Effect.repeat({ until: (taken) => taken === 0, schedule: Schedule.spaced("2 millis") }))
      const dropped = allocation.statistics().droppedPackets
      for (let sends = 0; sends < 10_000; sends++) allocation.send(peer, payload)
      assert.isAtLeast(allocation.statistics().droppedPackets - dropped, 9_900)
      assert.isBelow(process.memoryUsage().arrayBuffers - before, 4 * tcpQueueBytesMax)
      yield* until(() => events.some(({ _tag }) => _tag === "Relocated"))
      yield* untilEchoed(allocation, peer)
    }).pipe(inWorld)
  )
})

const withCoturn = Layer.unwrap(
  Effect.gen(function* () {
    const { host, port } = yield* Coturn.start({ host: "127.0.0.1" })
    const real = Context.get(yield* Layer.build(world), TurnClient)
    // The contract's configuration does not know the port.
    const client = TurnClient.of({
      allocate: (config) => {
        const wanted = config.server.host
        return real.allocate({ ...config, server: { host: wanted, port: wanted === host ? port : 3478 } })
      }
    })
    return Layer.merge(Layer.succeed(TurnClient, client), UdpNode.layer)
  })
)

if (!Coturn.skipped) {
  for (const transport of ["tcp", "udp"] as const) {
    turnClientContract(`coturn over ${transport.toUpperCase()}`, {
      config: configOf({ host: "127.0.0.1", port: 3478 }, transport),
      layer: withCoturn,
      live: true
    })
  }
}
