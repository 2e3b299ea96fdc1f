/**
 * Frames on a session's stream: a 4-byte big-endian length and that many bytes; the length 0xffffffff alone is the end
 * of a direction. A transport's own end is not taken for it, since some transports cannot tell an end from a cut.
 *
 * `FrameReader` keeps what arrives until a frame is whole. Frames are views of the chunks where they lie within one, so
 * a chunk must not be written to after it was pushed.
 */
import { Result } from "effect"

/** 1 MiB: longer data is sent as several frames, so that one frame never holds up a stream or fills a reader. */
export const frameBytesMax = 1_048_576
/** Bytes in front of each frame. */
export const headerBytes = 4
const endMark = 0xffff_ffff

/** What stands in front of a frame of this length. */
export const header = (length: number): Uint8Array => {
  const bytes = new Uint8Array(headerBytes)
  new DataView(bytes.buffer).setUint32(0, length)
  return bytes
}

/** What ends a direction. */
export const end: Uint8Array = header(endMark)

/** Why bytes are no sequence of frames. */
export type FrameProblem = "tooLong" | "afterEnd"

export interface FramesRead {
  readonly frames: ReadonlyArray<Uint8Array>
  /** The end was read; nothing may follow. */
  readonly ended: boolean
}

/** Bytes that are no frames, and the whole frames in front of them. */
export interface FramesBroken {
  readonly problem: FrameProblem
  readonly frames: ReadonlyArray<Uint8Array>
}

/** Cuts the chunks of one direction of one stream into frames. After a failure it must not be used any more. */
export class FrameReader {
  readonly #bytesMax: number
  readonly #header = new Uint8Array(headerBytes)
  #headerFilled = 0
  /** The frame that is being filled; `undefined` while its header is. */
  #body: Uint8Array | undefined
  #bodyFilled = 0
  #ended = false

  constructor(bytesMax: number = frameBytesMax) {
    this.#bytesMax = bytesMax
  }

  /** Whether everything that was pushed has been returned: false in the middle of a frame. */
  get isAtBoundary(): boolean {
    return this.#headerFilled === 0 && this.#body === undefined
  }

  get hasEnded(): boolean {
    return this.#ended
  }

  /** The frames that this chunk completes. */
  push(chunk: Uint8Array): Result.Result<FramesRead, FramesBroken> {
    const frames: Array<Uint8Array> = []
    let at = 0
    while (at < chunk.length) {
      if (this.#ended) return Result.fail({ problem: "afterEnd", frames })
      if (this.#body === undefined) {
        at = this.#fillHeader(chunk, at)
        if (this.#headerFilled < headerBytes) break
        this.#headerFilled = 0
        const length = new DataView(this.#header.buffer).getUint32(0)
        if (length === endMark) {
          this.#ended = true
          continue
        }
        if (length > this.#bytesMax) return Result.fail({ problem: "tooLong", frames })
        if (chunk.length - at >= length) {
          frames.push(chunk.subarray(at, at + length))
          at += length
          continue
        }
        this.#body = new Uint8Array(length)
        this.#bodyFilled = 0
      }
      at = this.#fillBody(this.#body, chunk, at, frames)
    }
    return Result.succeed({ frames, ended: this.#ended })
  }

  #fillHeader(chunk: Uint8Array, at: number): number {
    const part = chunk.subarray(at, at + headerBytes - this.#headerFilled)
    this.#header.set(part, this.#headerFilled)
    this.#headerFilled += part.length
    return at + part.length
  }

  #fillBody(body: Uint8Array, chunk: Uint8Array, at: number, frames: Array<Uint8Array>): number {
    const part = chunk.subarray(at, at + body.length - this.#bodyFilled)
    body.set(part, this.#bodyFilled)
    this.#bodyFilled += part.length
    if (this.#bodyFilled === body.length) {
      frames.push(body)
      this.#body = undefined
    }
    return at + part.length
  }
}
