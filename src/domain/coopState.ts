/**
 * What a node knows of a cooperative besides its ledger: the roster in force, the keys that it has been given, and the
 * invitations that it made. Plain data; each change is a new value, which the layer writes down before it counts.
 */
import { type GroupKey, groupKeysMax } from "./coopGroupKey.ts"
import type { Invitation } from "./coopInvitations.ts"
import { compareRosters, type RosterRank, type SealedRoster } from "./coopRoster.ts"
import type { EntryId } from "./ledgerEntry.ts"

/** Cooperatives that one data directory remembers; the one that was not served for longest gives way. */
export const coopsMax = 16

export interface CoopState {
  readonly coop: EntryId
  readonly roster: SealedRoster | undefined
  /** The latest epoch first; the first one is that of the roster. */
  readonly keys: ReadonlyArray<GroupKey>
  readonly invitations: ReadonlyArray<Invitation>
  /** This member has told a steward that it leaves. */
  readonly left: boolean
}

export const emptyState = (coop: EntryId): CoopState => ({
  coop,
  roster: undefined,
  keys: [],
  invitations: [],
  left: false
})

/** What it is compared by; epoch 0 stands for no roster at all. */
export const rankOf = ({ roster }: CoopState): RosterRank => roster?.roster ?? { epoch: 0, keyId: "" }

/** Whether a roster takes the place of the one that is known. */
export const isNewer = (state: CoopState, roster: RosterRank): boolean => compareRosters(roster, rankOf(state)) < 0

/** With a roster and its key in force, which were checked before. Older keys stay for a while. */
export const adopted = (state: CoopState, roster: SealedRoster, key: Uint8Array): CoopState => {
  const { epoch, keyId } = roster.roster
  const others = state.keys.filter(({ id }) => id !== keyId)
  return { ...state, roster, keys: [{ id: keyId, epoch, key }, ...others].slice(0, groupKeysMax) }
}

/** The states with a changed one in front. */
export const withState = (states: ReadonlyArray<CoopState>, changed: CoopState): ReadonlyArray<CoopState> =>
  [changed, ...states.filter(({ coop }) => coop !== changed.coop)].slice(0, coopsMax)
