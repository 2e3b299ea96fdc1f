/**
 * Rosters and keys: signing a new one, taking one that was heard of, and telling others. Whoever takes a new roster
 * passes it on to who is in session and belongs to the cooperative by that roster, so it reaches everybody who is
 * connected; the others ask when they come back.
 */
import { Effect, Latch, Result } from "effect"
import { groupKeyBytes, groupKeyId } from "../../domain/coopGroupKey.ts"
import {
  compareRosters,
  hasNews,
  mergeStandings,
  type SealedRoster,
  type Standing,
  standingsMax
} from "../../domain/coopRoster.ts"
import { adopted, type CoopState, isNewer, rankOf } from "../../domain/coopState.ts"
import type { Did } from "../../domain/did.ts"
import type { CoopRequest } from "../../protocol/coop.ts"
import { encodeRoster, openRoster, rosterTag } from "../../protocol/coopRoster.ts"
import { type CooperativeError, CooperativeLimitReached } from "../../services/Cooperative.ts"
import type { CooperativeInfo } from "../../services/Ledger.ts"
import { accountOf, admittedPeers, type CoopContext, failure, isAdmittedTo, isSteward, publish } from "./Context.ts"
import { ask } from "./conversation.ts"

/** A roster with its key, as one node gives it to another. */
export type KeyedRoster = Pick<Extract<CoopRequest, { readonly _tag: "Push" }>, "roster" | "key">

/** Members who are told at the same time. */
const toldAtOnce = 8
/** Members of whom it is remembered that they have been told; others are told again, which changes nothing. */
const toldMax = 16_384

/** The next standings, from those in force and the epoch that begins. */
type Change = (standings: ReadonlyArray<Standing>, epoch: number) => ReadonlyArray<Standing>

export class Rosters {
  readonly #context: CoopContext
  /** Open while somebody may still have to be told of the roster in force. */
  readonly #untold = Latch.makeUnsafe(false)
  /** Who has the roster in force, by the text of their DIDs. */
  #told = new Set<string>()
  /** By which roster this member was last told that it is shut out. */
  #shutOutAt: string | undefined

  constructor(context: CoopContext) {
    this.#context = context
  }

  /** What another node is given of the roster in force. */
  keyed({ keys, roster }: CoopState): KeyedRoster | undefined {
    const [first] = keys
    if (roster === undefined || first === undefined) return undefined
    return { roster: { body: roster.body, signature: roster.signature }, key: first.key }
  }

  /** Signs a roster with a new key, where `change` wants one; this node's member has to be a steward. */
  issue(info: CooperativeInfo, change: Change, when: (state: CoopState) => boolean = () => true) {
    const { identity, keeper, randomBytes } = this.#context
    return keeper
      .change(info.id, (state) =>
        Effect.gen({ self: this }, function* () {
          if (!when(state)) return [state, false] as const
          const epoch = rankOf(state).epoch + 1
          const key = randomBytes(groupKeyBytes)
          const standings = change(state.roster?.roster.standings ?? [], epoch)
          if (standings.length > standingsMax) {
            return yield* failure(new CooperativeLimitReached({ what: "excluded", max: standingsMax }))
          }
          const steward = accountOf(identity.did)
          const roster = { coop: info.id, epoch, keyId: groupKeyId(key), steward, standings }
          const body = encodeRoster(roster)
          const signature = yield* identity.sign(rosterTag, body)
          return [adopted(state, { roster, body, signature }, key), true] as const
        })
      )
      .pipe(Effect.tap((isNew) => (isNew ? this.#changed(info) : Effect.void)))
  }

  /** The first roster, where there is none. */
  ensure(info: CooperativeInfo): Effect.Effect<boolean, CooperativeError> {
    return this.issue(
      info,
      (standings) => standings,
      ({ roster }) => roster === undefined
    )
  }

  /** Checks a roster and its key; the failure says what is wrong with them. */
  check(info: Pick<CooperativeInfo, "id" | "stewards">, { key, roster: { body, signature } }: KeyedRoster) {
    return Result.flatMap(
      openRoster(body, signature, { coop: info.id, stewards: info.stewards }),
      (sealed): Result.Result<SealedRoster, string> =>
        groupKeyId(key) === sealed.roster.keyId ? Result.succeed(sealed) : Result.fail("the key is another one")
    )
  }

  /** Somebody shows that he has the roster in force, so he need not be told. */
  hasIt(did: Did): void {
    if (this.#told.size < toldMax) this.#told.add(did.text)
  }

  /** Takes a roster that passed `check`, if it is newer than the one in force. */
  adopt(info: CooperativeInfo, sealed: SealedRoster, key: Uint8Array, from: Did | undefined) {
    const { identity, keeper } = this.#context
    const account = accountOf(identity.did)
    return Effect.gen({ self: this }, function* () {
      const before = keeper.state(info.id).roster?.roster.standings ?? []
      const isNew = yield* keeper.change(info.id, (state) =>
        Effect.succeed(isNewer(state, sealed.roster) ? [adopted(state, sealed, key), true] : [state, false])
      )
      if (isNew) yield* this.#changed(info, from)
      else if (from !== undefined && compareRosters(rankOf(keeper.state(info.id)), sealed.roster) === 0) {
        this.hasIt(from)
      }
      if (!isSteward(info, account)) return
      // Another steward did not know what this one had signed, or the other way round.
      const both = mergeStandings(before, sealed.roster.standings)
      yield* this.issue(
        info,
        (standings) => mergeStandings(standings, both),
        ({ roster }) => hasNews(roster?.roster.standings ?? [], both)
      )
    })
  }

  /** Asks a member for a newer roster than the one in force, and takes it. */
  pull(info: CooperativeInfo, did: Did) {
    const { keeper, sessions } = this.#context
    return Effect.gen({ self: this }, function* () {
      if (!(yield* isAdmittedTo(this.#context, info, accountOf(did)))) return
      const { epoch, keyId } = rankOf(keeper.state(info.id))
      const answer = yield* ask(sessions, did, { _tag: "Pull", coop: info.id, epoch, keyId })
      if (answer._tag === "Refused" && answer.reason === "excluded") yield* this.#shutOut(info, did)
      if (answer._tag !== "Roster") return
      const sealed = this.check(info, answer)
      if (Result.isSuccess(sealed)) yield* this.adopt(info, sealed.success, answer.key, did)
    })
  }

  /**
   * Nobody sends a roster to whoever it shuts out, so this is how he learns why nothing comes any more. Told once for
   * each roster that he knows: it may not be true, and changes nothing here.
   */
  #shutOut({ id, name }: CooperativeInfo, did: Did): Effect.Effect<void> {
    const { keeper } = this.#context
    const { left, roster } = keeper.state(id)
    const known = `${id} ${roster?.roster.epoch ?? 0}`
    if (left || this.#shutOutAt === known) return Effect.void
    this.#shutOutAt = known
    return Effect.logWarning(
      `this member is shut out of the cooperative ${JSON.stringify(name)}, says ${did.text}: ` +
        "what it writes reaches nobody, until a steward invites it again"
    )
  }

  /** Somebody may have come who has to be told. */
  readonly retell = Effect.sync(() => this.#untold.openUnsafe())

  /** Completes when somebody may have to be told. */
  get untold(): Effect.Effect<void> {
    return this.#untold.await
  }

  /** Tells everybody in session who does not have the roster in force yet; whoever can't be told asks later. */
  tell(info: CooperativeInfo) {
    const { keeper, sessions } = this.#context
    return Effect.gen({ self: this }, function* () {
      this.#untold.closeUnsafe()
      const keyed = this.keyed(keeper.state(info.id))
      const told = this.#told
      if (keyed === undefined) return
      // After the roster was read: by one that is newer, somebody may be excluded.
      const peers = yield* admittedPeers(this.#context, info)
      yield* Effect.forEach(
        peers,
        Effect.fnUntraced(function* (did) {
          // He may have shown meanwhile that he has it.
          if (told.has(did.text)) return
          yield* ask(sessions, did, { _tag: "Push", coop: info.id, ...keyed }).pipe(
            Effect.tap(({ _tag }) => Effect.sync(() => void (_tag === "Taken" && told.add(did.text)))),
            // He has gone, or is of another version; nothing is lost, since he asks.
            Effect.ignore
          )
        }),
        { concurrency: toldAtOnce, discard: true }
      )
    })
  }

  /** A new roster is in force; `from` has it already. */
  #changed({ id }: CooperativeInfo, from?: Did): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#told = new Set(from === undefined ? [] : [from.text])
      this.#untold.openUnsafe()
      const { epoch } = rankOf(this.#context.keeper.state(id))
      return publish(this.#context, { _tag: "RosterChanged", coop: id, epoch })
    })
  }
}
