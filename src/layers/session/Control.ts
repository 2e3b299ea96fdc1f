/**
 * The control stream of one session: messages out, questions with their answers, and a reader that hands everything
 * else to the session. What cannot be read, or comes too fast, ends the session: on this stream both sides are nodes.
 */
import { Cause, Deferred, Effect, Option, Result, Schema } from "effect"
import { controlFailures, networkControlFailures } from "../../domain/networkMetrics.ts"
import * as TokenBucket from "../../domain/tokenBucket.ts"
import {
  type ControlMessage,
  controlMessageBytesMax,
  decodeControl,
  encodeControl
} from "../../protocol/sessionControl.ts"
import { type MetricsShape, report } from "../../services/Metrics.ts"
import { SessionError } from "../../services/SessionManager.ts"
import type { FrameStream } from "./FrameStream.ts"
import { steadyMillis } from "./steadyTime.ts"
import type { WireConnection } from "./Wire.ts"

/** A node that asks once a second and answers as often stays far below; a flood costs no more than this. */
const messageRate = { ratePerSecond: 50, burst: 200 }
/** Two of the longest messages at once, and then what takes a tenth of a core to read: each key in it is checked. */
const byteRate = { ratePerSecond: 65_536, burst: 2 * controlMessageBytesMax }
/**
 * What this side asks, so that its questions and its answers to as many together stay below what the other side takes.
 */
const questionRate = { ratePerSecond: 20, burst: 64 }
/** Questions that wait for an answer at a time. */
const questionsMax = 256

/** The other side does not keep to the control protocol. */
export class ControlFailed extends Schema.TaggedError<ControlFailed>()("ControlFailed", {
  /** `ended` and `busy` are no fault of the member. */
  reason: Schema.Literals([...controlFailures, "ended", "busy"]),
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

/** What ended a conversation, for whoever knows which one: neither the member nor the end is named again. */
const endText = (error: Error): string => {
  if (!(error instanceof SessionError)) return error.message
  return error.reason._tag === "SessionClosed" ? error.reason.detail : error.problem
}

/** Ends the connection for what ended its conversation, and counts that where the member is to blame. */
export const endFor = (metrics: MetricsShape, connection: Pick<WireConnection, "close">, cause: Cause.Cause<Error>) =>
  Effect.gen(function* () {
    if (Cause.hasInterruptsOnly(cause)) return
    for (const { error } of cause.reasons.filter(Cause.isFailReason)) {
      if (!(error instanceof ControlFailed) || error.reason === "ended" || error.reason === "busy") continue
      yield* metrics.inc(networkControlFailures, { reason: error.reason })
    }
    // A defect is this node's own fault, and would otherwise look like a lost session.
    const defects = cause.reasons.filter(Cause.isDieReason)
    if (defects.length > 0) yield* report("session_upkeep", Cause.fromReasons(defects))
    // At last, as this runs in the scope that ends with it.
    const error = Cause.squash(cause)
    connection.close(error instanceof Error ? endText(error) : "its control stream failed")
  })

/** A message that answers a question. */
export type ControlAnswer = Extract<ControlMessage, { readonly _tag: "Pong" | "Found" | "PeersResponse" | "Signalled" }>

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
  message._tag === "Pong" ||
  message._tag === "Found" ||
  message._tag === "PeersResponse" ||
  message._tag === "Signalled"

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
  let messages: TokenBucket.TokenBucket | undefined
  let bytes: TokenBucket.TokenBucket | undefined

  /** Whether the other side may say this much now. */
  const admits = (length: number, now: number): boolean => {
    const message = TokenBucket.take(messageRate, messages ?? TokenBucket.full(messageRate, now), now, 1)
    const size = TokenBucket.take(byteRate, bytes ?? TokenBucket.full(byteRate, now), now, length)
    messages = message.bucket
    bytes = size.bucket
    return message.admitted && size.admitted
  }

  const send = (message: ControlMessage) => Effect.suspend(() => stream.send(encodeControl(message)))

  let asked: TokenBucket.TokenBucket | undefined
  /** Waits until one more question may be asked. */
  const turn: Effect.Effect<void> = Effect.flatMap(steadyMillis, (now) => {
    const taken = TokenBucket.take(questionRate, asked ?? TokenBucket.full(questionRate, now), now, 1)
    asked = taken.bucket
    if (taken.admitted) return Effect.void
    return Effect.andThen(Effect.sleep(Math.ceil(TokenBucket.waitMillis(questionRate, taken.bucket, 1))), turn)
  })

  const next = Effect.fnUntraced(function* () {
    const frame = yield* stream.receive
    if (Option.isNone(frame)) return yield* new ControlFailed({ reason: "ended", detail: "it closed the session" })
    const now = yield* steadyMillis
    onHeard(now)
    if (!admits(frame.value.length, now)) {
      return yield* new ControlFailed({ reason: "flood", detail: "it floods the control stream" })
    }
    const message = decodeControl(frame.value)
    if (Result.isFailure(message)) {
      const detail = `it sent an unreadable control message: ${message.failure}`
      return yield* new ControlFailed({ reason: "malformed", detail })
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
      if (waiting.size >= questionsMax) {
        return yield* new ControlFailed({ reason: "busy", detail: "too many questions wait" })
      }
      const id = nextId
      nextId = (nextId + 1) % 0x1_0000_0000
      const answer = Deferred.makeUnsafe<Extract<ControlAnswer, { readonly _tag: A }>>()
      const take = (message: ControlAnswer) => has(message, tag) && Deferred.doneUnsafe(answer, Effect.succeed(message))
      return yield* Effect.suspend(() => {
        waiting.set(id, { take })
        return Effect.andThen(turn, Effect.andThen(send(question(id)), Deferred.await(answer)))
      }).pipe(Effect.ensuring(Effect.sync(() => waiting.delete(id))))
    }),
    receive: Effect.suspend(receive)
  }
}
