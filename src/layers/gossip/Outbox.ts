/**
 * Frames that wait for one neighbour. Bounded by number and bytes; when it is full the oldest give way, since what is
 * newer says more. One reader.
 */
import { Deferred, Effect } from "effect"

/** Frames that wait for one neighbour: seconds of ordinary traffic. */
const framesMax = 1024
/** Bytes that wait for one neighbour: with 256 of them 256 MiB, if all are stuck. */
const bytesMax = 1_048_576

export class Outbox {
  readonly #frames: Array<Uint8Array> = []
  #bytes = 0
  #waiting: Deferred.Deferred<void> | undefined

  /** Adds a frame and says how many others were lost for it. */
  push(frame: Uint8Array): number {
    this.#frames.push(frame)
    this.#bytes += frame.length
    let lost = 0
    while (this.#frames.length > framesMax || (this.#bytes > bytesMax && this.#frames.length > 1)) {
      this.take()
      lost++
    }
    this.wake()
    return lost
  }

  take(): Uint8Array | undefined {
    const frame = this.#frames.shift()
    if (frame !== undefined) this.#bytes -= frame.length
    return frame
  }

  /** Lets the reader look again. */
  wake(): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    if (waiting !== undefined) Deferred.doneUnsafe(waiting, Effect.void)
  }

  /** Waits until it is woken; to be asked after `take` gave nothing, with no wait in between. */
  readonly woken: Effect.Effect<void> = Effect.suspend(() => {
    this.#waiting ??= Deferred.makeUnsafe<void>()
    return Deferred.await(this.#waiting)
  })
}
