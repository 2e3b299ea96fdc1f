/** Messages over a stream between two members' ledgers: said, heard within a time, and nothing else accepted. */
import { Effect, Option, Result } from "effect"
import {
  type AnswererMessage,
  type AskerMessage,
  decodeAnswerer,
  decodeAsker,
  encodeAnswerer,
  encodeAsker,
  type SyncProblem
} from "../../protocol/ledgerSync.ts"
import type { SessionError, SessionStream } from "../../services/SessionManager.ts"
import { LedgerSyncError, type LedgerSyncReason, SyncMalformed, SyncRefused, SyncSilent } from "./errors.ts"

/** A busy ledger takes a second or two, a bad path as long again. */
export const answerMillisMax = 20_000
/** The other side's end is waited for, so that ours arrives; how it goes away changes nothing. */
const farewellMillisMax = 2000

export type Failure = LedgerSyncError | SessionError

export interface Conversation<Out, In> {
  readonly fail: (reason: LedgerSyncReason) => Effect.Effect<never, LedgerSyncError>
  readonly say: (message: Out) => Effect.Effect<void, Failure>
  /** The next message, or none once the other side has ended. */
  readonly hear: (millisMax: number) => Effect.Effect<Option.Option<In>, Failure>
}

const converse = <Out, In>(
  stream: SessionStream,
  encode: (message: Out) => Uint8Array,
  decode: (frame: Uint8Array) => Result.Result<In, SyncProblem>
): Conversation<Out, In> => {
  const fail = (reason: LedgerSyncReason) => Effect.fail(new LedgerSyncError({ peer: stream.peer.text, reason }))
  const inTime = <A>(effect: Effect.Effect<A, SessionError>, millis: number): Effect.Effect<A, Failure> =>
    Effect.timeoutOrElse(effect, { duration: millis, orElse: () => fail(new SyncSilent({ millis })) })
  return {
    fail,
    say: (message) =>
      inTime(
        Effect.suspend(() => stream.send(encode(message))),
        answerMillisMax
      ),
    hear: Effect.fnUntraced(function* (millisMax) {
      const frame = yield* inTime(stream.receive, millisMax)
      if (Option.isNone(frame)) return Option.none()
      const message = decode(frame.value)
      if (Result.isSuccess(message)) return Option.some(message.success)
      return yield* fail(new SyncMalformed({ detail: `a message of it cannot be read (${message.failure})` }))
    })
  }
}

export const asAnswerer = (stream: SessionStream): Conversation<AnswererMessage, AskerMessage> =>
  converse(stream, encodeAnswerer, decodeAsker)

export interface Asking {
  readonly fail: (reason: LedgerSyncReason) => Effect.Effect<never, LedgerSyncError>
  readonly say: (message: AskerMessage) => Effect.Effect<void, Failure>
  /** Says something and hears the answer, which has to be of this kind. */
  readonly ask: <Tag extends AnswererMessage["_tag"]>(
    message: AskerMessage,
    tag: Tag
  ) => Effect.Effect<Extract<AnswererMessage, { readonly _tag: Tag }>, Failure>
  /** Nothing more is asked. */
  readonly end: Effect.Effect<void>
}

const isOf = <Tag extends AnswererMessage["_tag"]>(
  message: AnswererMessage,
  tag: Tag
): message is Extract<AnswererMessage, { readonly _tag: Tag }> => message._tag === tag

export const asAsker = (stream: SessionStream): Asking => {
  const { fail, hear, say } = converse(stream, encodeAsker, decodeAnswerer)
  return {
    fail,
    say,
    ask: Effect.fnUntraced(function* (message, tag) {
      yield* say(message)
      const answer = yield* hear(answerMillisMax)
      if (Option.isNone(answer)) return yield* fail(new SyncMalformed({ detail: "it ended the exchange half-way" }))
      if (isOf(answer.value, tag)) return answer.value
      if (answer.value._tag === "Refused") return yield* fail(new SyncRefused({ reason: answer.value.reason }))
      return yield* fail(new SyncMalformed({ detail: `it answered with ${answer.value._tag} instead of ${tag}` }))
    }),
    end: stream.end.pipe(
      Effect.andThen(stream.receive),
      Effect.timeoutOption(farewellMillisMax),
      // Everything was said.
      Effect.ignore
    )
  }
}
