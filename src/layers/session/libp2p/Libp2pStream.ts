/**
 * A libp2p stream as a `WireStream`. Room is judged by what waits in libp2p's write buffer, and waited for by its
 * events, since its own `onDrain` waits only the first time (@libp2p/utils 7.4).
 */
import type { Stream } from "@libp2p/interface"
import { Uint8ArrayList } from "uint8arraylist"
import { streamWindowBytes } from "../../libp2p/Libp2pNode.ts"
import type { WireStream, WireStreamHandlers } from "../Wire.ts"
import { Backlog } from "./Backlog.ts"

/** Bytes that may wait in the write buffer: enough to keep the transport busy while the next frame is made. */
const writeBufferBytesMax = 262_144

const isReset = (error: Error): boolean => error.name === "StreamResetError"

export class Libp2pStream implements WireStream {
  readonly #stream: Stream
  readonly #isConnected: () => boolean
  readonly #backlog = new Backlog((bytes) => this.#handlers?.data(bytes))
  #handlers: WireStreamHandlers | undefined
  #closedHere = false
  #resuming = false
  #pauseWanted = false

  /** `isConnected` tells a stream that was reset from one whose connection was lost. */
  constructor(stream: Stream, isConnected: () => boolean) {
    this.#stream = stream
    this.#isConnected = isConnected
    // While it is paused, the other side may still send what the window allows; who sends more than this is cut off.
    stream.maxReadBufferLength = streamWindowBytes + maxChunkBytes
  }

  readonly write = (...parts: ReadonlyArray<Uint8Array>): void => {
    if (this.#stream.status !== "open" || this.#stream.writeStatus !== "writable") return
    // A failed send aborts the stream, which `closed` tells.
    try {
      this.#stream.send(parts.length === 1 && parts[0] !== undefined ? parts[0] : new Uint8ArrayList(...parts))
    } catch (error) {
      this.#stream.abort(error instanceof Error ? error : new Error(String(error)))
    }
  }

  readonly hasRoom = (): boolean => this.#stream.writeBufferLength < writeBufferBytesMax

  readonly endWrite = (): void => {
    // However long a slow reader takes; the end of the connection ends this too.
    this.#stream.close().catch((error: Error) => this.#stream.abort(error))
  }

  readonly reset = (): void => {
    this.#closedHere = true
    this.#stream.abort(new Error("given up"))
  }

  readonly pause = (): void => {
    this.#backlog.hold()
    if (this.#resuming) this.#pauseWanted = true
    else if (this.#stream.readStatus === "readable") this.#stream.pause()
  }

  /**
   * Hands over what has come in the meantime, which may be so much that the reader pauses again. That waits until the
   * stream goes on: yamux would take it for overruled, and ask for more and more.
   */
  readonly resume = (): void => {
    this.#backlog.release()
    if (this.#backlog.isHeld || this.#stream.readStatus !== "paused") return
    this.#resuming = true
    this.#stream.resume()
    this.#resuming = false
    if (!this.#pauseWanted) return
    this.#pauseWanted = false
    this.pause()
  }

  readonly attach = (handlers: WireStreamHandlers): void => {
    const stream = this.#stream
    this.#handlers = handlers
    const drained = () => {
      // The buffer is sent on in a microtask after the event.
      queueMicrotask(() => {
        if (this.hasRoom()) handlers.drained()
      })
    }
    stream.addEventListener("drain", drained)
    stream.addEventListener("idle", drained)
    stream.addEventListener("end", () => {
      if (stream.status === "open" || stream.status === "closing" || stream.status === "closed") {
        this.#backlog.afterwards(handlers.finished)
      }
    })
    stream.addEventListener("close", ({ error }) => {
      if (error === undefined) return this.#backlog.afterwards(() => handlers.closed("ended"))
      this.#backlog.drop()
      handlers.closed(this.#closedHere || isReset(error) || this.#isConnected() ? "reset" : "lost")
    })
    stream.addEventListener("message", ({ data }) => this.#backlog.push(data.subarray()))
    if (stream.status === "closed") handlers.closed("ended")
    else if (stream.status === "reset" || stream.status === "aborted") {
      handlers.closed(this.#isConnected() ? "reset" : "lost")
    }
  }
}

/** The largest piece that a transport hands over at once. */
const maxChunkBytes = 1_048_576
