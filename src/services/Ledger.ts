/**
 * The cooperative's mutual credit: this member's own entries, everybody else's, and the books that follow from them.
 * Implemented by layers/LedgerSqlite.ts (a file of the data directory) and layers/LedgerMemory.ts; which entries are
 * valid and what is booked is in domain/ledger*.ts and docs/ledger.md, the bytes are in protocol/entry.ts.
 *
 * It writes, keeps and reads. How entries come to other members' nodes is not its business: whoever replicates takes
 * them from `changes` and `missing`, and hands over what came with `receive`.
 */
import { Context, type Effect, type Option, Schema, type Stream } from "effect"
import type { AccountId, Currency, Entry, EntryId } from "../domain/ledgerEntry.ts"
import type { Balance } from "../domain/ledgerBooks.ts"
import type { Fork } from "../domain/ledgerHistory.ts"
import type { LedgerIntent, Refusal } from "../domain/ledgerIntent.ts"
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
} from "../domain/ledgerReconcile.ts"

/** This node serves no cooperative yet; the first thing that it writes founds one. */
export class NoCooperative extends Schema.TaggedError<NoCooperative>()("NoCooperative", {}) {}
/** Another cooperative cannot take the place of one that is in use. */
export class CooperativeInUse extends Schema.TaggedError<CooperativeInUse>()("CooperativeInUse", {
  coop: Schema.String,
  entries: Schema.Int
}) {}
/** What was to be written was meant for a cooperative that is no longer served. */
export class CooperativeChanged extends Schema.TaggedError<CooperativeChanged>()("CooperativeChanged", {
  expected: Schema.String,
  actual: Schema.String
}) {}
/** The bytes are no genesis, or its signature is not its author's. */
export class BadGenesis extends Schema.TaggedError<BadGenesis>()("BadGenesis", { detail: Schema.String }) {}
/** Somebody has entries of this member's chain that this node has not: writing now would fork it. */
export class ChainBehind extends Schema.TaggedError<ChainBehind>()("ChainBehind", {
  /** -1 for an empty chain. */
  ownSeq: Schema.Int,
  seenSeq: Schema.Int
}) {}
/** More is waiting to be written than the node keeps; nothing was written. */
export class LedgerBusy extends Schema.TaggedError<LedgerBusy>()("LedgerBusy", { waitingMax: Schema.Int }) {}
/** The store failed, and nothing of what was asked is in it. */
export class LedgerStorageFailed extends Schema.TaggedError<LedgerStorageFailed>()("LedgerStorageFailed", {
  /** The file or directory. */
  path: Schema.String,
  reason: Schema.Literals([
    "full",
    "readOnly",
    "corrupt",
    "missing",
    "serving",
    "locked",
    "unsupported",
    "closed",
    "other"
  ]),
  detail: Schema.String
}) {}
/** The books changed while they were worked out anew. */
export class StaleSnapshot extends Schema.TaggedError<StaleSnapshot>()("StaleSnapshot", {
  /** The journal's version of the snapshot, and the one found when it was to be applied. */
  expected: Schema.Int,
  actual: Schema.Int
}) {}

export const LedgerErrorReason = Schema.Union([
  NoCooperative,
  CooperativeInUse,
  CooperativeChanged,
  BadGenesis,
  ChainBehind,
  LedgerBusy,
  LedgerStorageFailed,
  StaleSnapshot
])
export type LedgerErrorReason = typeof LedgerErrorReason.Type

/** Every failure of a `Ledger` call. Nothing was written, or the call was none that writes. */
export class LedgerError extends Schema.TaggedError<LedgerError>()("LedgerError", { reason: LedgerErrorReason }) {
  override get message(): string {
    return describe(this.reason)
  }
}

const storageRemedies: Record<LedgerStorageFailed["reason"], string> = {
  full: "make room on the disk",
  readOnly: "make the directory writable for this user",
  corrupt: "move the file away and start again: entries come back from the other members, or restore a backup",
  missing: "start the node: it makes the file anew, and entries come back from the other members; or restore a backup",
  serving:
    "write the id of the cooperative into it again, which is the name of the directory beside it, or move the file " +
    "away to begin without a cooperative",
  locked: "stop the other process that has it open",
  unsupported: "a newer version of icn-node wrote it; use that one",
  closed: "the node is stopping",
  other: "look at the detail"
}

const describe = (reason: LedgerErrorReason): string => {
  switch (reason._tag) {
    case "NoCooperative":
      return (
        'this node serves no cooperative yet; found one with "icn-node coop create" ' +
        'or join one with "icn-node coop join"'
      )
    case "CooperativeInUse":
      return (
        `this node serves the cooperative ${reason.coop}, which has ${reason.entries} entries; ` +
        "joining another takes another data directory"
      )
    case "CooperativeChanged":
      return (
        `this was meant for the cooperative ${reason.expected}, and the node serves ${reason.actual} by now; ` +
        "nothing was written"
      )
    case "BadGenesis":
      return `not the first entry of a cooperative: ${reason.detail}`
    case "ChainBehind":
      return (
        `other members have ${reason.seenSeq + 1} entries of this member and this node has ${reason.ownSeq + 1}: ` +
        "an old copy of the data directory is in use, or another node with the same key; nothing is written until " +
        'this node has caught up (see "icn-node ledger sync status")'
      )
    case "LedgerBusy":
      return `${reason.waitingMax} requests wait to be written already; try again later`
    case "LedgerStorageFailed":
      return `the ledger in ${reason.path} failed: ${reason.detail}; ${storageRemedies[reason.reason]}`
    case "StaleSnapshot":
      return `the books went on from version ${reason.expected} to ${reason.actual} while they were recomputed`
  }
}

/** The cooperative that a node serves. */
export interface CooperativeInfo {
  readonly id: EntryId
  readonly name: string
  readonly currencies: ReadonlyArray<Currency>
  readonly stewards: ReadonlyArray<AccountId>
  /** The genesis as it is passed to who joins. */
  readonly genesis: { readonly body: Uint8Array; readonly signature: Uint8Array }
  /** Founded by itself, because something was to be written and there was no cooperative. */
  readonly implicit: boolean
}

export interface Founding {
  readonly name: string
  readonly currencies: ReadonlyArray<Currency>
}

/** What becomes of a request to write, for good. */
export type Written =
  /** Durable, and part of the books. */
  | { readonly _tag: "Committed"; readonly idempotencyKey: string; readonly entryId: EntryId; readonly version: number }
  /** Not written, and not with this key later either. */
  | { readonly _tag: "Refused"; readonly idempotencyKey: string; readonly reason: Refusal }
  /** The store failed in the moment of writing; asking again with the key tells. */
  | { readonly _tag: "Unknown"; readonly idempotencyKey: string; readonly detail: string }

export interface WriteOptions {
  readonly memo?: string
  /** Any text; a random one unless given. The same key writes at most once. */
  readonly idempotencyKey?: string
  /** Of which cooperative the request speaks; fails where another one is served when it is written. */
  readonly coop?: EntryId
}

/** A payment to one member, by symbol and minor units. */
export interface PaymentRequest extends WriteOptions {
  readonly to: AccountId
  /** Minor units, above 0. */
  readonly amount: number
  /** Position of the currency; 0 unless given. */
  readonly currency?: number
}

/** An entry with what the ledger knows of it. */
export interface LedgerEntry {
  readonly id: EntryId
  readonly entry: Entry
  /** The journal's version that began with it. */
  readonly version: number
  readonly booked: boolean
}

export interface LedgerMember {
  readonly account: AccountId
  readonly steward: boolean
  /** The entry that made it one; the genesis for stewards. */
  readonly by: EntryId
}

export interface QuarantinedEntry {
  readonly id: EntryId
  readonly author: AccountId
  readonly seq: number
  readonly state: "pending" | "rejected" | "parked"
  readonly reason: string
  readonly missing: ReadonlyArray<EntryId>
  readonly atMillis: number
  readonly bytes: number
}

/** What became of entries that came from outside, by number. */
export interface Received {
  /** What came into the books, with what had waited for it. */
  readonly added: number
  readonly known: number
  readonly pending: number
  readonly rejected: number
  readonly parked: number
  /** Thrown away without a trace: not an entry at all, or not signed by its author. */
  readonly malformed: number
  readonly badSignature: number
  /** Pushed out of quarantine to make room. */
  readonly evicted: number
  /** Entries that pending ones wait for, at most some hundred. */
  readonly missing: ReadonlyArray<EntryId>
}

export interface SealedEntries {
  readonly entries: ReadonlyArray<{ readonly body: Uint8Array; readonly signature: Uint8Array }>
  /** The journal's version behind the last of them; to go on from. */
  readonly version: number
  readonly done: boolean
}

export interface BooksReport {
  readonly journalVersion: number
  readonly entries: number
  /** By position of the currency; every sum of sound books is 0. */
  readonly sums: ReadonlyArray<number>
  readonly mismatches: ReadonlyArray<{
    readonly account: AccountId
    readonly currency: number
    readonly stored: { readonly posted: number; readonly held: number; readonly unacked: number }
    readonly recomputed: { readonly posted: number; readonly held: number; readonly unacked: number }
  }>
}

export interface Recomputed extends BooksReport {
  /** Snapshots that had to be caught up with or thrown away. */
  readonly retries: number
}

/** Something as it is at a version. */
export interface LedgerStatus {
  readonly journalVersion: number
  /** With a balance; in a large ledger, as of some entries ago. */
  readonly accounts: number
  readonly quarantine: { readonly entries: number; readonly bytes: number; readonly pending: number }
  readonly forks: number
  /** Entries whose own signatures are still to be verified; of more than 1,000, 1,000. */
  readonly vouched: number
  /** This member's chain; -1 when it is empty. */
  readonly ownSeq: number
  /** The highest position of this member's chain that anybody has shown; above `ownSeq` nothing is written. */
  readonly seenSeq: number
}

/** How far a long piece of work is. */
export interface LedgerProgress {
  readonly done: number
  readonly total: number
}

export class Ledger extends Context.Service<
  Ledger,
  {
    /** The member whose node this is. */
    readonly account: AccountId
    /** The cooperative that is served, if there is one yet. */
    readonly cooperative: Effect.Effect<Option.Option<CooperativeInfo>, LedgerError>
    /** The one that is served; without one, a cooperative of this member alone is founded. */
    readonly ensureCooperative: Effect.Effect<CooperativeInfo, LedgerError>
    /** Founds a cooperative with this member as steward and serves it, in place of one that is not in use. */
    readonly found: (founding: Founding) => Effect.Effect<CooperativeInfo, LedgerError>
    /** Serves the cooperative of a genesis, in place of one that is not in use; the same one again is no failure. */
    readonly serve: (genesis: CooperativeInfo["genesis"]) => Effect.Effect<CooperativeInfo, LedgerError>

    /** Writes an entry. It is durable when the answer is `Committed`. */
    readonly append: (intent: LedgerIntent, options?: WriteOptions) => Effect.Effect<Written, LedgerError>
    readonly transfer: (request: PaymentRequest) => Effect.Effect<Written, LedgerError>
    /** Sets a payment aside for a time, after which this node voids it. */
    readonly hold: (
      request: PaymentRequest & { readonly expiresAtMillis: number }
    ) => Effect.Effect<Written, LedgerError>
    /** Pays a hold, or `amount` of it where it is for one payee in one currency. */
    readonly post: (
      hold: EntryId,
      options?: WriteOptions & { readonly amount?: number }
    ) => Effect.Effect<Written, LedgerError>
    readonly void: (hold: EntryId, options?: WriteOptions) => Effect.Effect<Written, LedgerError>
    readonly reverse: (entry: EntryId, options?: WriteOptions) => Effect.Effect<Written, LedgerError>
    /** What became of the request with this key, if there was one. */
    readonly outcome: (idempotencyKey: string) => Effect.Effect<Option.Option<Written>, LedgerError>

    readonly journalVersion: Effect.Effect<number, LedgerError>
    readonly status: Effect.Effect<LedgerStatus, LedgerError>
    readonly entry: (id: EntryId) => Effect.Effect<Option.Option<LedgerEntry>, LedgerError>
    /** One row per currency of the cooperative. */
    readonly balance: (account: AccountId) => Effect.Effect<ReadonlyArray<Balance>, LedgerError>
    /** Every account with a row, ascending by account, then currency, from one version. */
    readonly balances: Effect.Effect<ReadonlyArray<Balance>, LedgerError>
    /** Newest first; `before` is the version of the last entry of the page before. */
    readonly history: (query: {
      readonly account?: AccountId
      readonly before?: number
      readonly max: number
    }) => Effect.Effect<ReadonlyArray<LedgerEntry>, LedgerError>
    /**
     * Entries after a version, then those that come, in order and each once; until another cooperative takes the place
     * of the one that is served.
     */
    readonly changes: (since: number) => Stream.Stream<LedgerEntry, LedgerError>
    readonly members: Effect.Effect<ReadonlyArray<LedgerMember>, LedgerError>
    readonly forks: Effect.Effect<ReadonlyArray<Fork>, LedgerError>
    /** Holds of this member that are open, by the time at which they expire. */
    readonly openHolds: Effect.Effect<
      ReadonlyArray<{ readonly id: EntryId; readonly expiresAtMillis: number }>,
      LedgerError
    >
    /** Credits of this member that wait for an ack. */
    readonly creditsToAck: Effect.Effect<ReadonlyArray<EntryId>, LedgerError>

    /**
     * Takes entries from outside. `each`: every signature is verified first. `runs`: of the entries of one author that
     * follow one another, the last one's signature vouches for the rest, whose own are verified later.
     */
    readonly receive: (
      entries: SealedEntries["entries"],
      verify: "each" | "runs"
    ) => Effect.Effect<Received, LedgerError>
    /** Where the chains end, of signed entries only; what others are told. */
    readonly heads: Effect.Effect<ReadonlyArray<Chain>, LedgerError>
    /**
     * Signed entries that somebody with these chains lacks, in an order in which all can be admitted, at most `max`
     * from a version on. Chains that are not named are wanted from their beginning.
     */
    readonly missing: (
      have: ReadonlyArray<Chain>,
      from: { readonly version: number; readonly max: number; readonly bytesMax: number }
    ) => Effect.Effect<SealedEntries, LedgerError>
    /** The comparison with another member's ledger, without telling it all chains (domain/ledgerReconcile.ts). */
    readonly reconcile: {
      /** The ranges to ask about first, and those to ask about next. */
      readonly opening: Effect.Effect<ReadonlyArray<RangeMark>, LedgerError>
      readonly refine: (ranges: ReadonlyArray<AuthorRange>) => Effect.Effect<Refined, LedgerError>
      /** What to say of ranges of somebody who asks. */
      readonly answer: (marks: ReadonlyArray<RangeMark>) => Effect.Effect<ReadonlyArray<RangeAnswer>, LedgerError>
      /** What is lacking here of chains that somebody shows. */
      readonly lacks: (shown: ReadonlyArray<ShownChain>) => Effect.Effect<ReadonlyArray<Lack>, LedgerError>
      /** The ends of all branches of authors who have forked. */
      readonly branches: Effect.Effect<Wants["chains"], LedgerError>
      /** Where an author's chain ends, the longest one. */
      readonly head: (account: AccountId) => Effect.Effect<Option.Option<Head>, LedgerError>
      /** The same as `missing` for somebody who wants this, and has all the rest. */
      readonly wanted: (
        wants: Wants,
        from: { readonly version: number; readonly max: number; readonly bytesMax: number }
      ) => Effect.Effect<SealedEntries, LedgerError>
    }
    /** Signed entries by id, those that are here. */
    readonly sealed: (ids: ReadonlyArray<EntryId>) => Effect.Effect<SealedEntries["entries"], LedgerError>
    /** Somebody shows a chain of this member that ends here; nothing is written while it is longer than ours. */
    readonly seenOwn: (seq: number) => Effect.Effect<void>
    /** The members who are there have been asked for this member's chain: writing may begin. Calls wait for it. */
    readonly ownChainChecked: Effect.Effect<void>

    /**
     * Works the books out anew from a snapshot and applies them if nothing was written since, else fails with
     * `StaleSnapshot`.
     */
    readonly recomputeBalances: Effect.Effect<Recomputed, LedgerError>
    /** The same, catching up with what was written since the snapshot, so that it also succeeds under writes. */
    readonly recomputeBalancesWithRetry: Effect.Effect<Recomputed, LedgerError>
    /** Works the books out anew and only compares. */
    readonly verify: Effect.Effect<BooksReport, LedgerError>
    /** How far the recomputation or verification that runs is. */
    readonly progress: Stream.Stream<LedgerProgress>

    readonly quarantine: {
      readonly list: Effect.Effect<ReadonlyArray<QuarantinedEntry>, LedgerError>
      readonly get: (
        id: EntryId
      ) => Effect.Effect<Option.Option<QuarantinedEntry & { readonly entry: Entry }>, LedgerError>
      /** Judges the entry anew. */
      readonly release: (id: EntryId) => Effect.Effect<Option.Option<Received>, LedgerError>
      readonly drop: (id: EntryId) => Effect.Effect<boolean, LedgerError>
      /** Drops all and says how many. */
      readonly purge: Effect.Effect<number, LedgerError>
    }
  }
>()("icn-node/services/Ledger") {}
