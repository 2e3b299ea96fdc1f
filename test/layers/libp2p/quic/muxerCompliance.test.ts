/**
 * libp2p's compliance suite for stream muxers, against the streams of real QUIC connections. The suite joins two muxers
 * by a pair of byte streams in memory; ours have a QUIC connection instead, and use the pair only to learn of its end.
 * It also expects a stream to be seen by the other end before anything is written, which QUIC does not do and libp2p
 * does not need, as it negotiates a protocol at once; so one byte goes ahead of each stream.
 */
import muxerSuite from "@libp2p/interface-compliance-tests/stream-muxer"
import { afterAll } from "@effect/vitest"
import type { NativeConnection, NativeStream } from "../../../../src/layers/libp2p/quic/native.ts"
import { QuicStreamMuxer } from "../../../../src/layers/libp2p/quic/QuicStreamMuxer.ts"
import { teachChai } from "../../../fixtures/complianceAssertions.ts"
import { mochaSuite } from "../../../fixtures/mocha.ts"
import { NativeQuic } from "../../../fixtures/nativeQuic.ts"

await teachChai()

// As many streams as the largest test of the suite opens.
const quic = await NativeQuic.make({ maxConcurrentStreamLimit: 1024 })
afterAll(() => quic.close())

/** The suite finds the other end of a stream by its place among these, and opens more only to have many. */
const inOrder = 5

/** A connection whose streams are seen at once, the first of them in the order of the calls. */
const announcing = (native: NativeConnection): NativeConnection => {
  let count = 0
  let before: Promise<unknown> = Promise.resolve()
  const open = async (): Promise<NativeStream> => {
    const stream = await native.outboundStream()
    await stream.write(new Uint8Array(1))
    return stream
  }
  return {
    id: () => native.id(),
    remoteMultiaddr: () => native.remoteMultiaddr(),
    rtt: () => native.rtt(),
    stats: () => native.stats(),
    closed: () => native.closed(),
    abort: () => native.abort(),
    inboundStream: async () => {
      const stream = await native.inboundStream()
      await stream.read(1)
      return stream
    },
    outboundStream: () => {
      count += 1
      if (count > inOrder) return open()
      const opened = before.then(open)
      before = opened
      return opened
    }
  }
}

// The suite asks for one end after the other.
let other: NativeConnection | undefined

const nextEnd = async (): Promise<NativeConnection> => {
  const waiting = other
  other = undefined
  if (waiting !== undefined) return waiting
  const { client, server } = await quic.pair()
  other = server
  return client
}

mochaSuite(
  () =>
    muxerSuite({
      setup: async () => {
        const native = announcing(await nextEnd())
        return {
          protocol: "quic",
          createStreamMuxer: (maConn) =>
            new QuicStreamMuxer(maConn, { native, onConnectionLost: () => {}, closeError: () => undefined })
        }
      },
      teardown: async () => {}
    }),
  {
    timeout: 120_000,
    inapplicable: {
      "interface-stream-muxer close can close a stream for writing":
        "it expects two writes as two messages, but QUIC carries bytes; QuicStreamMuxer.test.ts has its like",
      "interface-stream-muxer streams should abort close due to timeout with slow sender":
        "it slows down the pair in memory, which carries nothing here; QuicStream.test.ts has its like"
    }
  }
)
