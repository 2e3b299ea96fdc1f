/**
 * Answering other members (`/icn/coop/1`), within limits: a question in time, and so many of them from each member.
 */
import { Effect, Option, Result } from "effect"
import { coopRequests } from "../../domain/metrics.ts"
import { Allowances } from "../../domain/tokenBucket.ts"
import { type CoopAnswer, coopAnswer, coopProtocol, coopRequest, type CoopRequest } from "../../protocol/coop.ts"
import { SessionError, type SessionStream, SessionTimeout } from "../../services/SessionManager.ts"
import { answerTo } from "./answers.ts"
import { type CoopContext, nowMillis } from "./Context.ts"
import { answerMillisMax } from "./conversation.ts"
import type { Rosters } from "./Rosters.ts"

/** How long a member may take for its question. */
const questionMillisMax = 10_000
/** Shorter than whoever asks waits, so that he hears of it. */
const workMillisMax = answerMillisMax - 5000
/** Members whose questions are counted. */
const askersMax = 1024
/** No limit on bytes: a frame is limited already. */
const anyBytes = { ratePerSecond: Number.MAX_SAFE_INTEGER, burst: Number.MAX_SAFE_INTEGER }
/** Questions of one member: one when a session begins, and pushes while rosters change. */
const questions = { messages: { ratePerSecond: 1, burst: 30 }, bytes: anyBytes }
/**
 * Attempts to join or to leave, each of which costs a look at every invitation and perhaps an entry in the ledger. The
 * secret itself cannot be guessed, however many attempts there are.
 */
const attempts = { messages: { ratePerSecond: 0.1, burst: 5 }, bytes: anyBytes }

type RequestKind = "join" | "pull" | "push" | "leave" | "malformed"

const kinds: Readonly<Record<CoopRequest["_tag"], RequestKind>> = {
  Join: "join",
  Pull: "pull",
  Push: "push",
  Leave: "leave"
}

const busy: CoopAnswer = { _tag: "Refused", reason: "busy" }
const invalid: CoopAnswer = { _tag: "Refused", reason: "invalid" }

class Limits {
  readonly #questions = new Allowances(questions, askersMax)
  readonly #attempts = new Allowances(attempts, askersMax)

  admits(asker: string, { _tag }: CoopRequest, now: number): boolean {
    const isAttempt = _tag === "Join" || _tag === "Leave"
    return (isAttempt ? this.#attempts : this.#questions).take(asker, now, 1) === 0
  }
}

const serveOne = Effect.fnUntraced(function* (
  context: CoopContext,
  rosters: Rosters,
  limits: Limits,
  stream: SessionStream
) {
  const { peer } = stream
  const timeout = new SessionTimeout({ operation: "open", millis: questionMillisMax })
  const frame = yield* stream.receive.pipe(
    Effect.timeoutOrElse({
      duration: questionMillisMax,
      orElse: () => Effect.fail(new SessionError({ peer: peer.text, reason: timeout }))
    })
  )
  // Who opens a stream and says nothing wants nothing.
  if (Option.isNone(frame)) return
  const count = (request: RequestKind, { _tag }: CoopAnswer) =>
    context.metrics.inc(coopRequests, { request, result: _tag === "Refused" ? "refused" : "granted" })
  const request = coopRequest.decode(frame.value)
  if (Result.isFailure(request)) {
    yield* count("malformed", invalid)
    return yield* stream.send(coopAnswer.encode(invalid))
  }
  const answer = limits.admits(peer.text, request.success, yield* nowMillis)
    ? yield* answerTo(context, rosters, peer, request.success).pipe(
        Effect.timeoutOrElse({ duration: workMillisMax, orElse: () => Effect.succeed(busy) })
      )
    : busy
  yield* count(kinds[request.success._tag], answer)
  return yield* stream.send(coopAnswer.encode(answer))
})

/** Serves until the scope closes. */
export const serve = (context: CoopContext, rosters: Rosters) => {
  const limits = new Limits()
  return context.sessions.handle(coopProtocol, (stream) => serveOne(context, rosters, limits, stream))
}
