/**
 * A QUIC connection as libp2p's transports hand it on. Only its streams carry bytes. A connection that the other end
 * closed ends without an error, one that was lost with `QuicConnectionLost`.
 */
import {
  type Connection,
  InvalidMultiaddrError,
  type Logger,
  type PeerId,
  type StreamMuxerFactory
} from "@libp2p/interface"
import { AbstractMultiaddrConnection, type SendResult } from "@libp2p/utils"
import { multiaddr } from "@multiformats/multiaddr"
import { peerOf } from "./address.ts"
import { QuicConnectionLost } from "./errors.ts"
import { isClosedByPeer, type NativeConnection } from "./native.ts"
import { type QuicStreamMuxer, quicStreamMuxerFactory } from "./QuicStreamMuxer.ts"

/** What a connection has carried so far, in UDP payload with all that QUIC adds. */
export interface QuicStatistics {
  /** In whole milliseconds: 0 on a local network. */
  readonly rttMs: number
  readonly bytesSent: number
  readonly bytesReceived: number
  readonly packetsLost: number
}

const uint32Span = 4_294_967_296

/** A counter that begins anew after 32 bits, read at least once on each round. */
export const unwrapCounter = (): ((read: number) => number) => {
  let last = 0
  let base = 0
  return (read) => {
    if (read < last) base += uint32Span
    last = read
    return base + read
  }
}

// A connection of libp2p and the transport's connection below it share their timeline, and nothing else in public.
const connections = new WeakMap<object, QuicConnection>()

/** The statistics of a connection; `undefined` for those of other transports. */
export const quicStatistics = (connection: Pick<Connection, "timeline">): QuicStatistics | undefined =>
  connections.get(connection.timeline)?.statistics()

export interface QuicConnectionInit {
  readonly native: NativeConnection
  readonly direction: "inbound" | "outbound"
  readonly log: Logger
}

export class QuicConnection extends AbstractMultiaddrConnection {
  /** Whom the handshake proved the other end to be. */
  readonly remotePeer: PeerId
  readonly muxerFactory: StreamMuxerFactory<QuicStreamMuxer>
  readonly #native: NativeConnection
  readonly #sent = unwrapCounter()
  readonly #received = unwrapCounter()
  #ending = false
  #closeError: Error | undefined

  constructor({ direction, log, native }: QuicConnectionInit) {
    const remoteAddr = multiaddr(native.remoteMultiaddr())
    super({ remoteAddr, direction, log })
    const remotePeer = peerOf(remoteAddr)
    if (remotePeer === undefined) throw new InvalidMultiaddrError(`no peer in ${remoteAddr.toString()}`)
    this.remotePeer = remotePeer
    this.#native = native
    const onConnectionLost = () => void this.#ended()
    this.muxerFactory = quicStreamMuxerFactory({ native, onConnectionLost, closeError: () => this.#closeError })
    void native.closed().then(onConnectionLost, onConnectionLost)
    connections.set(this.timeline, this)
  }

  statistics(): QuicStatistics {
    const stats = this.#native.stats()
    return {
      rttMs: this.#native.rtt(),
      bytesSent: this.#sent(stats.udpTxBytes),
      bytesReceived: this.#received(stats.udpRxBytes),
      packetsLost: stats.pathLostPackets
    }
  }

  override sendData(): SendResult {
    throw new Error("a QUIC connection carries nothing besides its streams")
  }

  override sendReset(error: Error): void {
    this.#closeError ??= error
    this.#native.abort()
  }

  override async sendClose(): Promise<void> {
    this.#native.abort()
  }

  override sendPause(): void {
    // Nothing flows besides the streams, and each is paused by itself.
  }

  override sendResume(): void {
    // As above.
  }

  /** The native connection is gone; the next call on it tells why. */
  async #ended(): Promise<void> {
    if (this.#ending) return
    this.#ending = true
    let reason: unknown
    try {
      await this.#native.outboundStream()
    } catch (error) {
      reason = error
    }
    if (this.status !== "open" && this.status !== "closing") return
    if (isClosedByPeer(reason)) return this.onTransportClosed()
    this.#closeError ??= new QuicConnectionLost(
      `the connection was lost: ${reason instanceof Error ? reason.message : "no reason given"}`
    )
    this.onTransportClosed(this.status === "open" ? this.#closeError : undefined)
  }
}
