/**
 * A `SessionStream` over a stream of bytes: frames in and out, an explicit end in each direction, and back pressure
 * both ways. A reader that falls behind makes the transport hold back the other side; a writer waits for room. At most
 * `unreadBytesMax` and one transport chunk wait to be read, and the transport's own buffer to be written.
 */
import { Deferred, Effect, MutableList, Option, Result, Semaphore, Stream } from "effect"
import type { Did } from "../../domain/did.ts"
import { end as endFrame, frameBytesMax, type FrameProblem, FrameReader, header } from "../../protocol/frames.ts"
import {
  FrameTooLong,
  SessionClosed,
  SessionError,
  type SessionErrorReason,
  type SessionStream,
  StreamMalformed,
  StreamReset
} from "../../services/SessionManager.ts"
import type { WireStream } from "./Wire.ts"

/** Bytes that wait to be read before the other side is held back: a quarter of the longest frame keeps it busy. */
const unreadBytesMax = 262_144
/** The other side goes on when no more than this waits. */
const unreadBytesResume = 65_536
/** Frames that wait to be read before the other side is held back, however short they are. */
const framesUnreadMax = 1024
const framesUnreadResume = 256

/** What a stream tells its session. */
export interface FrameStreamObserver {
  readonly received: (bytes: number) => void
  readonly sent: (bytes: number) => void
  /** Once, when the transport is done with it in both directions: what still waits to be written counts as open. */
  readonly closed: () => void
}

export interface FrameStream extends SessionStream {
  /** Whether both sides have ended, so that nothing is lost when it is let go. */
  readonly isComplete: () => boolean
}

/** How the other side's direction stands. */
type Inbound =
  | { readonly _tag: "Flowing" }
  | { readonly _tag: "Ended" }
  | { readonly _tag: "Failed"; readonly reason: SessionErrorReason }

class State implements FrameStream {
  readonly peer: Did
  readonly protocol: string
  readonly #wire: WireStream
  readonly #observer: FrameStreamObserver
  readonly #reader = new FrameReader()
  /** Its cost to take one does not grow with what waits: one chunk may hold half a million of the shortest frames. */
  readonly #queue = MutableList.make<Uint8Array>()
  readonly #turns = Semaphore.makeUnsafe(1)
  #unread = 0
  #paused = false
  #inbound: Inbound = { _tag: "Flowing" }
  #outbound: "open" | "ended" | "closed" = "open"
  #told = false
  #waitingReader: Deferred.Deferred<void> | undefined
  #waitingWriter: Deferred.Deferred<void> | undefined

  constructor(peer: Did, protocol: string, wire: WireStream, observer: FrameStreamObserver) {
    this.peer = peer
    this.protocol = protocol
    this.#wire = wire
    this.#observer = observer
    wire.attach({
      data: (bytes) => this.#onData(bytes),
      finished: () => this.#onFinished(),
      drained: () => this.#wakeWriter(),
      closed: (how) => this.#onClosed(how)
    })
  }

  readonly isComplete = (): boolean => this.#inbound._tag === "Ended" && this.#outbound !== "open"

  readonly send = (frame: Uint8Array): Effect.Effect<void, SessionError> =>
    Effect.suspend(() => {
      if (frame.length > frameBytesMax) {
        return this.#fail(new FrameTooLong({ bytes: frame.length, bytesMax: frameBytesMax }))
      }
      // Nobody waits before this one, so that the common case costs no more than the write.
      if (this.#waitingWriter === undefined && this.#wire.hasRoom()) return this.#write(frame)
      return this.#turns.withPermits(1)(
        Effect.andThen(
          this.#room,
          Effect.suspend(() => this.#write(frame))
        )
      )
    })

  readonly end: Effect.Effect<void, SessionError> = Effect.suspend(() => {
    if (this.#outbound === "ended") return Effect.void
    if (this.#outbound === "closed") return this.#fail(this.#lossReason())
    return this.#turns.withPermits(1)(
      Effect.andThen(
        this.#room,
        Effect.suspend(() => {
          // Another caller may have ended it while this one waited.
          if (this.#outbound === "ended") return Effect.void
          if (this.#outbound === "closed") return this.#fail(this.#lossReason())
          this.#outbound = "ended"
          this.#wire.write(endFrame)
          this.#wire.endWrite()
          return Effect.void
        })
      )
    )
  })

  readonly receive: Effect.Effect<Option.Option<Uint8Array>, SessionError> = Effect.suspend(() => {
    const frame = this.#take()
    if (frame !== undefined) return Effect.succeedSome(frame)
    switch (this.#inbound._tag) {
      case "Ended":
        return Effect.succeedNone
      case "Failed":
        return this.#fail(this.#inbound.reason)
      case "Flowing":
        this.#waitingReader ??= Deferred.makeUnsafe()
        return Effect.andThen(Deferred.await(this.#waitingReader), this.receive)
    }
  })

  readonly frames: Stream.Stream<Uint8Array, SessionError> = Stream.unfold(undefined, () =>
    Effect.map(this.receive, (frame) => (Option.isSome(frame) ? [frame.value, undefined] : undefined))
  )

  readonly reset: Effect.Effect<void> = Effect.sync(() => {
    this.#wire.reset()
    this.#onClosed("reset")
  })

  #fail(reason: SessionErrorReason): Effect.Effect<never, SessionError> {
    return Effect.fail(new SessionError({ peer: this.peer.text, reason }))
  }

  #lossReason(): SessionErrorReason {
    return this.#inbound._tag === "Failed" ? this.#inbound.reason : new StreamReset({ protocol: this.protocol })
  }

  #write(frame: Uint8Array): Effect.Effect<void, SessionError> {
    if (this.#outbound === "ended") return Effect.die(new Error(`a frame was sent on ${this.protocol} after its end`))
    if (this.#outbound === "closed") return this.#fail(this.#lossReason())
    this.#wire.write(header(frame.length), frame)
    this.#observer.sent(frame.length)
    return Effect.void
  }

  /** Waits until there is room, or nothing to wait for any more. */
  readonly #room: Effect.Effect<void> = Effect.suspend(() => {
    if (this.#outbound !== "open" || this.#wire.hasRoom()) return Effect.void
    this.#waitingWriter ??= Deferred.makeUnsafe()
    return Effect.andThen(Deferred.await(this.#waitingWriter), this.#room)
  })

  #take(): Uint8Array | undefined {
    const frame = MutableList.take(this.#queue)
    if (frame === MutableList.Empty) return undefined
    this.#unread -= frame.length
    if (this.#paused && this.#unread <= unreadBytesResume && this.#queue.length <= framesUnreadResume) {
      this.#paused = false
      this.#wire.resume()
    }
    return frame
  }

  #onData(bytes: Uint8Array): void {
    if (this.#inbound._tag === "Failed") return
    const read = this.#reader.push(bytes)
    const { frames } = Result.isSuccess(read) ? read.success : read.failure
    for (const frame of frames) {
      MutableList.append(this.#queue, frame)
      this.#unread += frame.length
      this.#observer.received(frame.length)
    }
    if (Result.isFailure(read)) return this.#onMalformed(read.failure.problem)
    if (read.success.ended) this.#inbound = { _tag: "Ended" }
    else if (!this.#paused && (this.#unread > unreadBytesMax || this.#queue.length > framesUnreadMax)) {
      this.#paused = true
      this.#wire.pause()
    }
    if (frames.length > 0 || read.success.ended) this.#wakeReader()
  }

  #onMalformed(problem: FrameProblem): void {
    const detail = problem === "tooLong" ? `a frame longer than ${frameBytesMax} bytes` : "bytes after the end"
    this.#wire.reset()
    this.#failInbound(new StreamMalformed({ protocol: this.protocol, detail }))
    this.#closeOutbound()
  }

  /** A direction that ends without its end frame was cut. */
  #onFinished(): void {
    if (this.#inbound._tag !== "Flowing") return
    this.#wire.reset()
    this.#failInbound(new StreamMalformed({ protocol: this.protocol, detail: "it stopped without its end" }))
    this.#closeOutbound()
  }

  #onClosed(how: "reset" | "lost" | "ended"): void {
    if (this.#inbound._tag === "Flowing") {
      this.#failInbound(
        how === "lost"
          ? new SessionClosed({ detail: "the connection was lost" })
          : new StreamReset({ protocol: this.protocol })
      )
    }
    this.#closeOutbound()
  }

  #failInbound(reason: SessionErrorReason): void {
    this.#inbound = { _tag: "Failed", reason }
    this.#wakeReader()
  }

  #closeOutbound(): void {
    if (this.#outbound === "open") this.#outbound = "closed"
    this.#wakeWriter()
    this.#tellClosed()
  }

  #tellClosed(): void {
    if (this.#told) return
    this.#told = true
    this.#observer.closed()
  }

  #wakeReader(): void {
    const waiting = this.#waitingReader
    this.#waitingReader = undefined
    if (waiting !== undefined) Deferred.doneUnsafe(waiting, Effect.void)
  }

  #wakeWriter(): void {
    const waiting = this.#waitingWriter
    this.#waitingWriter = undefined
    if (waiting !== undefined) Deferred.doneUnsafe(waiting, Effect.void)
  }
}

/** The frames of a stream of bytes; it is this one's alone from now on. */
export const make = (peer: Did, protocol: string, wire: WireStream, observer: FrameStreamObserver): FrameStream =>
  new State(peer, protocol, wire, observer)
