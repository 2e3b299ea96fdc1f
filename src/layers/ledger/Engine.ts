/**
 * A cooperative's open books as `service.ts` works with them: the calls of `Bookkeeper` and `Reader`, made on the spot
 * (LedgerMemory.ts) or in threads of their own (LedgerSqlite.ts). All arguments and results are plain data that can be
 * cloned.
 */
import type { Effect, Scope, Stream } from "effect"
import type { Balance } from "../../domain/ledgerBooks.ts"
import type { AccountId, EntryId } from "../../domain/ledgerEntry.ts"
import type { Fork } from "../../domain/ledgerHistory.ts"
import type { WriteOutcome, WriteRequest } from "../../domain/ledgerIntent.ts"
import type {
  AuthorRange,
  Chain,
  Head,
  Lack,
  RangeAnswer,
  RangeMark,
  Refined,
  ShownChain,
  Wants
} from "../../domain/ledgerReconcile.ts"
import type {
  BooksReport,
  LedgerError,
  LedgerProgress,
  LedgerStatus,
  Received,
  Recomputed
} from "../../services/Ledger.ts"
import type {
  HistoryQuery,
  Member,
  OpenHold,
  Proof,
  Quarantined,
  SealedBytes,
  StoredEntry,
  SumCorrection
} from "./Journal.ts"
import type { Tally } from "./tally.ts"

/** Bytes whose signature was looked at before. */
export interface ProvenBytes extends SealedBytes {
  readonly proof: Proof
}

/**
 * What changes the books. Implemented by `Bookkeeper`; each call is one step that is done as a whole or not at all. It
 * is made within `Journal.write`, by whoever calls: several calls may share one, and so one commit.
 */
export interface BookkeeperCalls {
  /** Drafts, signs, judges and adds the next entry of this member's chain, which also acks the credits that wait. */
  readonly write: (request: WriteRequest) => WriteOutcome
  /** What became of the request with a key. */
  readonly outcome: (idempotencyKey: string) => WriteOutcome | undefined
  /** Judges entries in the order given, and then what waited for them. `at` in milliseconds since the epoch. */
  readonly receive: (entries: ReadonlyArray<ProvenBytes>, at: number) => Received
  /** Own signatures of entries that were only vouched for have been verified. */
  readonly prove: (proven: ReadonlyArray<{ readonly id: EntryId; readonly signature: Uint8Array }>) => void
  readonly release: (id: EntryId, at: number) => Received | undefined
  readonly drop: (id: EntryId) => boolean
  readonly purge: () => number
  /** Corrects stored sums; only at this version of the journal, if one is given. */
  readonly correct: (
    corrections: ReadonlyArray<SumCorrection>,
    onlyAt: number | undefined
  ) => { readonly applied: boolean; readonly version: number }
}

/** What only looks. Implemented by `Reader`; each call sees one version. */
export interface ReaderCalls {
  readonly version: () => number
  readonly status: (account: AccountId) => Omit<LedgerStatus, "seenSeq">
  readonly entry: (id: EntryId) => StoredEntry | undefined
  readonly entriesAfter: (version: number, max: number) => ReadonlyArray<StoredEntry>
  /** Numbers of at most `max` entries after a version, for metrics; `account` is whose entries are own. */
  readonly tally: (account: AccountId, version: number, max: number) => Tally
  readonly history: (query: HistoryQuery) => ReadonlyArray<StoredEntry>
  /** One row per currency of the cooperative. */
  readonly balance: (account: AccountId) => ReadonlyArray<Balance>
  readonly balances: () => ReadonlyArray<Balance>
  readonly members: () => ReadonlyArray<Member>
  readonly forks: () => ReadonlyArray<Fork>
  readonly openHolds: (account: AccountId, max: number) => ReadonlyArray<OpenHold>
  readonly creditsToAck: (account: AccountId, max: number) => ReadonlyArray<EntryId>
  readonly chains: () => ReadonlyArray<Chain>
  readonly missing: (
    have: ReadonlyArray<Chain>,
    from: { readonly version: number; readonly max: number; readonly bytesMax: number }
  ) => { readonly entries: ReadonlyArray<SealedBytes>; readonly version: number; readonly done: boolean }
  readonly sealed: (ids: ReadonlyArray<EntryId>) => ReadonlyArray<SealedBytes>
  /** `Ledger.reconcile`. */
  readonly openingMarks: () => ReadonlyArray<RangeMark>
  readonly refined: (ranges: ReadonlyArray<AuthorRange>) => Refined
  readonly answered: (marks: ReadonlyArray<RangeMark>) => ReadonlyArray<RangeAnswer>
  readonly lacks: (shown: ReadonlyArray<ShownChain>) => ReadonlyArray<Lack>
  readonly branches: () => Wants["chains"]
  readonly provenHead: (author: AccountId) => Head | undefined
  readonly wanted: (
    wants: Wants,
    from: { readonly version: number; readonly max: number; readonly bytesMax: number }
  ) => { readonly entries: ReadonlyArray<SealedBytes>; readonly version: number; readonly done: boolean }
  readonly vouched: (max: number, after?: number) => ReadonlyArray<StoredEntry>
  readonly quarantined: (id: EntryId) => Quarantined | undefined
  /** Newest first, all of it: the table is bounded. Without the entries' bytes, but with their number. */
  readonly quarantine: () => ReadonlyArray<Omit<Quarantined, "sealed"> & { readonly bytes: number }>
}

/** A call by name: `call("receive", entries, at)`. */
export type Call<Calls, E> = <Name extends keyof Calls>(
  name: Name,
  ...args: Calls[Name] extends (...args: infer A) => unknown ? A : never
) => Effect.Effect<Calls[Name] extends (...args: never) => infer R ? R : never, E>

/** The store failed while it committed: whether the call's changes are there, only the store can tell. */
export interface CommitUnknown {
  readonly _tag: "CommitUnknown"
  readonly detail: string
}

/** What is wrong with the signature of one entry, if anything. `vouched` only where runs were asked for. */
export type SignatureVerdict = Proof | "malformed" | "badSignature"

export interface LedgerEngine {
  readonly coop: EntryId
  /** Durable when it succeeds. Calls that come at the same time share a commit. */
  readonly write: Call<BookkeeperCalls, LedgerError | CommitUnknown>
  readonly read: Call<ReaderCalls, LedgerError>
  /** Looks at signatures, off the main thread where that is worth it; `runs` as in `Ledger.receive`. */
  readonly verifySignatures: (
    entries: ReadonlyArray<SealedBytes>,
    verify: "each" | "runs"
  ) => Effect.Effect<ReadonlyArray<SignatureVerdict>>
  /** Works out the books anew and only compares. */
  readonly compareBooks: Effect.Effect<BooksReport, LedgerError>
  /** Works out the books anew and corrects them; `once` fails with StaleSnapshot where `retry` catches up. */
  readonly recomputeBooks: (mode: "once" | "retry") => Effect.Effect<Recomputed, LedgerError>
  readonly progress: Stream.Stream<LedgerProgress>
  /** The journal's version after each commit that added entries. */
  readonly versions: Stream.Stream<number>
}

/** Where a layer keeps its cooperatives. */
export interface LedgerShelf {
  /** The cooperative that was served last, if there is one. */
  readonly serving: Effect.Effect<EntryId | undefined, LedgerError>
  readonly serve: (coop: EntryId, genesis: SealedBytes) => Effect.Effect<void, LedgerError>
  /** The genesis that came with `serve`, so that lost books can be begun again; the other members have the rest. */
  readonly genesis: (coop: EntryId) => Effect.Effect<SealedBytes | undefined, LedgerError>
  /** Opens the books of a cooperative, making empty ones where there are none. */
  readonly open: (coop: EntryId) => Effect.Effect<LedgerEngine, LedgerError, Scope.Scope>
  /** Removes the books of a cooperative that is no longer served. */
  readonly remove: (coop: EntryId) => Effect.Effect<void, LedgerError>
}
