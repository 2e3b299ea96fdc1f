import { generateKeyPair } from "@libp2p/crypto/keys"
import type { Connection } from "@libp2p/interface"
import { type Multiaddr, multiaddr } from "@multiformats/multiaddr"
import { assert, describe, it, onTestFinished } from "@effect/vitest"
import {
  loadNative,
  type Native,
  type NativeClient,
  type NativeConfig
} from "../../../../src/layers/libp2p/quic/native.ts"
import { quicOptions } from "../../../../src/layers/libp2p/quic/options.ts"
import { dialsMax, quic, QuicTransport } from "../../../../src/layers/libp2p/quic/QuicTransport.ts"
import { addressOf, FakeUpgrader, loopback, quicNode, silentLogger, until } from "../../../fixtures/quicNode.ts"
import { UdpRelay, udpSocket } from "../../../fixtures/udpRelay.ts"

const node = async (listen: Array<string> = [loopback]) => {
  const made = await quicNode({}, listen)
  onTestFinished(() => made.stop())
  return made
}

/** A transport without a node around it. */
const transport = async (load: () => Promise<Native> = () => loadNative(), options = quicOptions({})) => {
  const privateKey = await generateKeyPair("Ed25519")
  const made = new QuicTransport({ logger: silentLogger, privateKey }, options, load)
  made.start()
  onTestFinished(() => {
    made.stop()
    made.afterStop()
  })
  return made
}

const nobody = async (): Promise<Multiaddr> => {
  const socket = await udpSocket()
  onTestFinished(() => void socket.close())
  return multiaddr(`/ip4/127.0.0.1/udp/${socket.address().port}/quic-v1`)
}

const failureOf = (attempt: Promise<unknown>): Promise<unknown> =>
  attempt.then(
    () => assert.fail("it succeeded"),
    (error: unknown) => error
  )

const nameOf = async (attempt: Promise<unknown>): Promise<string> => {
  const error = await failureOf(attempt)
  return error instanceof Error ? error.name : String(error)
}

describe("QuicTransport dialling", () => {
  it("refuses whoever is not the peer that was dialled, and closes the connection", async () => {
    const [dialler, listener, other] = await Promise.all([node(), node(), node()])
    const address = addressOf(listener).decapsulateCode(421).encapsulate(`/p2p/${other.peerId.toString()}`)
    const error = await failureOf(dialler.dial(address))
    assert.deepInclude(error, {
      name: "WrongPeerError",
      expected: other.peerId.toString(),
      found: listener.peerId.toString()
    })
    assert.lengthOf(dialler.getConnections(), 0)
    // It is in the handshake that the listener got it, so it may have been there for a moment.
    await until(() => listener.getConnections().length === 0, "the listener to lose the connection")
  })

  it("returns at once when its signal fires, long before the native dial ends", async () => {
    const dialler = await transport()
    const begun = performance.now()
    const attempt = dialler.dial(await nobody(), { signal: AbortSignal.timeout(50), upgrader: new FakeUpgrader() })
    assert.strictEqual(await nameOf(attempt), "TimeoutError")
    assert.isBelow(performance.now() - begun, 1000)
  })

  it("does not dial at all when its signal has fired", async () => {
    let opened = 0
    const native = await loadNative()
    const dialler = await transport(async () => ({
      ...native,
      Client: class implements NativeClient {
        constructor() {
          opened += 1
        }
        outboundConnection = () => Promise.reject(new Error("not expected"))
        abort = () => {}
      }
    }))
    const attempt = dialler.dial(await nobody(), { signal: AbortSignal.abort(), upgrader: new FakeUpgrader() })
    assert.strictEqual(await nameOf(attempt), "AbortError")
    assert.strictEqual(opened, 0)
  })

  it("closes a connection that arrives after its dial was given up, and upgrades it not", async () => {
    const [dialler, listener] = await Promise.all([transport(), node()])
    const relay = await UdpRelay.make(Number(addressOf(listener).getComponents()[1]?.value))
    onTestFinished(() => relay.close())
    relay.mode = "hold"
    const upgrader = new FakeUpgrader()
    const controller = new AbortController()
    const address = multiaddr(`/ip4/127.0.0.1/udp/${relay.port}/quic-v1`)
    const attempt = failureOf(dialler.dial(address, { signal: controller.signal, upgrader }))
    await until(() => relay.held > 0, "the first packet")
    controller.abort(new TypeError("given up"))
    assert.instanceOf(await attempt, TypeError)
    let arrived: Connection | undefined
    const closed = new Promise<void>((resolve) => {
      listener.addEventListener("connection:open", ({ detail }) => (arrived = detail))
      listener.addEventListener("connection:close", () => resolve())
    })
    const released = performance.now()
    relay.release()
    await closed
    // Not when the garbage collector finds it.
    assert.isBelow(performance.now() - released, 2000)
    assert.strictEqual(arrived?.status, "closed")
    assert.lengthOf(upgrader.seen, 0)
  })

  it("returns when its signal fires during the upgrade, and closes the connection", async () => {
    const [dialler, listener] = await Promise.all([transport(), node()])
    const upgrader = new FakeUpgrader()
    upgrader.connection = new Promise(() => {})
    const controller = new AbortController()
    const attempt = nameOf(dialler.dial(addressOf(listener), { signal: controller.signal, upgrader }))
    await until(() => upgrader.seen.length === 1, "the upgrade")
    controller.abort()
    assert.strictEqual(await attempt, "AbortError")
    assert.strictEqual(upgrader.seen[0]?.status, "aborted")
  })

  it("closes the connection when the upgrade fails", async () => {
    const [dialler, listener] = await Promise.all([transport(), node()])
    const upgrader = new FakeUpgrader()
    const attempt = dialler.dial(addressOf(listener), { signal: AbortSignal.timeout(5000), upgrader })
    assert.match(String(await failureOf(attempt)), /no upgrade expected/)
    assert.strictEqual(upgrader.seen[0]?.status, "aborted")
  })

  it("begins no more dials at once than its limit, and counts those that were given up", async () => {
    const ends: Array<() => void> = []
    const native = await loadNative()
    const dialler = await transport(async () => ({
      ...native,
      Client: class implements NativeClient {
        outboundConnection = () => new Promise<never>((_, reject) => ends.push(() => reject(new Error("timed out"))))
        abort = () => {}
      }
    }))
    const upgrader = new FakeUpgrader()
    const address = await nobody()
    const controller = new AbortController()
    const dial = () => nameOf(dialler.dial(address, { signal: controller.signal, upgrader }))
    const dials = Array.from({ length: dialsMax }, dial)
    await until(() => ends.length === dialsMax, "all dials")
    controller.abort()
    assert.deepStrictEqual(new Set(await Promise.all(dials)), new Set(["AbortError"]))
    const { signal } = new AbortController()
    const again = () => nameOf(dialler.dial(address, { signal, upgrader }))
    assert.strictEqual(await again(), "TooManyDials")
    ends[0]?.()
    await new Promise((resolve) => setImmediate(resolve))
    const last = again()
    await until(() => ends.length === dialsMax + 1, "the freed place")
    for (const end of ends) end()
    assert.strictEqual(await last, "Error")
  })

  it("does not dial before it is started", async () => {
    const dialler = await transport()
    dialler.stop()
    const attempt = dialler.dial(await nobody(), { signal: AbortSignal.timeout(100), upgrader: new FakeUpgrader() })
    assert.strictEqual(await nameOf(attempt), "NotStartedError")
  })

  it("fails, typed, where there is no native half", async () => {
    const dialler = await transport(() => loadNative(() => Promise.reject(new Error("no such module"))))
    const attempt = dialler.dial(await nobody(), { signal: AbortSignal.timeout(100), upgrader: new FakeUpgrader() })
    assert.strictEqual(await nameOf(attempt), "QuicUnavailable")
  })
})

describe("QuicTransport sockets", () => {
  it("opens one for each family at the first dial, and closes them after the stop", async () => {
    const native = await loadNative()
    const events: Array<string> = []
    const dialler = await transport(async () => ({
      ...native,
      Client: class implements NativeClient {
        readonly outboundConnection: NativeClient["outboundConnection"]
        readonly abort: NativeClient["abort"]

        constructor(config: NativeConfig, family: 0 | 1) {
          events.push(`open ${family}`)
          const client = new native.Client(config, family)
          this.outboundConnection = (host, port) => client.outboundConnection(host, port)
          this.abort = () => {
            events.push(`close ${family}`)
            client.abort()
          }
        }
      }
    }))
    const listener = await node([loopback, "/ip6/::1/udp/0/quic-v1"])
    assert.deepStrictEqual(events, [])
    const dials = listener
      .getMultiaddrs()
      .flatMap((address) => [address, address])
      .map((address) =>
        failureOf(dialler.dial(address, { signal: AbortSignal.timeout(5000), upgrader: new FakeUpgrader() }))
      )
    await Promise.all(dials)
    assert.deepStrictEqual(events, ["open 0", "open 1"])
    dialler.stop()
    assert.lengthOf(events, 2)
    dialler.afterStop()
    assert.deepStrictEqual(events.slice(2), ["close 0", "close 1"])
  })

  it("ends its connections when it is stopped, and dials again when it is started again", async () => {
    const [dialler, listener] = await Promise.all([node(), node()])
    await dialler.dial(addressOf(listener))
    await dialler.stop()
    await until(() => listener.getConnections().length === 0, "the listener to lose the connection")
    await dialler.start()
    assert.strictEqual((await dialler.dial(addressOf(listener))).status, "open")
    // It listens again, too.
    const third = await node()
    assert.strictEqual((await third.dial(addressOf(dialler))).status, "open")
  })

  it("closes connections in good order before its sockets, so that nothing written is lost", async () => {
    const [dialler, listener] = await Promise.all([node(), node()])
    let received = 0
    await listener.handle("/test", (stream) => {
      stream.addEventListener("message", ({ data }) => (received += data.byteLength))
      stream.addEventListener("remoteCloseWrite", () => void stream.close())
    })
    const stream = await (await dialler.dial(addressOf(listener))).newStream("/test")
    stream.send(new Uint8Array(500_000))
    await dialler.stop()
    assert.strictEqual(received, 500_000)
  })
})

describe("quic", () => {
  it("takes addresses of QUIC only", async () => {
    const made = await transport()
    const ids = "12D3KooWMkzL2CrdcBqZFFjdq1qjkHCjWALLXeyYGVB3fZdjAfQV"
    const good = [
      "/ip4/192.0.2.1/udp/1/quic-v1",
      "/ip6/2001:db8::1/udp/1/quic-v1",
      `/ip4/192.0.2.1/udp/1/quic-v1/p2p/${ids}`
    ]
    const bad = [
      "/ip4/192.0.2.1/tcp/1",
      "/dns4/example.org/udp/1/quic-v1",
      "/ip4/192.0.2.1/udp/1/quic-v1/webtransport",
      `/ip4/192.0.2.1/udp/1/quic-v1/p2p/${ids}/p2p-circuit`,
      "/ip6zone/eth0/ip6/fe80::1/udp/1/quic-v1"
    ]
    const addresses = [...good, ...bad].map((address) => multiaddr(address))
    assert.deepStrictEqual(made.dialFilter(addresses).map(String), good)
    assert.deepStrictEqual(made.listenFilter(addresses).map(String), good)
  })

  it("refuses options that the native half would misunderstand", () => {
    assert.throws(() => quic({ maxStreamData: -1 }), /maxStreamData is -1/)
    assert.throws(() => quic({ acceptLoops: 1.5 }), /acceptLoops is 1.5/)
    assert.throws(() => quic({ maxConnectionData: 2 ** 32 }), /maxConnectionData/)
    assert.throws(() => quic({ maxIdleTimeout: 1000 }), /keepAliveInterval must be shorter/)
  })
})
