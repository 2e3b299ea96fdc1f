/**
 * The next entry of a chain: what an author writes around what he wants to do. It names the membership and the grants
 * that the chain has not named yet, so that a new limit holds from the next entry on.
 */
import type { PastEntry } from "./ledgerAdmit.ts"
import { isLaterGrant } from "./ledgerChain.ts"
import {
  type AccountId,
  compareLegs,
  type Entry,
  type EntryAct,
  type EntryId,
  type IdentifiedEntry,
  type Leg,
  referencesOf
} from "./ledgerEntry.ts"

/** What drafting asks of the entries that are there. */
export interface DraftPast {
  readonly coop: EntryId
  readonly find: (id: EntryId) => IdentifiedEntry | undefined
  /** Where an author's chain ends: the last entry of an unforked one, one of the last of a forked one. */
  readonly tip: (author: AccountId) => PastEntry | undefined
  /** The memberships and grants of an account, in order of arrival. */
  readonly concerning: (account: AccountId) => ReadonlyArray<IdentifiedEntry>
}

export interface Draft {
  readonly author: string
  readonly act: EntryAct
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly legs?: ReadonlyArray<Leg>
  readonly acks?: ReadonlyArray<EntryId>
  /** Entries to name besides the membership and the grants. */
  readonly deps?: ReadonlyArray<EntryId>
  readonly idempotencyKey?: string
  readonly memo?: string
  /** The entry to go on from; the end of the author's chain unless it is said. */
  readonly prev?: PastEntry | undefined
}

const ascending = (ids: Iterable<EntryId>): ReadonlyArray<EntryId> =>
  [...new Set(ids)].toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0))

/** The membership, if the chain lacks it, and in each currency the latest grant, if the chain has an earlier one. */
const newDependencies = (past: DraftPast, author: string, prev: PastEntry | undefined): Array<EntryId> => {
  const found: Array<EntryId> = []
  const latest = new Map((prev?.chain.accounts ?? []).map(({ grant }, currency) => [currency, grant] as const))
  const named = new Map<number, EntryId>()
  let member = prev?.chain.member ?? false
  for (const { entry, id } of past.concerning(author)) {
    if (entry.kind === "member" && !member) {
      found.push(id)
      member = true
    }
    if (entry.kind !== "grant") continue
    const rank = { id, lamport: entry.lamport }
    if (!isLaterGrant(rank, latest.get(entry.currency))) continue
    latest.set(entry.currency, rank)
    named.set(entry.currency, id)
  }
  return [...found, ...named.values()]
}

/** Writes the next entry of an author; whether it is valid is for `admit` to say. */
export const draftEntry = (past: DraftPast, draft: Draft): Entry => {
  const { act, acks = [], at, author, deps = [], idempotencyKey = "", legs = [], memo = "" } = draft
  const prev = "prev" in draft ? draft.prev : past.tip(author)
  const entry: Entry = {
    coop: past.coop,
    author,
    seq: prev === undefined ? 0 : prev.entry.seq + 1,
    prev: prev?.id ?? null,
    lamport: 0,
    at,
    legs: legs.toSorted(compareLegs),
    acks: ascending(acks),
    deps: ascending([...deps, ...newDependencies(past, author, prev)]),
    idempotencyKey,
    memo,
    ...act
  }
  const lamports = referencesOf(entry).map((id) => past.find(id)?.entry.lamport ?? 0)
  return { ...entry, lamport: 1 + Math.max(0, ...lamports) }
}
