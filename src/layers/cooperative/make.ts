/**
 * `Cooperative` over any place that keeps its state. Used by CooperativeFile.ts and CooperativeMemory.ts.
 */
import { Effect, Latch, Option, PubSub, type Scope, Stream } from "effect"
import { randomBytes } from "node:crypto"
import { defaultCurrency, foundingProblem, invitationProblem } from "../../domain/coopFounding.ts"
import { inviteAddresses, inviteSecretBytes, inviteTtlMillisDefault } from "../../domain/coopInvite.ts"
import { invitationsMax, secretHash, withInvitation } from "../../domain/coopInvitations.ts"
import { rankOf } from "../../domain/coopState.ts"
import { coopRosterEpoch } from "../../domain/metrics.ts"
import { formatInvite } from "../../protocol/coopInvite.ts"
import { decodeEntry } from "../../protocol/entry.ts"
import {
  Cooperative,
  type CooperativeChange,
  CooperativeLimitReached,
  type CooperativeError,
  type CooperativeFailure,
  type CreateRequest,
  type InviteRequest,
  RequestInvalid,
  StewardNeeded
} from "../../services/Cooperative.ts"
import { Identity } from "../../services/Identity.ts"
import { type CooperativeInfo, Ledger, LedgerError, NoCooperative } from "../../services/Ledger.ts"
import { Metrics } from "../../services/Metrics.ts"
import { PeerBook } from "../../services/PeerBook.ts"
import { type SessionError, SessionManager } from "../../services/SessionManager.ts"
import { accountOf, type CoopContext, failure, isAdmittedTo, isSteward, nowMillis } from "./Context.ts"
import { exclude, leave } from "./exclusion.ts"
import { join } from "./join.ts"
import { type CoopStore, Keeper } from "./Keeper.ts"
import { memberList } from "./memberList.ts"
import { Members } from "./Members.ts"
import { Rosters } from "./Rosters.ts"
import { serve } from "./serve.ts"
import { startUpkeep } from "./upkeep.ts"

export interface CooperativeOptions {
  /** Where keys and secrets come from; `node:crypto` unless given. */
  readonly randomBytes?: (length: number) => Uint8Array
}

/** What the layers need. */
export type CooperativeParts = Ledger | Identity | SessionManager | PeerBook

/** Changes that a slow subscriber may be behind. */
const changesMax = 64

const makeContext = Effect.fnUntraced(function* (store: CoopStore, options: CooperativeOptions, wanted: Latch.Latch) {
  const ledger = yield* Ledger
  const metrics = yield* Metrics
  const changes = yield* Effect.acquireRelease(PubSub.sliding<CooperativeChange>(changesMax), PubSub.shutdown)
  const keeper = new Keeper(store, yield* store.load)
  let served: string | undefined
  const notice = Effect.fnUntraced(function* (info: Option.Option<CooperativeInfo>) {
    if (Option.isNone(info) || info.value.id === served) return
    served = info.value.id
    wanted.openUnsafe()
    yield* PubSub.publish(changes, { _tag: "Serving", coop: served })
  })
  yield* metrics.sample(coopRosterEpoch, {}, () => (served === undefined ? 0 : rankOf(keeper.state(served)).epoch))
  const context: CoopContext = {
    ledger,
    identity: yield* Identity,
    sessions: yield* SessionManager,
    book: yield* PeerBook,
    metrics,
    keeper,
    members: new Members(ledger),
    changes,
    current: Effect.tap(ledger.cooperative, notice),
    randomBytes: options.randomBytes ?? randomBytes
  }
  return context
})

const needCurrent = Effect.fnUntraced(function* ({ current }: CoopContext) {
  const info = yield* current
  return Option.isSome(info) ? info.value : yield* new LedgerError({ reason: new NoCooperative() })
})

const create = Effect.fnUntraced(function* (
  context: CoopContext,
  rosters: Rosters,
  { currencies, name, startingLimit }: CreateRequest
): Effect.fn.Return<CooperativeInfo, CooperativeFailure> {
  const all = currencies ?? [defaultCurrency(startingLimit)]
  const problem = foundingProblem(name, all)
  if (problem !== undefined) return yield* failure(new RequestInvalid({ detail: problem }))
  const before = yield* context.current
  const info = yield* context.ledger.found({ name, currencies: all })
  if (Option.isSome(before) && before.value.id !== info.id) yield* context.keeper.forget(before.value.id)
  yield* rosters.ensure(info)
  yield* context.current
  return info
})

const invite = Effect.fnUntraced(function* (
  { current, identity, keeper, ledger, randomBytes, sessions }: CoopContext,
  rosters: Rosters,
  { ttlMillis = inviteTtlMillisDefault, uses = 1 }: InviteRequest
) {
  const problem = invitationProblem(ttlMillis, uses)
  if (problem !== undefined) return yield* failure(new RequestInvalid({ detail: problem }))
  const info = yield* ledger.ensureCooperative
  yield* current
  if (!isSteward(info, accountOf(identity.did))) return yield* failure(new StewardNeeded({ what: "invite" }))
  yield* rosters.ensure(info)
  const addresses = inviteAddresses(yield* sessions.connectionCandidate, yield* sessions.listening)
  const secret = randomBytes(inviteSecretBytes)
  const now = yield* nowMillis
  const expiresAtMillis = now + ttlMillis
  yield* keeper.change(
    info.id,
    Effect.fnUntraced(function* (state) {
      const { epoch } = rankOf(state)
      const added = { secretHash: secretHash(secret), expiresAtMillis, uses, epoch, joined: [] }
      const invitations = withInvitation(state.invitations, added, now)
      if (invitations !== undefined) return [{ ...state, invitations }, undefined] as const
      return yield* failure(new CooperativeLimitReached({ what: "invites", max: invitationsMax }))
    })
  )
  const text = formatInvite({ coop: info.id, inviter: identity.did, secret, expiresAtMillis, addresses })
  return { text, expiresAtMillis, uses }
})

const membersOf = Effect.fnUntraced(function* ({ current, keeper, members }: CoopContext) {
  const info = yield* current
  if (Option.isNone(info)) return []
  const { roster } = keeper.state(info.value.id)
  const all = yield* members.all(info.value.id)
  return yield* memberList(all, roster?.roster, (member) => members.sinceMillis(member))
})

/** Whether this node's member wrote the genesis; it makes the first key. */
const isFounder = ({ identity }: CoopContext, { genesis }: CooperativeInfo): boolean => {
  const entry = decodeEntry(genesis.body)
  return entry._tag === "Success" && entry.success.author === accountOf(identity.did)
}

const groupKeys = (context: CoopContext, rosters: Rosters, wanted: Latch.Latch) => {
  const { current, keeper } = context
  const readCurrent = Effect.gen(function* () {
    const info = yield* current
    if (Option.isNone(info)) return Option.none()
    const { id } = info.value
    if (keeper.state(id).left) return Option.none()
    if (isFounder(context, info.value)) yield* rosters.ensure(info.value)
    return Option.fromUndefinedOr(keeper.state(id).keys[0])
  })
  return {
    current: readCurrent,
    byId: (id: string) =>
      Effect.map(current, (info) => {
        const { keys = [] } = Option.isSome(info) ? keeper.state(info.value.id) : {}
        const key = keys.find((one) => one.id === id)
        // Somebody has a newer one.
        if (key === undefined) wanted.openUnsafe()
        return Option.fromUndefinedOr(key)
      })
  }
}

export const make = Effect.fnUntraced(function* (
  store: CoopStore,
  options: CooperativeOptions = {}
): Effect.fn.Return<Cooperative["Service"], CooperativeError | SessionError, CooperativeParts | Scope.Scope> {
  const wanted = Latch.makeUnsafe(false)
  const context = yield* makeContext(store, options, wanted)
  const rosters = new Rosters(context)
  yield* serve(context, rosters)
  yield* startUpkeep(context, rosters, wanted)
  const withInfo = <A, E>(use: (info: CooperativeInfo) => Effect.Effect<A, E>) =>
    Effect.flatMap(needCurrent(context), use)
  return Cooperative.of({
    info: context.current,
    create: (request) => create(context, rosters, request),
    members: membersOf(context),
    invite: (request = {}) => invite(context, rosters, request),
    join: (text, tell = () => Effect.void) => join(context, rosters, text, tell),
    exclude: (did) => withInfo((info) => exclude(context, rosters, info, did)),
    leave: withInfo((info) => leave(context, info)),
    groupKeys: groupKeys(context, rosters, wanted),
    isAdmitted: (did) =>
      Effect.flatMap(context.current, (info) =>
        Option.isSome(info) ? isAdmittedTo(context, info.value, accountOf(did)) : Effect.succeed(false)
      ),
    changes: Stream.fromPubSub(context.changes)
  })
})
