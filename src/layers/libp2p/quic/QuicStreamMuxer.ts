/**
 * The streams of one QUIC connection. Streams of the other end are taken only once libp2p listens for them, so none
 * has to be kept in a queue. Streams that are open when the connection goes end with its error.
 */
import {
  type AbortOptions,
  ConnectionClosedError,
  type CreateStreamOptions,
  type EventHandler,
  type MessageStream,
  MuxerClosedError,
  type StreamMuxerEvents,
  type StreamMuxerFactory
} from "@libp2p/interface"
import { AbstractStreamMuxer } from "@libp2p/utils"
import { orAbandon } from "./abandon.ts"
import { TooManyOpening } from "./errors.ts"
import type { NativeConnection, NativeStream } from "./native.ts"
import { QuicStream } from "./QuicStream.ts"

/** The longest wait for the other end to allow one more stream. */
const openMillisMax = 10_000
/** Streams that may wait for that at once; one that was given up stays among them until it is opened. */
export const openingMax = 1024
/** What streams get to finish when the connection is closed in good order, besides some round trips. */
const closeMillis = 100
const closeRoundTrips = 4
const closeMillisMax = 1000

export interface QuicStreamMuxerInit {
  readonly native: NativeConnection
  /** Called when the native connection is found to be gone. */
  readonly onConnectionLost: () => void
  /** Why the connection was closed, for the streams that were open. */
  readonly closeError: () => Error | undefined
}

const discard = (stream: NativeStream): void => {
  void stream.resetWrite()
  void stream.stopRead()
}

export class QuicStreamMuxer extends AbstractStreamMuxer<QuicStream> {
  readonly #init: QuicStreamMuxerInit
  #accepting = false
  #opening = 0

  constructor(maConn: MessageStream, init: QuicStreamMuxerInit) {
    super(maConn, { protocol: "quic", name: "quic" })
    this.#init = init
  }

  override addEventListener<Name extends keyof StreamMuxerEvents<QuicStream>>(
    type: Name,
    listener: EventHandler<StreamMuxerEvents<QuicStream>[Name]> | null,
    options?: boolean | AddEventListenerOptions
  ): void
  override addEventListener(
    type: string,
    listener: EventHandler<Event>,
    options?: boolean | AddEventListenerOptions
  ): void
  override addEventListener(
    type: string,
    listener: EventHandler<Event> | null,
    options?: boolean | AddEventListenerOptions
  ): void {
    if (listener === null) return
    super.addEventListener(type, listener, options)
    if (type === "stream" && !this.#accepting) {
      this.#accepting = true
      void this.#accept()
    }
  }

  override async onCreateStream({ signal }: CreateStreamOptions): Promise<QuicStream> {
    if (this.#opening >= openingMax) throw new TooManyOpening(openingMax)
    this.#opening += 1
    const limit = AbortSignal.timeout(openMillisMax)
    const native = await orAbandon(
      this.#init.native.outboundStream().finally(() => (this.#opening -= 1)),
      signal === undefined ? limit : AbortSignal.any([signal, limit]),
      discard
    )
    if (this.status !== "open") {
      discard(native)
      throw new MuxerClosedError()
    }
    return this.#stream(native, "outbound")
  }

  override onData(): void {
    throw new Error("a QUIC connection carries nothing besides its streams")
  }

  /** Ends all streams, and gives the other end some round trips to get and answer that. */
  override async close(options?: AbortOptions): Promise<void> {
    if (this.status !== "open") return
    this.status = "closing"
    const millis = Math.min(closeMillis + closeRoundTrips * this.#init.native.rtt(), closeMillisMax)
    const limit = AbortSignal.timeout(millis)
    const signal = options?.signal === undefined ? limit : AbortSignal.any([options.signal, limit])
    // A stream that fails to end is among those given up below.
    await Promise.allSettled(this.streams.map((stream) => stream.close({ signal })))
    await Promise.all(this.streams.map((stream) => closed(stream, signal)))
    this.abort(new MuxerClosedError())
  }

  override onTransportClosed(error?: Error): void {
    this.abort(error ?? this.#init.closeError() ?? new ConnectionClosedError("the other end closed the connection"))
  }

  async #accept(): Promise<void> {
    while (this.status === "open") {
      let native
      try {
        native = await this.#init.native.inboundStream()
      } catch {
        // It fails for one reason only; the connection finds out why.
        return this.#init.onConnectionLost()
      }
      if (this.status === "open") this.onRemoteStream(this.#stream(native, "inbound"))
      else discard(native)
    }
  }

  #stream(native: NativeStream, direction: "inbound" | "outbound"): QuicStream {
    return new QuicStream({
      ...this.streamOptions,
      native,
      direction,
      log: this.log.newScope(`${direction}:${native.id()}`),
      onConnectionLost: this.#init.onConnectionLost
    })
  }
}

/** Resolves when a stream is closed, or when the signal fires. */
const closed = (stream: QuicStream, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted || stream.status !== "open") return resolve()
    stream.addEventListener("close", () => resolve(), { once: true })
    signal.addEventListener("abort", () => resolve(), { once: true })
  })

/** A factory is for one connection only. */
export const quicStreamMuxerFactory = (init: QuicStreamMuxerInit): StreamMuxerFactory<QuicStreamMuxer> => ({
  protocol: "quic",
  createStreamMuxer: (maConn) => {
    // libp2p would announce a connection that went while it was made ready.
    if (maConn.status !== "open") throw new MuxerClosedError("the connection was closed while it was made ready")
    return new QuicStreamMuxer(maConn, init)
  }
})
