/** The options of the QUIC transport, what they bound, and their defaults. */
import type { NativeOptions } from "./native.ts"

export interface QuicOptions {
  /**
   * How many handshakes with a listener may hang before good dials have to wait. Each hanging one is there for
   * `maxIdleTimeout`, and at least for three seconds, and costs about 40 KB; a dial that waited for so long is lost,
   * too. Whoever can send packets can make handshakes hang, so this is one limit of several.
   */
  readonly acceptLoops: number
  /** Milliseconds without a packet after which a connection, or a handshake, is lost. */
  readonly maxIdleTimeout: number
  /** Milliseconds of silence after which a packet is sent, so that connection and NAT entries live on. */
  readonly keepAliveInterval: number
  /** Streams that the other end may have open at once. */
  readonly maxConcurrentStreamLimit: number
  /** Bytes that the other end may send on one stream before they are read. */
  readonly maxStreamData: number
  /** Bytes that the other end may send on all streams of a connection before they are read. */
  readonly maxConnectionData: number
  /** Bytes of the socket's buffers; the system may give less. */
  readonly receiveBufferSize: number
  readonly sendBufferSize: number
}

export const defaultQuicOptions: QuicOptions = {
  // 2.5 MB of hanging handshakes at most; each loop costs a little of every round trip (256 of them about 10 %).
  acceptLoops: 64,
  // A path below a connection may be cut and replaced within this time.
  maxIdleTimeout: 30_000,
  // Shorter than the entries of any NAT seen, and six tries within the idle timeout.
  keepAliveInterval: 5000,
  maxConcurrentStreamLimit: 256,
  // 100 Mbit/s on one stream at a round trip of 160 ms.
  maxStreamData: 2_097_152,
  // Two streams at full speed; this is what a peer that is not read can make us hold.
  maxConnectionData: 4_194_304,
  // A burst of 800 packets, which a busy event loop does not slow down, as the native half has its own threads.
  receiveBufferSize: 1_048_576,
  sendBufferSize: 1_048_576
}

const uint32Max = 4_294_967_295

/** The options with defaults filled in. The native half would take any nonsense, so it is refused here. */
export const quicOptions = (options: Partial<QuicOptions>): QuicOptions => {
  const all = { ...defaultQuicOptions, ...options }
  for (const [name, value] of Object.entries(all)) {
    if (!Number.isInteger(value) || value < 1 || value > uint32Max) {
      throw new RangeError(`the QUIC option ${name} is ${value}; a whole number from 1 is needed`)
    }
  }
  if (all.keepAliveInterval >= all.maxIdleTimeout) {
    throw new RangeError("keepAliveInterval must be shorter than maxIdleTimeout, or idle connections are lost")
  }
  return all
}

export const nativeOptions = (options: QuicOptions, privateKeyProto: Uint8Array): NativeOptions => ({
  ...options,
  privateKeyProto,
  handshakeTimeout: options.maxIdleTimeout
})
