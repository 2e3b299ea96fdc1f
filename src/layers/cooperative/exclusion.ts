/**
 * Shutting a member out, by a steward's own wish or because the member leaves; and leaving.
 */
import { Effect, Option } from "effect"
import { isExcluded, turned } from "../../domain/coopRoster.ts"
import type { Did } from "../../domain/did.ts"
import type { CoopAnswer } from "../../protocol/coop.ts"
import {
  AnswerInvalid,
  type CooperativeFailure,
  MemberUnreachable,
  NotAMember,
  StewardNeeded,
  StewardStays
} from "../../services/Cooperative.ts"
import type { CooperativeInfo } from "../../services/Ledger.ts"
import type { SessionError } from "../../services/SessionManager.ts"
import { accountOf, type CoopContext, didOf, failure, isSteward, publish } from "./Context.ts"
import { ask } from "./conversation.ts"
import type { Rosters } from "./Rosters.ts"

/** Shuts a member out; this node's member has to be a steward. Once more is no failure. */
export const excludeMember = Effect.fnUntraced(function* (
  { members }: CoopContext,
  rosters: Rosters,
  info: CooperativeInfo,
  did: Did
): Effect.fn.Return<"done" | "steward" | "notMember", CooperativeFailure> {
  const account = accountOf(did)
  if (isSteward(info, account)) return "steward"
  if ((yield* members.find(info.id, account)) === undefined) return "notMember"
  yield* rosters.issue(
    info,
    (standings, epoch) => turned(standings, account, epoch),
    ({ roster }) => !isExcluded(roster?.roster, account)
  )
  return "done"
})

/** The same as a command of this node's member. */
export const exclude = Effect.fnUntraced(function* (
  context: CoopContext,
  rosters: Rosters,
  info: CooperativeInfo,
  did: Did
): Effect.fn.Return<void, CooperativeFailure> {
  if (!isSteward(info, accountOf(context.identity.did))) return yield* failure(new StewardNeeded({ what: "exclude" }))
  const outcome = yield* excludeMember(context, rosters, info, did)
  if (outcome === "steward") return yield* failure(new StewardStays({ did: did.text }))
  if (outcome === "notMember") return yield* failure(new NotAMember({ did: did.text }))
})

/** The stewards, those in session first. */
const stewardsOf = Effect.fnUntraced(function* ({ sessions }: CoopContext, info: CooperativeInfo) {
  const connected = new Set((yield* sessions.sessions).map(({ did }) => did.text))
  return info.stewards
    .flatMap((account) => Option.toArray(didOf(account)))
    .toSorted((a, b) => Number(connected.has(b.text)) - Number(connected.has(a.text)))
})

const unreached = (did: Did, error: SessionError) =>
  failure(new MemberUnreachable({ did: did.text, what: "steward", detail: error.problem }))

const refusal = (did: Did, answer: CoopAnswer) => {
  const detail = answer._tag === "Refused" ? `it refused (${answer.reason})` : "it answered another question"
  return failure(new AnswerInvalid({ did: did.text, detail }))
}

/** Tells one steward after the other until one has shut this member out. */
export const leave = Effect.fnUntraced(function* (
  context: CoopContext,
  info: CooperativeInfo
): Effect.fn.Return<void, CooperativeFailure> {
  const { identity, keeper, sessions } = context
  if (isSteward(info, accountOf(identity.did))) {
    return yield* failure(new StewardStays({ did: identity.did.text }))
  }
  const askOne = (did: Did): Effect.Effect<void, CooperativeFailure> =>
    ask(sessions, did, { _tag: "Leave", coop: info.id }).pipe(
      Effect.catchTag("SessionError", (error) => Effect.fail(unreached(did, error))),
      Effect.flatMap((answer) => (answer._tag === "Left" ? Effect.void : Effect.fail(refusal(did, answer))))
    )
  const [first, ...others] = yield* stewardsOf(context, info)
  if (first === undefined) return
  yield* others.reduce(
    (asking, did) => asking.pipe(Effect.matchEffect({ onSuccess: () => Effect.void, onFailure: () => askOne(did) })),
    askOne(first)
  )
  yield* keeper.change(info.id, (state) => Effect.succeed([{ ...state, left: true }, undefined]))
  const epoch = keeper.state(info.id).roster?.roster.epoch ?? 0
  yield* publish(context, { _tag: "RosterChanged", coop: info.id, epoch })
})
