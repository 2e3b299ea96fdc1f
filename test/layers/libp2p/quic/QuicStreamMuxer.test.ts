import { multiaddrConnectionPair } from "@libp2p/utils"
import { afterAll, assert, describe, it } from "@effect/vitest"
import {
  openingMax,
  QuicStreamMuxer,
  quicStreamMuxerFactory
} from "../../../../src/layers/libp2p/quic/QuicStreamMuxer.ts"
import type { QuicStream } from "../../../../src/layers/libp2p/quic/QuicStream.ts"
import { NativeQuic } from "../../../fixtures/nativeQuic.ts"
import { pattern, until } from "../../../fixtures/quicNode.ts"

const quic = await NativeQuic.make({ maxConcurrentStreamLimit: 4 })
afterAll(() => quic.close())

const pair = async () => {
  const native = await quic.pair()
  const lost: Array<"client" | "server"> = []
  const muxer = (name: "client" | "server") => {
    const [maConn] = multiaddrConnectionPair()
    return new QuicStreamMuxer(maConn, {
      native: native[name],
      onConnectionLost: () => lost.push(name),
      closeError: () => new Error("the reason")
    })
  }
  return { native, lost, client: muxer("client"), server: muxer("server") }
}

const opened = async (muxer: QuicStreamMuxer): Promise<QuicStream> => {
  const stream = await muxer.createStream()
  stream.send(pattern(0, 1))
  return stream
}

describe("QuicStreamMuxer", () => {
  it("takes streams once somebody listens for them, and loses none before that", async () => {
    const { client, server } = await pair()
    for (let count = 0; count < 4; count++) await opened(client)
    assert.lengthOf(server.streams, 0)
    const streams: Array<QuicStream> = []
    server.addEventListener("stream", ({ detail }) => streams.push(detail))
    await until(() => streams.length === 4, "all streams")
  })

  it("opens no more streams than the other end allows, and gives up when the signal fires", async () => {
    const { client, server } = await pair()
    server.addEventListener("stream", () => {})
    for (let count = 0; count < 4; count++) await opened(client)
    const controller = new AbortController()
    const fifth = client.createStream({ signal: controller.signal }).catch((error: Error) => error.name)
    controller.abort()
    assert.strictEqual(await fifth, "AbortError")
    // The one that was given up gets the next free place and is dropped at once, so that it is free for another.
    await until(() => server.streams.length === 4, "the streams")
    const open = client.streams.slice()
    for (const stream of open) stream.abort(new Error("given up"))
    const next = [await opened(client), await opened(client), await opened(client), await opened(client)]
    assert.deepStrictEqual(client.streams, next)
  })

  it("does not wait for more streams at once than its limit", async () => {
    const { client } = await pair()
    for (let count = 0; count < 4; count++) await client.createStream()
    const signal = AbortSignal.timeout(200)
    const waiting = Array.from({ length: openingMax }, () => client.createStream({ signal }).catch(() => {}))
    const failure: unknown = await client.createStream({ signal }).catch((error: unknown) => error)
    assert.strictEqual(failure instanceof Error && failure.name, "TooManyOpening")
    await Promise.all(waiting)
  })

  it("delivers what was sent when it is closed in good order", async () => {
    const { client, server } = await pair()
    let received = 0
    const ends: Array<string> = []
    server.addEventListener("stream", ({ detail: stream }) => {
      stream.addEventListener("message", ({ data }) => (received += data.byteLength))
      stream.addEventListener("remoteCloseWrite", () => {
        ends.push("end")
        void stream.close()
      })
    })
    for (let count = 0; count < 4; count++) (await client.createStream()).send(pattern(0, 500_000))
    await client.close()
    assert.deepStrictEqual([received, ends.length], [2_000_000, 4])
    assert.lengthOf(client.streams, 0)
    const failure: unknown = await client.createStream().catch((error: unknown) => error)
    assert.strictEqual(failure instanceof Error && failure.name, "MuxerClosedError")
  })

  it("keeps a stream that is closed for writing open for reading", async () => {
    const { client, server } = await pair()
    let received = 0
    const refused = new Promise<unknown>((resolve) => {
      server.addEventListener("stream", ({ detail: stream }) => {
        stream.addEventListener("message", ({ data }) => (received += data.byteLength))
        const refusal = (): unknown => {
          try {
            return stream.send(pattern(0, 1))
          } catch (error) {
            return error
          }
        }
        stream.addEventListener("remoteCloseWrite", () => resolve(refusal()))
        void stream.close()
      })
    })
    const stream = await client.createStream()
    for (let count = 0; count < 10; count++) stream.send(pattern(0, 100_000))
    await stream.close()
    const error = await refused
    assert.strictEqual(error instanceof Error && error.name, "StreamStateError")
    assert.strictEqual(received, 1_000_000)
    await until(() => client.streams.length + server.streams.length === 0, "both ends to let go of it")
  })

  it("closes within a second although the other end leaves its streams open", async () => {
    const { client, server } = await pair()
    server.addEventListener("stream", () => {})
    const stream = await opened(client)
    const begun = performance.now()
    await client.close()
    assert.isBelow(performance.now() - begun, 1000)
    assert.strictEqual(stream.status, "aborted")
  })

  it("tells that the connection is gone, and ends the streams with the reason", async () => {
    const { client, lost, native, server } = await pair()
    server.addEventListener("stream", () => {})
    const stream = await opened(client)
    const ended = new Promise<Error | undefined>((resolve) => {
      stream.addEventListener("close", ({ error }) => resolve(error))
    })
    native.client.abort()
    await until(() => lost.includes("server"), "the loss")
    client.onTransportClosed()
    assert.strictEqual((await ended)?.message, "the reason")
    assert.strictEqual(client.status, "closed")
  })

  it("is not made for a connection that is closed already", async () => {
    const [maConn] = multiaddrConnectionPair()
    const native = await quic.pair()
    const factory = quicStreamMuxerFactory({
      native: native.client,
      onConnectionLost: () => {},
      closeError: () => undefined
    })
    maConn.abort(new Error("gone"))
    assert.throws(() => factory.createStreamMuxer(maConn), /closed while it was made ready/)
  })
})
