/**
 * The store of one cooperative's entries and of the books that follow from them, as plain synchronous code: what
 * `Bookkeeper` works on. Implemented by MemoryJournal.ts and sqlite/SqliteJournal.ts; the first keeps
 * everything in memory, the second next to nothing, so it runs in a thread of its own.
 *
 * The journal's version is the number of entries in it. An entry is there for ever once it is in.
 */
import type { LedgerPast, PastEntry } from "../../domain/ledgerAdmit.ts"
import type { Balance } from "../../domain/ledgerBooks.ts"
import type { DraftPast } from "../../domain/ledgerDraft.ts"
import type { AccountId, EntryId, IdentifiedEntry } from "../../domain/ledgerEntry.ts"
import type { Fork } from "../../domain/ledgerHistory.ts"

/** An entry as it travels and is stored (protocol/entry.ts). */
export interface SealedBytes {
  readonly body: Uint8Array
  readonly signature: Uint8Array
}

/**
 * How an entry is known to be its author's: by its own signature, or because it is in the past of a signed entry of the
 * same chain and its own signature is still to be verified. What is only vouched for is booked, and neither passed on
 * nor acked.
 */
export type Proof = "signed" | "vouched"

/** An entry with everything that the journal knows of it. */
export interface StoredEntry extends IdentifiedEntry {
  /** The journal's version with it as the last entry, from 1. */
  readonly version: number
  readonly booked: boolean
  readonly proof: Proof
  readonly sealed: SealedBytes
}

/** Where a chain ends; a forked author has one per branch. */
export interface Head {
  readonly author: AccountId
  readonly seq: number
  readonly id: EntryId
}

export interface Member {
  readonly account: AccountId
  readonly steward: boolean
  /** The entry that made it one; the genesis for stewards. */
  readonly by: EntryId
}

export interface OpenHold {
  readonly id: EntryId
  readonly expiresAt: number
}

export interface HistoryQuery {
  /** Entries with a leg of this account (holds included) or written by it; all without. */
  readonly account?: AccountId | undefined
  /** Entries with a lower version; from the newest without. */
  readonly before?: number | undefined
  readonly max: number
}

/** Keys are for nothing, so all who are no members have one share of the quarantine, which is the first to give way. */
export const strangers: AccountId = ""

/** Why an entry is not in the journal although it came. */
export type Quarantined = {
  readonly id: EntryId
  readonly author: AccountId
  /** Whose share of the quarantine it takes: the author's, or that of all who are no members (`strangers`). */
  readonly owner: AccountId
  readonly seq: number
  /**
   * `pending`: entries that it refers to are missing. `rejected`: invalid for ever. `parked`: valid as far as can be
   * said, of an author who has forked, and nobody who has not forked refers to it (docs/ledger.md).
   */
  readonly state: "pending" | "rejected" | "parked"
  /** The `Rejection`, or `missing`, or `forkedAuthor`. */
  readonly reason: string
  readonly missing: ReadonlyArray<EntryId>
  readonly proof: Proof
  readonly sealed: SealedBytes
  /** Milliseconds since the epoch at which it came. */
  readonly at: number
}

/** What can be asked of a journal. Every answer is of one version when asked within `read`. */
export interface JournalReads {
  readonly coop: EntryId
  /** Runs a body that sees one version throughout. */
  read<A>(body: () => A): A
  /** 0 before the genesis. */
  version(): number
  entry(id: EntryId): StoredEntry | undefined
  /** In the order of versions, beginning with the one after `version`. */
  entriesAfter(version: number, max: number): ReadonlyArray<StoredEntry>
  /** Newest first. */
  history(query: HistoryQuery): ReadonlyArray<StoredEntry>
  balance(account: AccountId, currency: number): Balance
  /** Ascending by account, then currency, beginning after a row. */
  balances(
    after: { readonly account: AccountId; readonly currency: number } | undefined,
    max: number
  ): ReadonlyArray<Balance>
  /** Accounts with a booked `member` entry, and the stewards. */
  members(): ReadonlyArray<Member>
  /** Ascending by author, then id. */
  heads(after: AccountId | undefined, max: number): ReadonlyArray<Head>
  /** The proofs, at the lowest fork of each forked author, ascending by author. */
  forks(after: AccountId | undefined, max: number): ReadonlyArray<Fork>
  /** Booked holds of an account that are neither posted nor voided, by the time at which they expire. */
  openHolds(account: AccountId, max: number): ReadonlyArray<OpenHold>
  /** Credits that wait for an ack of this account: signed, booked, of payers not known to have forked; oldest first. */
  creditsToAck(account: AccountId, max: number): ReadonlyArray<EntryId>
  quarantined(id: EntryId): Quarantined | undefined
  /** The same, without looking at all of it. */
  quarantinedAs(id: EntryId): Quarantined["state"] | undefined
  /** Newest first, beginning after an id. */
  quarantine(after: EntryId | undefined, max: number): ReadonlyArray<Quarantined>
  quarantineSize(): { readonly entries: number; readonly bytes: number; readonly pending: number }
}

export interface Journal extends JournalReads, DraftPast, LedgerPast {
  readonly coop: EntryId
  readonly find: LedgerPast["find"]
  /**
   * Runs a body whose changes are durable when it returns, and undone as a whole when it throws. Within another `write`
   * the body is a part of that one: durable and undone with it.
   */
  write<A>(body: () => A): A
  isForked(author: AccountId): boolean
  /** The lowest position with two entries of an author, if there is one. */
  lowestFork(author: AccountId): number | undefined
  /** Whether a position is surely behind the end of an author's chain, so that nothing of him can be there. */
  isBeyondEnd(author: AccountId, seq: number): boolean
  /** Entries of an author at a position. */
  at(author: AccountId, seq: number): ReadonlyArray<EntryId>
  /** Takes in an admitted entry: booking, balances, uses and heads follow. Within `write`. Returns its version. */
  add(admitted: PastEntry, sealed: SealedBytes, proof: Proof): number
  /** Entries whose own signatures are still to be verified, oldest first, beginning after a version. */
  vouched(max: number, after?: number): ReadonlyArray<StoredEntry>
  /** The entry's own signature (perhaps another one than was stored) has been verified. Within `write`. */
  prove(id: EntryId, signature: Uint8Array): void

  /** What became of an own intent by key, for intents that did not become an entry. */
  refusal(idempotencyKey: string): { readonly digest: string; readonly reason: string } | undefined
  /** Remembers a refusal; the oldest of more than 100,000 go. Within `write`. */
  refuse(idempotencyKey: string, digest: string, reason: string): void

  /** Puts an entry aside, over the one with the same id; the table's bounds are the caller's. Within `write`. */
  setAside(entry: Quarantined): void
  /** Takes an entry out of quarantine. Within `write`. */
  takeOut(id: EntryId): void
  /** Entries in quarantine that miss this one. */
  waitingFor(id: EntryId): ReadonlyArray<EntryId>
  /**
   * This entry is missed no more. Answers those that missed it and now miss nothing but what is in quarantine as well.
   * Within `write`.
   */
  arrived(id: EntryId): ReadonlyArray<EntryId>
  /** The strangers, or without any the owner of most bytes in quarantine, with the oldest entry of his. */
  biggestOffender(): { readonly owner: AccountId; readonly oldest: EntryId } | undefined

  /** Adds to stored sums; for a recomputation that found them wrong. Within `write`. */
  correct(corrections: ReadonlyArray<SumCorrection>): void
}

/** By how much a stored row of the books is wrong. */
export interface SumCorrection {
  readonly account: AccountId
  readonly currency: number
  readonly posted: number
  readonly held: number
  readonly unacked: number
}
