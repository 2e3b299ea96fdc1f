/**
 * What a running node answers about its cooperative: the definition only, part of `NodeRpcs` (Api.ts). Members are
 * DIDs, amounts minor units, times ISO 8601.
 */
import { Schema } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"
import { DidFromString } from "../../domain/did.ts"
import { CooperativeFailure } from "../../services/Cooperative.ts"

/** What the operator types is judged by the node; this only keeps it short. */
const Text = Schema.String.check(Schema.isMaxLength(8192))

export const CoopCurrency = Schema.Struct({ symbol: Text, decimals: Schema.Int, startingLimit: Schema.Int })
export type CoopCurrency = typeof CoopCurrency.Type

export const CoopInfo = Schema.Struct({
  coop: Schema.String,
  name: Schema.String,
  currencies: Schema.Array(CoopCurrency),
  stewards: Schema.Array(Schema.String),
  /** Founded by itself. */
  implicit: Schema.Boolean
})
export type CoopInfo = typeof CoopInfo.Type

export const CoopInvite = Schema.Struct({ invite: Schema.String, expiresAt: Schema.String, uses: Schema.Int })
export type CoopInvite = typeof CoopInvite.Type

export const CoopMember = Schema.Struct({
  did: Schema.String,
  steward: Schema.Boolean,
  excluded: Schema.Boolean,
  since: Schema.String
})
export type CoopMember = typeof CoopMember.Type

const CoopJoinEvent = Schema.TaggedUnion({
  Connecting: { inviter: Schema.String },
  Asking: { inviter: Schema.String },
  Storing: {},
  /** The last one. */
  Joined: { info: CoopInfo }
})
export type CoopJoinEvent = typeof CoopJoinEvent.Type

const error = CooperativeFailure

export class CoopRpcs extends RpcGroup.make(
  Rpc.make("CoopInfo", { success: Schema.NullOr(CoopInfo), error }),
  Rpc.make("CoopCreate", {
    payload: {
      name: Text,
      /** The default currency when null. */
      currencies: Schema.NullOr(Schema.Array(CoopCurrency).check(Schema.isMaxLength(64))),
      /** Of the default currency. */
      startingLimit: Schema.NullOr(Schema.Int)
    },
    success: CoopInfo,
    error
  }),
  Rpc.make("CoopInvite", {
    payload: { ttlMillis: Schema.NullOr(Schema.Finite), uses: Schema.NullOr(Schema.Int) },
    success: CoopInvite,
    error
  }),
  /** Tells where it is until it has joined; ending the stream gives it up. */
  Rpc.make("CoopJoin", { payload: { invite: Text }, success: CoopJoinEvent, error, stream: true }),
  Rpc.make("CoopMembers", { success: CoopMember, error, stream: true }),
  Rpc.make("CoopExclude", { payload: { did: DidFromString }, error }),
  Rpc.make("CoopLeave", { error })
) {}
