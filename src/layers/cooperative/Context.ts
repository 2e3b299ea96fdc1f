/**
 * What the parts of `Cooperative` share: the services beneath, the state, and the questions that all of them have.
 */
import { Clock, Effect, Option, PubSub } from "effect"
import { Did } from "../../domain/did.ts"
import type { AccountId } from "../../domain/ledgerEntry.ts"
import { isExcluded } from "../../domain/coopRoster.ts"
import {
  CooperativeError,
  type CooperativeChange,
  type CooperativeErrorReason,
  type CooperativeFailure
} from "../../services/Cooperative.ts"
import type { Identity } from "../../services/Identity.ts"
import type { CooperativeInfo, Ledger, LedgerError } from "../../services/Ledger.ts"
import type { MetricsShape } from "../../services/Metrics.ts"
import type { PeerBook } from "../../services/PeerBook.ts"
import type { SessionManager } from "../../services/SessionManager.ts"
import type { Keeper } from "./Keeper.ts"
import type { Members } from "./Members.ts"

export interface CoopContext {
  readonly ledger: Ledger["Service"]
  readonly identity: Identity["Service"]
  readonly sessions: SessionManager["Service"]
  readonly book: PeerBook["Service"]
  readonly metrics: MetricsShape
  readonly keeper: Keeper
  readonly members: Members
  readonly changes: PubSub.PubSub<CooperativeChange>
  /** The cooperative that is served now; tells of it when it is another one than before. */
  readonly current: Effect.Effect<Option.Option<CooperativeInfo>, LedgerError>
  /** Keys and secrets; a source of its own in tests. */
  readonly randomBytes: (length: number) => Uint8Array
}

export const failure = (reason: CooperativeErrorReason): CooperativeError => new CooperativeError({ reason })

export const accountOf = (did: Did): AccountId => Buffer.from(did.publicKey).toString("hex")

/** The member of an account; accounts in the ledger are keys. */
export const didOf = (account: AccountId): Option.Option<Did> =>
  Option.getSuccess(Did.fromPublicKey(Buffer.from(account, "hex")))

export const isSteward = (info: CooperativeInfo, account: AccountId): boolean => info.stewards.includes(account)

/** Somebody who belongs to a cooperative now. */
export const isAdmittedTo = Effect.fnUntraced(function* (
  { keeper, members }: CoopContext,
  { id }: CooperativeInfo,
  account: AccountId
): Effect.fn.Return<boolean, CooperativeFailure> {
  const { left, roster } = keeper.state(id)
  if (left || isExcluded(roster?.roster, account)) return false
  return (yield* members.find(id, account)) !== undefined
})

/** Everybody there is a session with now who belongs to the cooperative. */
export const admittedPeers = Effect.fnUntraced(function* (context: CoopContext, info: CooperativeInfo) {
  const dids = (yield* context.sessions.sessions).map(({ did }) => did)
  return yield* Effect.filter(dids, (did) => isAdmittedTo(context, info, accountOf(did)))
})

export const publish = ({ changes }: CoopContext, change: CooperativeChange): Effect.Effect<void> =>
  Effect.asVoid(PubSub.publish(changes, change))

/** Whole milliseconds, as everything here counts. */
export const nowMillis = Effect.map(Clock.currentTimeMillis, Math.floor)
