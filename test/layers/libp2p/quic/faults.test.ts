/** The five faults of the JavaScript half of @chainsafe/libp2p-quic 2.1.1, none of which ours may have. */
import { multiaddr } from "@multiformats/multiaddr"
import type { Stream } from "@libp2p/interface"
import { assert, describe, it, onTestFinished } from "@effect/vitest"
import { readBytesMax, writeBytesMax } from "../../../../src/layers/libp2p/quic/QuicStream.ts"
import type { QuicOptions } from "../../../../src/layers/libp2p/quic/options.ts"
import { NativeQuic } from "../../../fixtures/nativeQuic.ts"
import { addressOf, nextStream, pattern, pump, quicNode, settled, until } from "../../../fixtures/quicNode.ts"
import { beginHandshakes, captureInitials, UdpRelay, udpSocket } from "../../../fixtures/udpRelay.ts"

const node = async (options: Partial<QuicOptions> = {}) => {
  const made = await quicNode(options)
  onTestFinished(() => made.stop())
  return made
}

const portOf = (address: ReturnType<typeof addressOf>): number =>
  Number(address.getComponents().find(({ name }) => name === "udp")?.value)

/** A listener with so many accept loops, on which 16 handshakes hang. */
const listenerWith16Hanging = async (acceptLoops: number) => {
  const listener = await node({ acceptLoops, maxIdleTimeout: 2000, keepAliveInterval: 500 })
  const dials = await NativeQuic.make()
  const initials = await captureInitials(16, (port) => dials.client.outboundConnection("127.0.0.1", port))
  await dials.close()
  onTestFinished(await beginHandshakes(initials, portOf(addressOf(listener))))
  return listener
}

/** A pair of nodes and one stream from the first to the second. */
const joined = async (options: Partial<QuicOptions> = {}): Promise<{ local: Stream; remote: Stream }> => {
  const [from, to] = await Promise.all([node(options), node(options)])
  const arrived = nextStream(to, "/test")
  const connection = await from.dial(addressOf(to))
  const local = await connection.newStream("/test")
  return { local, remote: await arrived }
}

interface Ending {
  readonly ended: boolean
  readonly error: Error | undefined
}

/** How a stream ends for its reader. */
const ending = (stream: Stream): Promise<Ending> =>
  new Promise((resolve) => {
    let ended = false
    stream.addEventListener("remoteCloseWrite", () => (ended = true))
    stream.addEventListener("message", () => {})
    stream.addEventListener("close", ({ error }) => resolve({ ended, error }))
  })

describe("serial accept", () => {
  it("lets a good dial through while fewer handshakes hang than there are accept loops", async () => {
    const [listener, dialler] = await Promise.all([listenerWith16Hanging(17), node()])
    const connection = await dialler.dial(addressOf(listener), { signal: AbortSignal.timeout(1000) })
    assert.strictEqual(connection.status, "open")
  })

  it("keeps good dials out once every loop hangs, but only until the handshakes time out", async () => {
    const [listener, dialler] = await Promise.all([listenerWith16Hanging(16), node()])
    const attempt = (): Promise<string> =>
      dialler.dial(addressOf(listener), { signal: AbortSignal.timeout(1000) }).then(
        ({ status }) => status,
        (error: unknown) => (error instanceof Error ? error.name : String(error))
      )
    assert.notStrictEqual(await attempt(), "open")
    // A dial that began in that time may be lost with them, so each attempt is a new one.
    let outcome = await attempt()
    for (let attempts = 0; outcome !== "open" && attempts < 10; attempts++) outcome = await attempt()
    assert.strictEqual(outcome, "open")
  })
})

describe("no read back pressure", () => {
  it("holds the writer while the reader is paused, and then delivers every byte in order", async () => {
    const maxStreamData = 1_048_576
    const bytes = 24 * maxStreamData
    const { local, remote } = await joined({ maxStreamData })
    let received = 0
    let inOrder = true
    remote.addEventListener("message", ({ data }) => {
      const part = data.subarray()
      inOrder &&= Buffer.compare(part, pattern(received, part.byteLength)) === 0
      received += part.byteLength
    })
    remote.pause()
    let sent = 0
    let written = false
    const writing = pump(local, bytes, (total) => (sent = total)).then(() => (written = true))
    const held = await settled(() => sent)
    assert.isFalse(written)
    assert.isAtMost(held, maxStreamData + 2 * writeBytesMax)
    assert.isAtMost(remote.readBufferLength, 2 * readBytesMax)

    remote.resume()
    await writing
    await until(() => received === bytes, "all bytes")
    assert.isTrue(inOrder)
  })

  it("holds the writer while nobody listens, and loses nothing by it", async () => {
    const { local, remote } = await joined({ maxStreamData: 1_048_576 })
    const bytes = 8_000_000
    const writing = pump(local, bytes)
    await settled(() => remote.readBufferLength)
    assert.strictEqual(remote.status, "open")
    assert.isAtMost(remote.readBufferLength, 2 * readBytesMax)
    let received = 0
    remote.addEventListener("message", ({ data }) => (received += data.byteLength))
    await writing
    await until(() => received === bytes, "all bytes")
  })
})

describe("a reset looks like an end", () => {
  it("tells a reset by the other end as a reset", async () => {
    const { local, remote } = await joined()
    const end = ending(remote)
    local.send(pattern(0, 1000))
    local.abort(new Error("given up"))
    const { ended, error } = await end
    assert.isFalse(ended)
    assert.strictEqual(error?.name, "StreamResetError")
    assert.strictEqual(remote.status, "reset")
  })

  it("tells an end as an end", async () => {
    const { local, remote } = await joined()
    const end = ending(remote)
    local.send(pattern(0, 1000))
    await local.close()
    await remote.close()
    assert.deepStrictEqual(await end, { ended: true, error: undefined })
  })

  it("tells a connection that the other end closed as an error on its streams", async () => {
    const [from, to] = await Promise.all([node(), node()])
    const arrived = nextStream(to, "/test")
    const connection = await from.dial(addressOf(to))
    const local = await connection.newStream("/test")
    local.send(pattern(0, 1000))
    const end = ending(await arrived)
    connection.abort(new Error("given up"))
    const { ended, error } = await end
    assert.isFalse(ended)
    // libp2p resets the streams first; which of the two arrives is up to the packets.
    assert.include(["ConnectionClosedError", "StreamResetError"], error?.name)
  })

  it("tells a connection that was lost as an error on both ends, on connection and streams", async () => {
    const options = { maxIdleTimeout: 1000, keepAliveInterval: 200 }
    const [from, to] = await Promise.all([node(options), node(options)])
    const relay = await UdpRelay.make(portOf(addressOf(to)))
    onTestFinished(() => relay.close())
    const arrived = nextStream(to, "/test")
    const connection = await from.dial(
      multiaddr(`/ip4/127.0.0.1/udp/${relay.port}/quic-v1/p2p/${to.peerId.toString()}`)
    )
    const local = await connection.newStream("/test")
    const ends = [ending(local), ending(await arrived)]
    const lost = new Promise<Error | undefined>((resolve) => {
      connection.addEventListener("close", ({ error }) => resolve(error))
    })
    relay.mode = "lose"
    assert.strictEqual((await lost)?.name, "QuicConnectionLost")
    for (const end of ends) {
      const { ended, error } = await end
      assert.isFalse(ended)
      assert.strictEqual(error?.name, "QuicConnectionLost")
    }
  })
})

describe("reads of 4 KiB", () => {
  it("reads up to 64 KiB at once", async () => {
    const { local, remote } = await joined()
    let largest = 0
    let received = 0
    remote.addEventListener("message", ({ data }) => {
      received += data.byteLength
      largest = Math.max(largest, data.byteLength)
    })
    await pump(local, 8_000_000)
    await until(() => received === 8_000_000, "all bytes")
    // Many times what the other implementation asks for; how much there is to be read is up to the two processors.
    assert.isAbove(largest, 16_384)
    assert.isAtMost(largest, readBytesMax)
  })
})

describe("a dial ignores its signal", () => {
  it("gives up a dial that nobody answers when its signal fires, and can dial again at once", async () => {
    const [dialler, listener] = await Promise.all([node(), node()])
    const nobody = await udpSocket()
    onTestFinished(() => void nobody.close())
    const peer = listener.peerId.toString()
    const dead = multiaddr(`/ip4/127.0.0.1/udp/${nobody.address().port}/quic-v1/p2p/${peer}`)
    const begun = performance.now()
    let failure: unknown
    await dialler.dial(dead, { signal: AbortSignal.timeout(100) }).catch((error: unknown) => (failure = error))
    assert.instanceOf(failure, Error)
    // The dial queue knows of no attempt that still runs, so that this is not joined to it.
    const connection = await dialler.dial(addressOf(listener), { signal: AbortSignal.timeout(1000) })
    assert.strictEqual(connection.status, "open")
    assert.isBelow(performance.now() - begun, 1500)
  })
})
