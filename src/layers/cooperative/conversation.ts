/**
 * One question to a member's node, and its answer.
 */
import { Effect, Option, Result, type Scope } from "effect"
import type { Did } from "../../domain/did.ts"
import { coopAnswer, type CoopAnswer, coopProtocol, coopRequest, type CoopRequest } from "../../protocol/coop.ts"
import { AnswerInvalid, type CooperativeError } from "../../services/Cooperative.ts"
import { SessionError, type SessionManager, SessionTimeout } from "../../services/SessionManager.ts"
import { failure } from "./Context.ts"

/** How long an answer may take: the other node may have to write an entry. Dialling comes on top. */
export const answerMillisMax = 30_000

/** Asks over a stream of its own, dialling when needed; `asking` runs once the stream is open. */
export const ask = Effect.fnUntraced(function* (
  sessions: SessionManager["Service"],
  did: Did,
  request: CoopRequest,
  asking: Effect.Effect<void> = Effect.void
): Effect.fn.Return<CoopAnswer, CooperativeError | SessionError, Scope.Scope> {
  const invalid = (detail: string) => failure(new AnswerInvalid({ did: did.text, detail }))
  const stream = yield* sessions.open(did, coopProtocol)
  yield* asking
  const timeout = new SessionTimeout({ operation: "open", millis: answerMillisMax })
  const frame = yield* stream.send(coopRequest.encode(request)).pipe(
    Effect.andThen(stream.end),
    Effect.andThen(stream.receive),
    Effect.timeoutOrElse({
      duration: answerMillisMax,
      orElse: () => Effect.fail(new SessionError({ peer: did.text, reason: timeout }))
    })
  )
  if (Option.isNone(frame)) return yield* invalid("it ended without an answer")
  const answer = coopAnswer.decode(frame.value)
  return Result.isSuccess(answer) ? answer.success : yield* invalid(answer.failure)
}, Effect.scoped)
