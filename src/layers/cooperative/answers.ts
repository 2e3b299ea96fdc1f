/**
 * What this node answers to other members' questions about the cooperative. Who asks is proven by the session.
 */
import { Cause, Effect, Exit, Result } from "effect"
import { redeem, type Redemption } from "../../domain/coopInvitations.ts"
import { compareRosters, isExcluded, standingOf, turned } from "../../domain/coopRoster.ts"
import { type CoopState, rankOf } from "../../domain/coopState.ts"
import type { Did } from "../../domain/did.ts"
import type { AccountId } from "../../domain/ledgerEntry.ts"
import {
  type CoopAnswer,
  type CoopRefusal,
  type CoopRequest,
  joinEntriesBytesMax,
  joinEntriesMax
} from "../../protocol/coop.ts"
import type { CooperativeFailure } from "../../services/Cooperative.ts"
import type { CooperativeInfo, SealedEntries } from "../../services/Ledger.ts"
import { accountOf, type CoopContext, isSteward, nowMillis } from "./Context.ts"
import { excludeMember } from "./exclusion.ts"
import type { Rosters } from "./Rosters.ts"

type Sealed = SealedEntries["entries"][number]
type Answering = Effect.Effect<CoopAnswer, CooperativeFailure>

const refused = (reason: CoopRefusal): CoopAnswer => ({ _tag: "Refused", reason })

/** How a question came to a cooperative that this node does not serve. */
const served = Effect.fnUntraced(function* ({ current }: CoopContext, coop: string) {
  const info = yield* current
  return info._tag === "Some" && info.value.id === coop ? info.value : undefined
})

/** What becomes of a secret; somebody who is excluded needs an invitation that was made after that. */
const redemption = (state: CoopState, account: AccountId, secret: Uint8Array, now: number): Redemption | "excluded" => {
  const answer = redeem(state.invitations, { account, secret }, now)
  if (answer._tag === "Refused" || !isExcluded(state.roster?.roster, account)) return answer
  const since = standingOf(state.roster?.roster, account)?.epoch ?? 0
  return answer.invitation.epoch >= since ? answer : "excluded"
}

/** The entry that makes somebody a member, written unless it is there; `undefined` when it can't be. */
const memberEntry = Effect.fnUntraced(function* (
  { ledger, members }: CoopContext,
  info: CooperativeInfo,
  account: AccountId
) {
  const known = yield* members.find(info.id, account)
  if (known !== undefined) return known.by
  const written = yield* ledger.append({ kind: "member", account }, { idempotencyKey: `coop-member ${account}` })
  if (written._tag === "Committed") return written.entryId
  const why = written._tag === "Refused" ? JSON.stringify(written.reason) : written.detail
  yield* Effect.logWarning(`the entry that makes ${account} a member was not written: ${why}`)
  return undefined
})

/** The beginning of the ledger, as far as there is room, and in any case the entry that makes the member one. */
const entriesFor = Effect.fnUntraced(function* ({ ledger }: CoopContext, member: string) {
  const first = { version: 0, max: joinEntriesMax - 1, bytesMax: joinEntriesBytesMax }
  const { entries } = yield* ledger.missing([], first)
  const own = yield* ledger.sealed([member])
  const isThere = ({ body }: Sealed) => entries.some((one) => Buffer.compare(one.body, body) === 0)
  return [...entries.slice(0, joinEntriesMax - 1), ...own.filter((entry) => !isThere(entry))]
})

/** Somebody who was excluded is let in again. */
const readmit = (rosters: Rosters, info: CooperativeInfo, account: AccountId) =>
  rosters.issue(
    info,
    (standings, epoch) => turned(standings, account, epoch),
    ({ roster }) => isExcluded(roster?.roster, account)
  )

const join = Effect.fnUntraced(function* (
  context: CoopContext,
  rosters: Rosters,
  from: Did,
  { coop, secret }: Extract<CoopRequest, { readonly _tag: "Join" }>
) {
  const { identity, keeper } = context
  const info = yield* served(context, coop)
  if (info === undefined) return refused("otherCooperative")
  if (!isSteward(info, accountOf(identity.did))) return refused("notSteward")
  const account = accountOf(from)
  const now = yield* nowMillis
  // Before the entry is written: then the invitation cannot be used by more, whatever happens in between.
  const answer = yield* keeper.change(coop, (state) => {
    const outcome = redemption(state, account, secret, now)
    if (outcome === "excluded") return Effect.succeed([state, outcome] as const)
    if (outcome._tag === "Refused") return Effect.succeed([state, outcome.reason] as const)
    const { invitations } = outcome
    return Effect.succeed([invitations === state.invitations ? state : { ...state, invitations }, "granted"] as const)
  })
  if (answer !== "granted") return refused(answer)
  yield* rosters.ensure(info)
  yield* readmit(rosters, info, account)
  const member = yield* memberEntry(context, info, account)
  if (member === undefined) return refused("cannotWrite")
  const entries = yield* entriesFor(context, member)
  const keyed = rosters.keyed(keeper.state(coop))
  if (keyed === undefined) return refused("cannotWrite")
  const joined: CoopAnswer = { _tag: "Joined", genesis: info.genesis, entries, ...keyed }
  return joined
})

/** Who belongs to the cooperative gets the roster in force with its key; nobody else learns anything. */
const pull = Effect.fnUntraced(function* (
  context: CoopContext,
  rosters: Rosters,
  from: Did,
  { coop, epoch, keyId }: Extract<CoopRequest, { readonly _tag: "Pull" }>
) {
  const info = yield* served(context, coop)
  if (info === undefined) return refused("otherCooperative")
  const state = context.keeper.state(coop)
  const account = accountOf(from)
  if ((yield* context.members.find(coop, account)) === undefined) return refused("notMember")
  if (state.left || isExcluded(state.roster?.roster, account)) return refused("excluded")
  const keyed = rosters.keyed(state)
  const order = compareRosters(rankOf(state), { epoch, keyId })
  if (order === 0) rosters.hasIt(from)
  const answer: CoopAnswer = keyed !== undefined && order < 0 ? { _tag: "Roster", ...keyed } : { _tag: "Current" }
  return answer
})

/** Whoever brings it: what counts is the steward's signature. */
const push = Effect.fnUntraced(function* (
  context: CoopContext,
  rosters: Rosters,
  from: Did,
  { coop, ...keyed }: Extract<CoopRequest, { readonly _tag: "Push" }>
) {
  const info = yield* served(context, coop)
  if (info === undefined) return refused("otherCooperative")
  if (context.keeper.state(coop).left) return refused("notMember")
  const sealed = rosters.check(info, keyed)
  if (Result.isFailure(sealed)) return refused("invalid")
  yield* rosters.adopt(info, sealed.success, keyed.key, from)
  const taken: CoopAnswer = { _tag: "Taken" }
  return taken
})

const leave = Effect.fnUntraced(function* (context: CoopContext, rosters: Rosters, from: Did, coop: string) {
  const info = yield* served(context, coop)
  if (info === undefined) return refused("otherCooperative")
  if (!isSteward(info, accountOf(context.identity.did))) return refused("notSteward")
  const outcome = yield* excludeMember(context, rosters, info, from)
  if (outcome !== "done") return refused(outcome)
  const left: CoopAnswer = { _tag: "Left" }
  return left
})

const dispatch = (context: CoopContext, rosters: Rosters, from: Did, request: CoopRequest): Answering => {
  switch (request._tag) {
    case "Join":
      return join(context, rosters, from, request)
    case "Pull":
      return pull(context, rosters, from, request)
    case "Push":
      return push(context, rosters, from, request)
    case "Leave":
      return leave(context, rosters, from, request.coop)
  }
}

/** The answer to a question. What this node can't do for reasons of its own it tells its operator, not who asks. */
export const answerTo = Effect.fnUntraced(function* (
  context: CoopContext,
  rosters: Rosters,
  from: Did,
  request: CoopRequest
) {
  const exit = yield* Effect.exit(dispatch(context, rosters, from, request))
  if (Exit.isSuccess(exit)) return exit.value
  if (Cause.hasInterruptsOnly(exit.cause)) return yield* Effect.failCause(exit.cause)
  const error = Cause.squash(exit.cause)
  yield* Effect.logWarning(
    `${from.text} asked for "${request._tag}" and it failed: ${error instanceof Error ? error.message : String(error)}`
  )
  return refused("cannotWrite")
})
