import { generateKeyPair } from "@libp2p/crypto/keys"
import { multiaddr } from "@multiformats/multiaddr"
import { syncBuiltinESMExports } from "node:module"
import os from "node:os"
import { assert, describe, it, onTestFinished } from "@effect/vitest"
import { quicOptions } from "../../../../src/layers/libp2p/quic/options.ts"
import type { QuicListener } from "../../../../src/layers/libp2p/quic/QuicListener.ts"
import { QuicTransport } from "../../../../src/layers/libp2p/quic/QuicTransport.ts"
import { NativeQuic } from "../../../fixtures/nativeQuic.ts"
import { FakeUpgrader, silentLogger, until } from "../../../fixtures/quicNode.ts"

const make = async (upgrader = new FakeUpgrader()): Promise<QuicListener> => {
  const privateKey = await generateKeyPair("Ed25519")
  const transport = new QuicTransport({ logger: silentLogger, privateKey }, quicOptions({ acceptLoops: 4 }))
  const listener = transport.createListener({ upgrader })
  onTestFinished(() => listener.close())
  return listener
}

const listening = async (address: string, upgrader?: FakeUpgrader): Promise<QuicListener> => {
  const listener = await make(upgrader)
  await listener.listen(multiaddr(address))
  return listener
}

const portOf = (listener: QuicListener): number => Number(listener.getAddrs()[0]?.getComponents()[1]?.value)

const dial = async (port: number) => {
  const quic = await NativeQuic.make()
  onTestFinished(() => quic.close())
  return quic.client.outboundConnection("127.0.0.1", port)
}

describe("QuicListener", () => {
  it("listens on a free port when it is asked for port 0, in both families", async () => {
    const four = await listening("/ip4/127.0.0.1/udp/0/quic-v1")
    assert.match(String(four.getAddrs()), /^\/ip4\/127\.0\.0\.1\/udp\/[1-9]\d*\/quic-v1$/)
    const six = await listening("/ip6/::1/udp/0/quic-v1")
    assert.match(String(six.getAddrs()), /^\/ip6\/::1\/udp\/[1-9]\d*\/quic-v1$/)
  })

  it("listens on the port that it is asked for, on both wildcards, and frees it when closed", async () => {
    const first = await listening("/ip4/0.0.0.0/udp/0/quic-v1")
    const port = portOf(first)
    const six = await listening(`/ip6/::/udp/${port}/quic-v1`)
    assert.strictEqual(portOf(six), port)
    await first.close()
    assert.deepStrictEqual(first.getAddrs(), [])
    const second = await listening(`/ip4/127.0.0.1/udp/${port}/quic-v1`)
    assert.strictEqual(portOf(second), port)
  })

  it("fails, typed, when the port is taken or the address is not ours", async () => {
    const first = await listening("/ip4/127.0.0.1/udp/0/quic-v1")
    const addresses = [`/ip4/127.0.0.1/udp/${portOf(first)}/quic-v1`, "/ip4/192.0.2.1/udp/0/quic-v1"]
    for (const address of addresses) {
      const error: unknown = await listening(address).catch((failure: unknown) => failure)
      assert.strictEqual(error instanceof Error && error.name, "QuicListenError")
      assert.match(String(error), /cannot listen on .*, UDP port \d+: .*(in use|assign)/)
    }
  })

  it("lists the addresses of the interfaces as they are when asked, without those of one link", async () => {
    const four = await listening("/ip4/0.0.0.0/udp/0/quic-v1")
    const six = await listening("/ip6/::/udp/0/quic-v1")
    assert.include(four.getAddrs().map(String), `/ip4/127.0.0.1/udp/${portOf(four)}/quic-v1`)
    const real = os.networkInterfaces
    onTestFinished(() => {
      os.networkInterfaces = real
      syncBuiltinESMExports()
    })
    const common = { netmask: "", mac: "", internal: false, cidr: null }
    os.networkInterfaces = () => ({
      new0: [
        { ...common, family: "IPv4", address: "192.0.2.7" },
        { ...common, family: "IPv4", address: "169.254.1.1" },
        { ...common, family: "IPv6", address: "2001:db8::7", scopeid: 0 },
        { ...common, family: "IPv6", address: "fe80::7", scopeid: 2 }
      ]
    })
    syncBuiltinESMExports()
    const [fourPort, sixPort] = [Number(/udp\/(\d+)/.exec(String(four.getAddrs()))?.[1]), portOf(six)]
    assert.deepStrictEqual(four.getAddrs().map(String), [`/ip4/192.0.2.7/udp/${fourPort}/quic-v1`])
    assert.deepStrictEqual(six.getAddrs().map(String), [`/ip6/2001:db8::7/udp/${sixPort}/quic-v1`])
  })

  it("hands on what it accepts, and closes what is left when it is closed", async () => {
    const upgrader = new FakeUpgrader()
    const listener = await listening("/ip4/127.0.0.1/udp/0/quic-v1", upgrader)
    const events: Array<string> = []
    listener.addEventListener("close", () => events.push("close"))
    const connection = await dial(portOf(listener))
    await until(() => upgrader.seen.length === 1, "the upgrade")
    const begun = performance.now()
    await Promise.all([listener.close(), connection.closed()])
    // It waited for libp2p to close the connection, which did not come.
    assert.isAbove(performance.now() - begun, 900)
    assert.strictEqual(upgrader.seen[0]?.status, "aborted")
    assert.deepStrictEqual(events, ["close"])
  })

  it("closes a connection that libp2p refuses, and goes on accepting", async () => {
    class Refusing extends FakeUpgrader {
      override async upgradeInbound(connection: FakeUpgrader["seen"][number]): Promise<void> {
        await super.upgradeInbound(connection)
        throw new Error("refused")
      }
    }
    const upgrader = new Refusing()
    const listener = await listening("/ip4/127.0.0.1/udp/0/quic-v1", upgrader)
    // More often than there are accept loops.
    for (let count = 0; count < 6; count++) await (await dial(portOf(listener))).closed()
    assert.deepStrictEqual(
      upgrader.seen.map(({ status }) => status),
      Array.from({ length: 6 }, () => "aborted")
    )
  })

  it("listens once", async () => {
    const listener = await listening("/ip4/127.0.0.1/udp/0/quic-v1")
    const again: unknown = await listener
      .listen(multiaddr("/ip4/127.0.0.1/udp/0/quic-v1"))
      .catch((error: unknown) => error)
    assert.match(String(again), /listens once/)
  })
})
