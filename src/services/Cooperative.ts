/**
 * The cooperative around the ledger: who belongs to it, how somebody joins by invitation, how somebody leaves, and the
 * key that the members share. Implemented by layers/CooperativeFile.ts (keys and invitations in a file of the data
 * directory) and layers/CooperativeMemory.ts; the rules are in domain/coop*.ts, the bytes in protocol/coop*.ts, and
 * docs/cooperative.md tells how nodes talk about it (`/icn/coop/1`, served for as long as the layer lives).
 *
 * The ledger says who is a member, for ever; the roster, signed by a steward, says which of them no longer are.
 */
import { Context, DateTime, type Effect, type Option, Schema, type Stream } from "effect"
import type { GroupKey } from "../domain/coopGroupKey.ts"
import type { Did } from "../domain/did.ts"
import type { AccountId, Currency, EntryId } from "../domain/ledgerEntry.ts"
import { type CooperativeInfo, LedgerError } from "./Ledger.ts"
import { SessionError } from "./SessionManager.ts"

/** The text is no invitation: what is wrong with it, as far as it shows. */
export class InviteMalformed extends Schema.TaggedError<InviteMalformed>()("InviteMalformed", {
  problem: Schema.Literals(["notAnInvite", "unknownVersion", "cut", "tooLong", "mistyped", "malformed"])
}) {}
/** The invitation was good until a time that has passed. */
export class InviteExpired extends Schema.TaggedError<InviteExpired>()("InviteExpired", {
  /** Milliseconds since the epoch. */
  expiredAtMillis: Schema.Int
}) {}
export const joinRefusalReasons = [
  "wrongSecret",
  "expired",
  "usedUp",
  "notSteward",
  "otherCooperative",
  "excluded",
  "busy",
  "cannotWrite"
] as const

/** Whoever invited does not let this node in. */
export class JoinRefused extends Schema.TaggedError<JoinRefused>()("JoinRefused", {
  reason: Schema.Literals(joinRefusalReasons)
}) {}
/** The member that was asked cannot be reached, or does not answer in time. */
export class MemberUnreachable extends Schema.TaggedError<MemberUnreachable>()("MemberUnreachable", {
  did: Schema.String,
  what: Schema.Literals(["inviter", "steward"]),
  detail: Schema.String
}) {}
/** What a member answered is not the protocol, or not true. */
export class AnswerInvalid extends Schema.TaggedError<AnswerInvalid>()("AnswerInvalid", {
  did: Schema.String,
  detail: Schema.String
}) {}
/** Only stewards may do this, and this node's member is none. */
export class StewardNeeded extends Schema.TaggedError<StewardNeeded>()("StewardNeeded", {
  what: Schema.Literals(["invite", "exclude"])
}) {}
/** A steward can neither be excluded nor leave: there is no way yet to change stewards. */
export class StewardStays extends Schema.TaggedError<StewardStays>()("StewardStays", { did: Schema.String }) {}
export class NotAMember extends Schema.TaggedError<NotAMember>()("NotAMember", { did: Schema.String }) {}
/** As many invitations are open, or members excluded, as the node keeps. */
export class CooperativeLimitReached extends Schema.TaggedError<CooperativeLimitReached>()("CooperativeLimitReached", {
  what: Schema.Literals(["invites", "excluded"]),
  max: Schema.Int
}) {}
/** The invitation is this node's own. */
export class OwnInvite extends Schema.TaggedError<OwnInvite>()("OwnInvite", {}) {}
/** A name, a currency or a limit that no cooperative can have, or an invitation for too long or too many. */
export class RequestInvalid extends Schema.TaggedError<RequestInvalid>()("RequestInvalid", {
  detail: Schema.String
}) {}
/** The file with keys and invitations can't be used; it is never changed by a failed attempt. */
export class CooperativeFileFailed extends Schema.TaggedError<CooperativeFileFailed>()("CooperativeFileFailed", {
  path: Schema.String,
  reason: Schema.Literals(["unreadable", "exposed", "damaged", "unwritable"]),
  detail: Schema.String
}) {}

export const CooperativeErrorReason = Schema.Union([
  InviteMalformed,
  InviteExpired,
  JoinRefused,
  MemberUnreachable,
  AnswerInvalid,
  StewardNeeded,
  StewardStays,
  NotAMember,
  CooperativeLimitReached,
  OwnInvite,
  RequestInvalid,
  CooperativeFileFailed
])
export type CooperativeErrorReason = typeof CooperativeErrorReason.Type

/** Every failure of a `Cooperative` call that is not the ledger's. */
export class CooperativeError extends Schema.TaggedError<CooperativeError>()("CooperativeError", {
  reason: CooperativeErrorReason
}) {
  override get message(): string {
    return describe(this.reason)
  }
}

const askAgain = 'ask for a new one ("icn-node coop invite" on the inviting node)'

const inviteProblems: Record<InviteMalformed["problem"], string> = {
  notAnInvite: 'that is no invitation; one begins with "icn-coop:"',
  unknownVersion: "the invitation was made by another version of icn-node, which this one can't read; update icn-node",
  cut: "the end of the invitation is missing; copy all of it",
  tooLong: "something follows the invitation; copy nothing else",
  mistyped: "the invitation was changed on the way (its checksum is wrong); copy it again instead of typing it",
  malformed: `the invitation is damaged; ${askAgain}`
}

const joinRefusals: Record<JoinRefused["reason"], string> = {
  wrongSecret: `the inviting node does not know this invitation: it was made elsewhere, or long ago; ${askAgain}`,
  expired: `the invitation has expired; ${askAgain}`,
  usedUp: `the invitation has been used by as many members as it was for; ${askAgain}`,
  notSteward: "the inviting member is no steward of the cooperative, so it can't make members",
  otherCooperative: `the inviting node serves another cooperative by now; ${askAgain}`,
  excluded: "this member was excluded from the cooperative",
  busy: "the inviting node was asked too often just now; try again in a minute",
  cannotWrite: "the inviting node cannot write to its ledger now; try again later"
}

const fileRemedies: Record<CooperativeFileFailed["reason"], string> = {
  unreadable: "make it readable for this user",
  exposed: 'others may read it; run "chmod 600" on it',
  damaged: "restore it from a backup, or move it away: then a steward has to invite this node again",
  unwritable: "make room on the disk and the directory writable"
}

const timeText = (millis: number): string => DateTime.formatIso(DateTime.makeUnsafe(millis))

const describe = (reason: CooperativeErrorReason): string => {
  switch (reason._tag) {
    case "InviteMalformed":
      return inviteProblems[reason.problem]
    case "InviteExpired":
      return `the invitation was good until ${timeText(reason.expiredAtMillis)}; ${askAgain}`
    case "JoinRefused":
      return joinRefusals[reason.reason]
    case "MemberUnreachable":
      return `the ${reason.what} ${reason.did} is not reached (${reason.detail}); try again when its node runs`
    case "AnswerInvalid":
      return `${reason.did} answered with what can't be right: ${reason.detail}`
    case "StewardNeeded":
      return `only a steward can ${reason.what}; "icn-node coop members" shows who is one`
    case "StewardStays":
      return `${reason.did} is a steward, and there is no way yet to change stewards`
    case "NotAMember":
      return `${reason.did} is not a member of the cooperative`
    case "CooperativeLimitReached":
      return reason.what === "invites"
        ? `${reason.max} invitations are open, and that is the limit; they close by themselves when they expire`
        : `${reason.max} members are excluded, and that is the limit`
    case "OwnInvite":
      return "the invitation was made by this node; it is for others"
    case "RequestInvalid":
      return reason.detail
    case "CooperativeFileFailed":
      return `${reason.path}: ${reason.detail}; ${fileRemedies[reason.reason]}`
  }
}

/** What a call may fail with. */
export type CooperativeFailure = CooperativeError | LedgerError | SessionError

/** The same for `Rpc` and others that need a schema. */
export const CooperativeFailure = Schema.Union([CooperativeError, LedgerError, SessionError])

export interface CooperativeMember {
  readonly did: Did
  readonly account: AccountId
  readonly steward: boolean
  /** A member by the ledger, who has left or was excluded. */
  readonly excluded: boolean
  /** Milliseconds since the epoch by the clock of the steward who signed. */
  readonly sinceMillis: number
}

export interface CreateRequest {
  readonly name: string
  /** One or more; "hours" with two decimals and `startingLimit` unless given. */
  readonly currencies?: ReadonlyArray<Currency>
  /** Of the default currency, in minor units; 100.00 unless given. */
  readonly startingLimit?: number
}

export interface InviteRequest {
  /** How long it can be used; 7 days unless given. */
  readonly ttlMillis?: number
  /** How many may join with it; 1 unless given. */
  readonly uses?: number
}

export interface Invite {
  /** `icn-coop:…`; whoever has it can join. */
  readonly text: string
  readonly expiresAtMillis: number
  readonly uses: number
}

/** Where a join is. */
export type JoinStep =
  | { readonly _tag: "Connecting"; readonly inviter: Did }
  | { readonly _tag: "Asking"; readonly inviter: Did }
  | { readonly _tag: "Storing" }

export type CooperativeChange =
  /** Another cooperative is served from now on: founded, joined, or the first one. */
  | { readonly _tag: "Serving"; readonly coop: EntryId }
  /** There is a new group key, and perhaps other members are excluded. */
  | { readonly _tag: "RosterChanged"; readonly coop: EntryId; readonly epoch: number }

export class Cooperative extends Context.Service<
  Cooperative,
  {
    /** The cooperative that is served, if there is one yet. */
    readonly info: Effect.Effect<Option.Option<CooperativeInfo>, CooperativeFailure>
    /** Founds a cooperative with this member as its steward, in place of one that is not in use. */
    readonly create: (request: CreateRequest) => Effect.Effect<CooperativeInfo, CooperativeFailure>
    /** Stewards first, then by time; nobody without a cooperative. */
    readonly members: Effect.Effect<ReadonlyArray<CooperativeMember>, CooperativeFailure>
    /** A text that lets others join. The first use founds a cooperative of this member alone. */
    readonly invite: (request?: InviteRequest) => Effect.Effect<Invite, CooperativeFailure>
    /**
     * Joins the cooperative of an invitation, in place of one that is not in use. Doing it again after it was cut, or
     * succeeded, is safe.
     */
    readonly join: (
      invite: string,
      tell?: (step: JoinStep) => Effect.Effect<void>
    ) => Effect.Effect<CooperativeInfo, CooperativeFailure>
    /** Shuts a member out, and gives the others a new key; by a steward. What he has in the ledger stays his. */
    readonly exclude: (did: Did) => Effect.Effect<void, CooperativeFailure>
    /** Tells a steward that this member leaves. It has when this succeeds. */
    readonly leave: Effect.Effect<void, CooperativeFailure>

    /** The keys of the cooperative that is served. */
    readonly groupKeys: {
      /** What to seal with; none before there is a cooperative, and for who has left it. */
      readonly current: Effect.Effect<Option.Option<GroupKey>, CooperativeFailure>
      /** A key by its id, also of the last epochs. */
      readonly byId: (id: string) => Effect.Effect<Option.Option<GroupKey>, CooperativeFailure>
    }
    /** Whether somebody is a member and not excluded: the only ones who are told anything of the books. */
    readonly isAdmitted: (did: Did) => Effect.Effect<boolean, CooperativeFailure>
    /** From subscription on; who is slow loses the oldest. */
    readonly changes: Stream.Stream<CooperativeChange>
  }
>()("icn-node/services/Cooperative") {}
