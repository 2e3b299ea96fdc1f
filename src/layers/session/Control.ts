/**
 * The control stream of one session: messages out, questions with their answers, and a reader that hands everything
 * else to the session. What cannot be read, or comes too fast, ends the session: on this stream both sides are nodes.
 */
import { Clock, Deferred, Effect, Option, Result, Schema } from "effect"
import * as TokenBucket from "../../domain/tokenBucket.ts"
import { type ControlMessage, decodeControl, encodeControl } from "../../protocol/sessionControl.ts"
import type { SessionError } from "../../services/SessionManager.ts"
import type { FrameStream } from "./FrameStream.ts"

/** A node that asks once a second and answers as often stays far below; a flood costs no more than this. */
const messagesPerSecondMax = 50
const messagesBurst = 200
/** Questions that wait for an answer at a time. */
const questionsMax = 256

/** The other side does not keep to the control protocol. */
export class ControlFailed extends Schema.TaggedError<ControlFailed>()("ControlFailed", { detail: Schema.String }) {
  override get message() {
    return this.detail
  }
}

/** A message that answers a question. */
export type ControlAnswer = Extract<ControlMessage, { readonly _tag: "Pong" | "Found" | "PeersResponse" }>

export interface Control {
  readonly send: (message: ControlMessage) => Effect.Effect<void, SessionError>
  /** Asks and waits for the answer with the same number; the caller bounds the wait. */
  readonly ask: <A extends ControlAnswer["_tag"]>(
    question: (id: number) => ControlMessage,
    answer: A
  ) => Effect.Effect<Extract<ControlAnswer, { readonly _tag: A }>, SessionError | ControlFailed>
  /** The next message that is no answer; fails once the stream ends. */
  readonly receive: Effect.Effect<ControlMessage, SessionError | ControlFailed>
}

const isAnswer = (message: ControlMessage): message is ControlAnswer =>
  message._tag === "Pong" || message._tag === "Found" || message._tag === "PeersResponse"

/** Whether a message answers a question that expects this kind of answer. */
const has = <A extends ControlAnswer["_tag"]>(
  message: ControlAnswer,
  tag: A
): message is Extract<ControlAnswer, { readonly _tag: A }> => message._tag === tag

/** A question that waits; `take` says whether the message answers it. */
interface Question {
  readonly take: (message: ControlAnswer) => boolean
}

/** `onHeard` is called for every message. */
export const make = (stream: FrameStream, onHeard: (nowMillis: number) => void): Control => {
  const waiting = new Map<number, Question>()
  let nextId = 0
  let bucket: TokenBucket.TokenBucket | undefined
  const rate = { ratePerSecond: messagesPerSecondMax, burst: messagesBurst }

  const send = (message: ControlMessage) => stream.send(encodeControl(message))

  const next = Effect.fnUntraced(function* () {
    const frame = yield* stream.receive
    if (Option.isNone(frame)) return yield* new ControlFailed({ detail: "it closed the session" })
    const now = yield* Clock.currentTimeMillis
    onHeard(now)
    const taken = TokenBucket.take(rate, bucket ?? TokenBucket.full(rate, now), now, 1)
    bucket = taken.bucket
    if (!taken.admitted) return yield* new ControlFailed({ detail: "it floods the control stream" })
    const message = decodeControl(frame.value)
    if (Result.isFailure(message)) {
      return yield* new ControlFailed({ detail: `it sent an unreadable control message: ${message.failure}` })
    }
    return message.success
  })

  const receive = Effect.fnUntraced(function* () {
    while (true) {
      const message = yield* next()
      if (!isAnswer(message)) return message
      // An answer that comes too late, or to nothing, is nobody's.
      if (waiting.get(message.id)?.take(message) === true) waiting.delete(message.id)
    }
  })

  return {
    send,
    ask: Effect.fnUntraced(function* <A extends ControlAnswer["_tag"]>(
      question: (id: number) => ControlMessage,
      tag: A
    ) {
      if (waiting.size >= questionsMax) return yield* new ControlFailed({ detail: "too many questions wait" })
      const id = nextId
      nextId = (nextId + 1) % 0x1_0000_0000
      const answer = Deferred.makeUnsafe<Extract<ControlAnswer, { readonly _tag: A }>>()
      waiting.set(id, {
        take: (message) => has(message, tag) && Deferred.doneUnsafe(answer, Effect.succeed(message))
      })
      return yield* Effect.andThen(send(question(id)), Deferred.await(answer)).pipe(
        Effect.ensuring(Effect.sync(() => waiting.delete(id)))
      )
    }),
    receive: Effect.suspend(receive)
  }
}
