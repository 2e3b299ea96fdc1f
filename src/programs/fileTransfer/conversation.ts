/**
 * The conversation of a file transfer: waiting for the other side's next message, saying that one is still there while
 * one computes, and parting so that the last word is heard.
 */
import { Clock, Effect, Option, Result } from "effect"
import { farewellMillisMax, workingMax, workingMillis } from "../../domain/fileTransferLimits.ts"
import type { SessionError, SessionStream } from "../../services/SessionManager.ts"
import { FileTransferError, type FileTransferReason, Stalled, Unintelligible } from "./errors.ts"

/** Bound to one file, so that each failure names it. */
export interface Conversation<In extends { readonly _tag: string }> {
  readonly failure: (reason: FileTransferReason) => FileTransferError
  /** The next message that is not `Working`; fails when for `millis` none of any kind comes. */
  readonly next: (millis: number) => Effect.Effect<Exclude<In, { readonly _tag: "Working" }>, Failure>
  /** The same without a limit. */
  readonly nextWhenever: Effect.Effect<Exclude<In, { readonly _tag: "Working" }>, Failure>
  /** Says that this side is at work while an effect runs; whether anybody still listens shows at the next word. */
  readonly working: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Fails once nothing was heard for `millis`. */
  readonly silence: (millis: number) => Effect.Effect<never, FileTransferError>
}

type Failure = SessionError | FileTransferError

export const stalled = (millis: number): Stalled => new Stalled({ seconds: millis / 1000 })

export const make = <In extends { readonly _tag: string }>(
  stream: SessionStream,
  file: string,
  decode: (frame: Uint8Array) => Result.Result<In, string>,
  workingFrame: Uint8Array
): Conversation<In> => {
  type Message = Exclude<In, { readonly _tag: "Working" }>
  const isMessage = (message: In): message is Message => message._tag !== "Working"
  let heardAtMillis = 0
  let workingHeard = 0
  const failure = (reason: FileTransferReason) => new FileTransferError({ file, reason })

  const frame = Effect.fnUntraced(function* () {
    const frame = yield* stream.receive
    heardAtMillis = yield* Clock.currentTimeMillis
    if (Option.isNone(frame)) {
      return yield* failure(new Unintelligible({ detail: "it ended in the middle of the conversation" }))
    }
    const message = decode(frame.value)
    if (Result.isFailure(message)) return yield* failure(new Unintelligible({ detail: message.failure }))
    if (message.success._tag === "Working" && ++workingHeard > workingMax) {
      return yield* failure(new Unintelligible({ detail: "it computes for ever" }))
    }
    return message.success
  })
  const nextWhenever: Effect.Effect<Message, Failure> = Effect.suspend(frame).pipe(
    Effect.filterOrElse(isMessage, () => nextWhenever)
  )
  const next = (millis: number): Effect.Effect<Message, Failure> =>
    Effect.suspend(frame).pipe(
      Effect.timeoutOrElse({ duration: millis, orElse: () => Effect.fail(failure(stalled(millis))) }),
      Effect.filterOrElse(isMessage, () => next(millis))
    )

  return {
    failure,
    next,
    nextWhenever,
    working: (effect) =>
      Effect.raceFirst(
        effect,
        Effect.andThen(
          Effect.ignore(Effect.forever(Effect.andThen(Effect.sleep(workingMillis), stream.send(workingFrame)))),
          Effect.never
        )
      ),
    silence: Effect.fnUntraced(function* (millis) {
      const since = yield* Clock.currentTimeMillis
      for (;;) {
        const left = Math.max(since, heardAtMillis) + millis - (yield* Clock.currentTimeMillis)
        if (left <= 0) return yield* failure(stalled(millis))
        yield* Effect.sleep(left)
      }
    })
  }
}

/** Waits for the other side's end, drops what comes before it, and ends this side; for a while only. */
export const awaitEnd = (stream: SessionStream): Effect.Effect<void> =>
  stream.receive.pipe(
    Effect.repeat({ until: Option.isNone }),
    Effect.andThen(stream.end),
    Effect.timeoutOption(farewellMillisMax),
    // Everything was said; how the other side went away changes nothing.
    Effect.ignore
  )
