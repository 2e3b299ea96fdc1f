/**
 * Joining by an invitation: asking whoever invited, checking the answer, and taking over the cooperative. Every step
 * can be done again, so what was cut is repeated as a whole.
 */
import { Effect, Option, Result } from "effect"
import { type CoopInvite, isLongExpired } from "../../domain/coopInvite.ts"
import { isExcluded } from "../../domain/coopRoster.ts"
import { adopted, isNewer } from "../../domain/coopState.ts"
import { Did } from "../../domain/did.ts"
import { VerificationKey } from "../../domain/ed25519.ts"
import type { AccountId, GenesisEntry } from "../../domain/ledgerEntry.ts"
import type { CoopAnswer, CoopRefusal } from "../../protocol/coop.ts"
import { parseInvite } from "../../protocol/coopInvite.ts"
import { decodeEntry, entryId, isSignedBy } from "../../protocol/entry.ts"
import {
  AnswerInvalid,
  type CooperativeFailure,
  InviteExpired,
  InviteMalformed,
  JoinRefused,
  joinRefusalReasons,
  type JoinStep,
  MemberUnreachable,
  OwnInvite
} from "../../services/Cooperative.ts"
import { CooperativeInUse, type CooperativeInfo, LedgerError, type SealedEntries } from "../../services/Ledger.ts"
import { accountOf, type CoopContext, failure, nowMillis, publish } from "./Context.ts"
import { ask } from "./conversation.ts"
import type { Rosters } from "./Rosters.ts"

type Sealed = SealedEntries["entries"][number]
type Joined = Extract<CoopAnswer, { readonly _tag: "Joined" }>

/** What a text says, if it is an invitation that this node can use. */
const readInvite = Effect.fnUntraced(function* (text: string, self: Did) {
  const invite = parseInvite(text)
  if (Result.isFailure(invite)) return yield* failure(new InviteMalformed({ problem: invite.failure }))
  if (Did.equals(invite.success.inviter, self)) return yield* failure(new OwnInvite())
  if (isLongExpired(invite.success, yield* nowMillis)) {
    return yield* failure(new InviteExpired({ expiredAtMillis: invite.success.expiresAtMillis }))
  }
  return invite.success
})

/**
 * Fails when another cooperative is in use here. The ledger would refuse it in the end, but by then the inviter has
 * made this member one.
 */
const refuseInUse = Effect.fnUntraced(function* ({ current, ledger }: CoopContext, coop: string) {
  const serving = yield* current
  if (Option.isNone(serving) || serving.value.id === coop) return
  const entries = yield* ledger.journalVersion
  // The first one is the genesis.
  if (entries > 1) {
    return yield* new LedgerError({ reason: new CooperativeInUse({ coop: serving.value.id, entries }) })
  }
})

/** Refusals that answer a question for joining; others make no sense. */
const refusals: ReadonlySet<CoopRefusal> = new Set(joinRefusalReasons)
const isJoinRefusal = (reason: CoopRefusal): reason is JoinRefused["reason"] => refusals.has(reason)

const askInviter = Effect.fnUntraced(function* (
  { book, sessions }: CoopContext,
  { addresses, coop, inviter, secret }: CoopInvite,
  tell: (step: JoinStep) => Effect.Effect<void>
) {
  yield* tell({ _tag: "Connecting", inviter })
  // Like what a neighbour tells: tried after what is known better, and dropped when nobody is there.
  yield* book.learn(inviter, addresses, "exchange")
  const asking = tell({ _tag: "Asking", inviter })
  const answer = yield* ask(sessions, inviter, { _tag: "Join", coop, secret }, asking).pipe(
    Effect.catchTag("SessionError", ({ problem }) =>
      Effect.fail(failure(new MemberUnreachable({ did: inviter.text, what: "inviter", detail: problem })))
    )
  )
  if (answer._tag === "Joined") return answer
  if (answer._tag === "Refused" && isJoinRefusal(answer.reason)) {
    return yield* failure(new JoinRefused({ reason: answer.reason }))
  }
  return yield* failure(new AnswerInvalid({ did: inviter.text, detail: "it answered another question" }))
})

const isGenuine = (author: AccountId, { body, signature }: Sealed): boolean => {
  const key = VerificationKey.fromBytes(Buffer.from(author, "hex"))
  return Result.isSuccess(key) && isSignedBy(key.success, entryId(body), signature)
}

/** The genesis of the cooperative that was asked for. */
const readGenesis = (coop: string, sealed: Sealed): Result.Result<GenesisEntry, string> => {
  const entry = decodeEntry(sealed.body)
  if (entryId(sealed.body) !== coop || Result.isFailure(entry) || entry.success.kind !== "genesis") {
    return Result.fail("the first entry is of another cooperative")
  }
  const isSigned = isGenuine(entry.success.author, sealed)
  return isSigned ? Result.succeed(entry.success) : Result.fail("the first entry is not signed by its author")
}

/** Whether one of the entries makes somebody a member, signed by a steward. */
const makesMember = ({ stewards }: GenesisEntry, account: AccountId, entries: ReadonlyArray<Sealed>): boolean =>
  stewards.includes(account) ||
  entries.some((sealed) => {
    const entry = decodeEntry(sealed.body)
    if (Result.isFailure(entry) || entry.success.kind !== "member" || entry.success.account !== account) return false
    return stewards.includes(entry.success.author) && isGenuine(entry.success.author, sealed)
  })

/** Everything in an answer that this node relies on, checked before any of it is kept. */
const checked = (rosters: Rosters, coop: string, account: AccountId, joined: Joined) =>
  Result.gen(function* () {
    const genesis = yield* readGenesis(coop, joined.genesis)
    if (!makesMember(genesis, account, joined.entries)) {
      return yield* Result.fail("no entry makes this node's member one")
    }
    const sealed = yield* rosters.check({ id: coop, stewards: genesis.stewards }, joined)
    if (isExcluded(sealed.roster, account)) return yield* Result.fail("its roster excludes this node's member")
    return sealed
  })

export const join = Effect.fnUntraced(function* (
  context: CoopContext,
  rosters: Rosters,
  text: string,
  tell: (step: JoinStep) => Effect.Effect<void>
): Effect.fn.Return<CooperativeInfo, CooperativeFailure> {
  const { current, identity, keeper, ledger } = context
  const invite = yield* readInvite(text, identity.did)
  yield* refuseInUse(context, invite.coop)
  const joined = yield* askInviter(context, invite, tell)
  const sealed = checked(rosters, invite.coop, accountOf(identity.did), joined)
  if (Result.isFailure(sealed)) {
    return yield* failure(new AnswerInvalid({ did: invite.inviter.text, detail: sealed.failure }))
  }
  yield* tell({ _tag: "Storing" })
  const before = yield* current
  const info = yield* ledger.serve(joined.genesis)
  yield* ledger.receive(joined.entries, "each")
  yield* keeper.change(info.id, (state) => {
    const known = isNewer(state, sealed.success.roster) ? adopted(state, sealed.success, joined.key) : state
    return Effect.succeed([known.left ? { ...known, left: false } : known, undefined])
  })
  if (Option.isSome(before) && before.value.id !== info.id) yield* keeper.forget(before.value.id)
  yield* current
  yield* publish(context, { _tag: "RosterChanged", coop: info.id, epoch: sealed.success.roster.epoch })
  return info
})
