import { assert, describe, it, onTestFinished } from "@effect/vitest"
import { QuicConnection, quicStatistics, unwrapCounter } from "../../../../src/layers/libp2p/quic/QuicConnection.ts"
import { NativeQuic } from "../../../fixtures/nativeQuic.ts"
import { addressOf, pump, quicNode, silentLog, until } from "../../../fixtures/quicNode.ts"
import { UdpRelay } from "../../../fixtures/udpRelay.ts"

const pair = async () => {
  const quic = await NativeQuic.make({ maxIdleTimeout: 1000, keepAliveInterval: 200 })
  const relay = await UdpRelay.make(quic.port)
  onTestFinished(async () => {
    relay.close()
    await quic.close()
  })
  const native = await quic.pair(relay.port)
  const client = new QuicConnection({ native: native.client, direction: "outbound", log: silentLog })
  const server = new QuicConnection({ native: native.server, direction: "inbound", log: silentLog })
  return { relay, client, server }
}

/** What a connection reports when it closes. */
const closing = (connection: QuicConnection): Promise<string> =>
  new Promise((resolve) => {
    connection.addEventListener("close", ({ error, local }) =>
      resolve(`${connection.status}, ${error?.name ?? "no error"}${local === true ? ", here" : ""}`)
    )
  })

describe("QuicConnection", () => {
  it("knows whom the handshake proved the other end to be", async () => {
    const { client, server } = await pair()
    assert.match(client.remoteAddr.toString(), /^\/ip4\/127\.0\.0\.1\/udp\/\d+\/quic-v1\/p2p\/12D3KooW/)
    assert.include(client.remoteAddr.toString(), client.remotePeer.toString())
    assert.notStrictEqual(client.remotePeer.toString(), server.remotePeer.toString())
  })

  it("ends without an error on both ends when one closes it", async () => {
    const { client, server } = await pair()
    const ends = [closing(client), closing(server)]
    await client.close()
    assert.deepStrictEqual(await Promise.all(ends), ["closed, no error", "closed, no error"])
  })

  it("ends with an error here, and without one there, when it is given up", async () => {
    const { client, server } = await pair()
    const ends = [closing(client), closing(server)]
    client.abort(new TypeError("given up"))
    assert.deepStrictEqual(await Promise.all(ends), ["aborted, TypeError, here", "closed, no error"])
  })

  it("ends with an error that says so when it is lost", async () => {
    const { client, relay, server } = await pair()
    const ends = [closing(client), closing(server)]
    relay.mode = "lose"
    const lost = "aborted, QuicConnectionLost, here"
    assert.deepStrictEqual(await Promise.all(ends), [lost, lost])
  })

  it("carries nothing besides its streams", async () => {
    const { client } = await pair()
    assert.throws(() => client.send(new Uint8Array(1)), /nothing besides its streams/)
  })
})

describe("quicStatistics", () => {
  it("counts what a connection of libp2p carries, on both ends", async () => {
    const [from, to] = await Promise.all([quicNode(), quicNode()])
    onTestFinished(async () => {
      await Promise.all([from.stop(), to.stop()])
    })
    let received = 0
    await to.handle("/test", (stream) => {
      stream.addEventListener("message", ({ data }) => (received += data.byteLength))
    })
    const connection = await from.dial(addressOf(to))
    await pump(await connection.newStream("/test"), 1_000_000)
    await until(() => received === 1_000_000, "all bytes")
    const other = to.getConnections()[0]
    const [sent, got] = [quicStatistics(connection), other && quicStatistics(other)]
    assert.isAbove(sent?.bytesSent ?? 0, 1_000_000)
    assert.isAbove(got?.bytesReceived ?? 0, 1_000_000)
    assert.isBelow(got?.bytesReceived ?? 0, 1_300_000)
    assert.isBelow(got?.bytesSent ?? 0, 200_000)
    assert.isAtMost(sent?.rttMs ?? -1, 1000)
    assert.isAtLeast(sent?.rttMs ?? -1, 0)
    assert.isAtLeast(sent?.packetsLost ?? -1, 0)
  })

  it("knows nothing of a connection of another transport", () => {
    assert.isUndefined(quicStatistics({ timeline: { open: 0 } }))
  })

  it("goes on where a counter of the native half begins anew", () => {
    const counter = unwrapCounter()
    assert.deepStrictEqual(
      [10, 4_294_967_295, 5, 5, 4, 3_000_000_000].map(counter),
      [10, 4_294_967_295, 4_294_967_301, 4_294_967_301, 8_589_934_596, 11_589_934_592]
    )
  })
})
