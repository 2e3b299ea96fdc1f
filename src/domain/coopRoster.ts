/**
 * The roster: a steward's signed word on which key the members of a cooperative share and which of them are shut out.
 * The ledger has no entry that ends a membership, so this is kept beside it. Of several rosters one is in force on
 * every node: that of the highest epoch, and of the same epoch that with the smallest key id. Bytes and signature are
 * in protocol/coopRoster.ts.
 *
 * Stewards can sign at the same time without knowing of each other. Then one roster loses, and what it said would be
 * lost with it; so standings only ever grow and can be merged, and a steward who sees his own word missing signs again.
 */
import type { AccountId, EntryId } from "./ledgerEntry.ts"

/** Members that can be shut out at a time; about 45 bytes each in a roster that every member keeps. */
export const standingsMax = 1024
/** Epochs are far apart: this is one per second for a century. */
export const epochMax = 0xffff_ffff

/** How often a member was shut out and let in again: with an odd number he is out. */
export interface Standing {
  readonly account: AccountId
  readonly turns: number
  /** The epoch that began with the last turn; invitations of that time or later let him in again. */
  readonly epoch: number
}

export interface CoopRoster {
  readonly coop: EntryId
  /** From 1. */
  readonly epoch: number
  /** Of the key in force (coopGroupKey.ts). */
  readonly keyId: string
  /** Who signs. */
  readonly steward: AccountId
  /** Ascending by account; members who were never shut out are not in it. */
  readonly standings: ReadonlyArray<Standing>
}

/** A roster as it travels. */
export interface SealedRoster {
  readonly roster: CoopRoster
  readonly body: Uint8Array
  readonly signature: Uint8Array
}

/** Which roster is meant. */
export type RosterRank = Pick<CoopRoster, "epoch" | "keyId">

/** Below 0 when `a` is in force, above when `b` is. The same key at the same epoch is the same roster. */
export const compareRosters = (a: RosterRank, b: RosterRank): number =>
  b.epoch - a.epoch || (a.keyId < b.keyId ? -1 : a.keyId > b.keyId ? 1 : 0)

const isLater = (a: Standing, b: Standing): boolean => a.turns > b.turns || (a.turns === b.turns && a.epoch > b.epoch)

/** The later word on each member, ascending by account. */
export const mergeStandings = (a: ReadonlyArray<Standing>, b: ReadonlyArray<Standing>): ReadonlyArray<Standing> => {
  const merged = new Map(a.map((standing) => [standing.account, standing]))
  for (const standing of b) {
    const known = merged.get(standing.account)
    if (known === undefined || isLater(standing, known)) merged.set(standing.account, standing)
  }
  return Array.from(merged.values()).toSorted((x, y) => (x.account < y.account ? -1 : 1))
}

/** Whether `b` says something on somebody that `a` does not know. */
export const hasNews = (a: ReadonlyArray<Standing>, b: ReadonlyArray<Standing>): boolean => {
  const known = new Map(a.map((standing) => [standing.account, standing.turns]))
  return b.some(({ account, turns }) => turns > (known.get(account) ?? 0))
}

export const standingOf = (
  roster: Pick<CoopRoster, "standings"> | undefined,
  account: AccountId
): Standing | undefined => roster?.standings.find((standing) => standing.account === account)

/** Whether a member is shut out. */
export const isExcluded = (roster: Pick<CoopRoster, "standings"> | undefined, account: AccountId): boolean =>
  (standingOf(roster, account)?.turns ?? 0) % 2 === 1

/** The standings after a member was shut out, or let in again, from an epoch on. */
export const turned = (
  standings: ReadonlyArray<Standing>,
  account: AccountId,
  epoch: number
): ReadonlyArray<Standing> => {
  const turns = (standingOf({ standings }, account)?.turns ?? 0) + 1
  return mergeStandings(
    standings.filter((standing) => standing.account !== account),
    [{ account, turns, epoch }]
  )
}
