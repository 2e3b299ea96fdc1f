/**
 * One QUIC stream. Reading stops while the reader is paused or absent, so that flow control holds the sender; a reset
 * is told as a reset and a lost connection as an error, neither as an end. A written buffer is not copied: as with
 * every libp2p stream, who sends it gives it away.
 */
import { AbstractStream, type AbstractStreamInit, type SendResult } from "@libp2p/utils"
import type { Uint8ArrayList } from "uint8arraylist"
import { joined, joinedBytesMax } from "./joined.ts"
import { type NativeStream, streamFailure } from "./native.ts"

/** Bytes read at once: a call of the native half costs the same for 64 KiB as for 4, which is four times slower. */
export const readBytesMax = 65_536
/** Bytes written at once: enough to keep the sender busy while the next part of a long list is put together. */
export const writeBytesMax = joinedBytesMax
/** What may still come after `closeRead` before the sender is told to stop: often its end is near. */
export const discardBytesMax = 1_048_576

export interface QuicStreamInit extends Omit<AbstractStreamInit, "id" | "maxMessageSize"> {
  readonly native: NativeStream
  /** Called when the stream finds that its connection is gone; this must end in `onTransportClosed` with the reason. */
  readonly onConnectionLost: () => void
}

export class QuicStream extends AbstractStream {
  readonly #native: NativeStream
  readonly #onConnectionLost: () => void
  #reading = false
  /** Nothing more can come: the end, a reset or the loss of the connection was read. */
  #readAll = false
  #discarded = 0

  constructor({ native, onConnectionLost, ...init }: QuicStreamInit) {
    super({ ...init, id: native.id(), maxMessageSize: writeBytesMax })
    this.#native = native
    this.#onConnectionLost = onConnectionLost
    void this.#read()
  }

  override sendData(data: Uint8ArrayList): SendResult {
    const { bytes, release } = joined(data)
    this.#native
      .write(bytes)
      .finally(release)
      .then(() => this.#written())
      .catch((error: unknown) => this.#writeFailed(error))
    return { sentBytes: data.byteLength, canSendMore: false }
  }

  /** Reaches the other end after a write that flow control holds up, which the native half cannot break off. */
  override sendReset(): void {
    this.#readAll = true
    void this.#native.resetWrite()
    void this.#native.stopRead()
  }

  override async sendCloseWrite(): Promise<void> {
    await this.#native.finishWrite()
  }

  /** What still comes is read and dropped, because the other end's reset or end is found in no other way. */
  override async sendCloseRead(): Promise<void> {
    void this.#read()
  }

  override sendPause(): void {
    // The loop looks at `readStatus` before each read.
  }

  override sendResume(): void {
    void this.#read()
  }

  override onRemoteReset(): void {
    super.onRemoteReset()
    // Without this the stream would count against the limit of open streams for ever.
    void this.#native.resetWrite()
  }

  /** Called, among others, when a first listener comes: perhaps there is room again. */
  protected override dispatchReadBuffer(): void {
    super.dispatchReadBuffer()
    void this.#read()
  }

  #mayRead(): boolean {
    if (this.#readAll || this.status !== "open" || this.readStatus === "paused") return false
    return this.readBufferLength < readBytesMax || this.listenerCount("message") > 0
  }

  async #read(): Promise<void> {
    if (this.#reading) return
    this.#reading = true
    while (this.#mayRead()) {
      let bytes
      try {
        bytes = await this.#native.read(readBytesMax)
      } catch (error) {
        this.#readFailed(error)
        break
      }
      // The native half also gives this for every read after a stop or a failure, which `readAll` rules out.
      if (bytes === null) this.#readEnd()
      else await this.#deliver(bytes)
    }
    this.#reading = false
  }

  async #deliver(bytes: Uint8Array): Promise<void> {
    if (this.readStatus === "readable" || this.readStatus === "paused") return this.onData(bytes)
    this.#discarded += bytes.byteLength
    if (this.#discarded <= discardBytesMax || this.#readAll) return
    await this.#native.stopRead()
    this.#readEnd()
  }

  #readEnd(): void {
    if (this.#readAll) return
    this.#readAll = true
    this.onRemoteCloseWrite()
  }

  #readFailed(error: unknown): void {
    if (this.#readAll) return
    this.#readAll = true
    this.#failed(error)
  }

  #failed(error: unknown): void {
    if (this.status !== "open") return
    const failure = streamFailure(error)
    if (failure === "reset") this.onRemoteReset()
    else if (failure === "lost") this.#onConnectionLost()
    else this.abort(error instanceof Error ? error : new Error(String(error)))
  }

  /** Goes on with what waits, and tells writers only when all is handed over, so that the buffer cannot grow. */
  #written(): void {
    if (this.status === "open" && this.writeBufferLength > 0) {
      this.writableNeedsDrain = false
      this.processSendQueue()
    } else this.safeDispatchEvent("drain")
  }

  #writeFailed(error: unknown): void {
    if (streamFailure(error) !== "stopped" || this.status !== "open") return this.#failed(error)
    // The other end reads no more, but may still send. Who waits for room is told to try, and learns it then.
    this.onRemoteCloseRead()
    void this.#native.resetWrite()
    this.writeStatus = "closed"
    this.safeDispatchEvent("drain")
    if (this.remoteWriteStatus === "closed") this.onTransportClosed()
  }
}
