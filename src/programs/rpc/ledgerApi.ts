/**
 * What a running node answers about the ledger: the definition only, part of `NodeRpcs` (Api.ts). Amounts are decimal
 * text and members DIDs, both ways; ids are hex, times ISO 8601. Whatever may be long is a stream.
 */
import { Schema } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"
import { DidFromString } from "../../domain/did.ts"
import { creditPolicyNames } from "../../domain/ledgerLimitPolicy.ts"
import { LedgerError } from "../../services/Ledger.ts"

const entryKinds = ["genesis", "member", "grant", "transfer", "hold", "post", "void", "reverse", "ack"] as const

/** What was asked cannot be meant: no such currency, no such amount. Nothing was written. */
export class LedgerRequestInvalid extends Schema.TaggedError<LedgerRequestInvalid>()("LedgerRequestInvalid", {
  problem: Schema.String
}) {
  override get message() {
    return this.problem
  }
}

/** The id of an entry. */
export const EntryIdText = Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/))

export const LedgerCurrency = Schema.Struct({
  symbol: Schema.String,
  decimals: Schema.Int,
  startingLimit: Schema.String
})

export const LedgerBalance = Schema.Struct({
  did: Schema.String,
  currency: Schema.String,
  posted: Schema.String,
  held: Schema.String,
  unacked: Schema.String,
  available: Schema.String,
  limit: Schema.String
})
export type LedgerBalance = typeof LedgerBalance.Type

export const LedgerHistoryLine = Schema.Struct({
  entryId: Schema.String,
  kind: Schema.Literals(entryKinds),
  author: Schema.String,
  seq: Schema.Int,
  at: Schema.String,
  currency: Schema.NullOr(Schema.String),
  amount: Schema.NullOr(Schema.String),
  counterparty: Schema.NullOr(Schema.String),
  memo: Schema.String,
  booked: Schema.Boolean,
  version: Schema.Int
})
export type LedgerHistoryLine = typeof LedgerHistoryLine.Type

/** Which entries a history shows. */
export const LedgerHistoryQuery = Schema.Struct({
  /** This node's member when null. */
  of: Schema.NullOr(DidFromString),
  /** Everybody's entries, from the point of view of who wrote them. */
  everyone: Schema.Boolean,
  /** Entries without a payment too. */
  all: Schema.Boolean,
  /** At most so many entries, the newest. */
  limit: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })),
  /** Only entries after this version of the journal. */
  sinceVersion: Schema.NullOr(Schema.Int),
  /** Only entries whose authors date them here or later; milliseconds since the epoch. */
  sinceMillis: Schema.NullOr(Schema.Finite),
  /** Only entries before this version of the journal: the last one of the page before. */
  before: Schema.NullOr(Schema.Int)
})
export type LedgerHistoryQuery = typeof LedgerHistoryQuery.Type

/** What is to be written, in people's terms. A currency of null is the cooperative's first. */
const amounted = { amount: Schema.String, currency: Schema.NullOr(Schema.String) }
export const LedgerWriteIntent = Schema.TaggedUnion({
  Pay: { to: DidFromString, ...amounted },
  Hold: { to: DidFromString, ...amounted, expiresAtMillis: Schema.Int },
  /** All that was held where no amount is said. */
  Post: { hold: EntryIdText, amount: Schema.NullOr(Schema.String) },
  Void: { hold: EntryIdText },
  Reverse: { entry: EntryIdText },
  Grant: { to: DidFromString, limit: Schema.String, currency: Schema.NullOr(Schema.String) }
})
export type LedgerWriteIntent = typeof LedgerWriteIntent.Type

export const LedgerWriteRequest = Schema.Struct({
  intent: LedgerWriteIntent,
  memo: Schema.String,
  idempotencyKey: Schema.String
})
export type LedgerWriteRequest = typeof LedgerWriteRequest.Type

export const LedgerWritten = Schema.Struct({
  status: Schema.Literals(["committed", "refused", "unknown"]),
  entryId: Schema.NullOr(Schema.String),
  reason: Schema.NullOr(Schema.String),
  /** What was asked for, as it was understood: `1.50 hours to did:key:z6Mk…`; null when only its key is known. */
  what: Schema.NullOr(Schema.String)
})
export type LedgerWritten = typeof LedgerWritten.Type

export const LedgerLimitSuggestion = Schema.Struct({
  did: Schema.String,
  currency: Schema.String,
  /** Received for what was given, less what was given back. */
  cleared: Schema.String,
  /** Members who paid; many more are not told apart. */
  payers: Schema.Int,
  memberDays: Schema.Int,
  limit: Schema.String,
  suggested: Schema.String
})
export type LedgerLimitSuggestion = typeof LedgerLimitSuggestion.Type

const Sums = Schema.Struct({ posted: Schema.String, held: Schema.String, unacked: Schema.String })
export const LedgerReport = Schema.Struct({
  ok: Schema.Boolean,
  journalVersion: Schema.Int,
  entries: Schema.Int,
  /** Decimal text by symbol; 0 in sound books. */
  sumByCurrency: Schema.Record(Schema.String, Schema.String),
  /** The first of them; `ok` is about all. */
  mismatches: Schema.Array(
    Schema.Struct({ did: Schema.String, currency: Schema.String, stored: Sums, recomputed: Sums })
  )
})
export type LedgerReport = typeof LedgerReport.Type

const progress = { done: Schema.Int, total: Schema.Int }
export const LedgerAuditEvent = Schema.TaggedUnion({
  Progress: progress,
  /** The last one. `retries`: snapshots that the journal had left behind. */
  Done: { report: LedgerReport, retries: Schema.Int }
})
export type LedgerAuditEvent = typeof LedgerAuditEvent.Type

export const LedgerSuggestEvent = Schema.TaggedUnion({
  Progress: progress,
  Suggestion: { suggestion: LedgerLimitSuggestion }
})
export type LedgerSuggestEvent = typeof LedgerSuggestEvent.Type

export const LedgerQuarantined = Schema.Struct({
  entryId: Schema.String,
  author: Schema.String,
  seq: Schema.Int,
  state: Schema.Literals(["pending", "rejected", "parked"]),
  reason: Schema.String,
  missing: Schema.Array(Schema.String),
  arrivedAt: Schema.String,
  bytes: Schema.Int
})
export type LedgerQuarantined = typeof LedgerQuarantined.Type

export const LedgerQuarantinedEntry = Schema.Struct({
  ...LedgerQuarantined.fields,
  kind: Schema.Literals(entryKinds),
  at: Schema.String,
  memo: Schema.String,
  legs: Schema.Array(Schema.Struct({ did: Schema.String, currency: Schema.String, amount: Schema.String })),
  acks: Schema.Array(Schema.String),
  deps: Schema.Array(Schema.String)
})
export type LedgerQuarantinedEntry = typeof LedgerQuarantinedEntry.Type

export const LedgerReleased = Schema.Struct({
  added: Schema.Int,
  pending: Schema.Int,
  rejected: Schema.Int,
  parked: Schema.Int,
  missing: Schema.Array(Schema.String)
})
export type LedgerReleased = typeof LedgerReleased.Type

export const LedgerOverview = Schema.Struct({
  did: Schema.String,
  cooperative: Schema.NullOr(
    Schema.Struct({
      id: Schema.String,
      name: Schema.String,
      currencies: Schema.Array(LedgerCurrency),
      stewards: Schema.Array(Schema.String),
      implicit: Schema.Boolean
    })
  ),
  journalVersion: Schema.Int,
  accounts: Schema.Int,
  ownSeq: Schema.Int,
  seenSeq: Schema.Int,
  /** Entries of this member that others have shown and this node has not; nothing is written before they are here. */
  ownBehind: Schema.Int,
  vouched: Schema.Int,
  quarantine: Schema.Struct({ entries: Schema.Int, bytes: Schema.Int, pending: Schema.Int }),
  /** Members with a session now, and how far each other's books are; none while no node runs. */
  peers: Schema.Array(
    Schema.Struct({
      did: Schema.String,
      state: Schema.Literals(["waiting", "exchanging", "current", "behind", "failed"]),
      exchangedAt: Schema.NullOr(Schema.String),
      /** Entries that it said it has. */
      entries: Schema.NullOr(Schema.Int),
      /** Entries that it has shown and this node has not. */
      lacking: Schema.Int,
      received: Schema.Int,
      sent: Schema.Int,
      detail: Schema.String
    })
  ),
  /** Members who have written two chains, and from which position on. */
  forks: Schema.Array(Schema.Struct({ did: Schema.String, seq: Schema.Int }))
})
export type LedgerOverview = typeof LedgerOverview.Type

const failed = LedgerError
const requestFailed = Schema.Union([LedgerError, LedgerRequestInvalid])

export class LedgerRpcs extends RpcGroup.make(
  Rpc.make("LedgerOverview", { success: LedgerOverview, error: failed }),
  /** Of one member, this node's own when null, or of all accounts. */
  Rpc.make("LedgerBalance", {
    payload: { of: Schema.NullOr(DidFromString), everyone: Schema.Boolean },
    success: LedgerBalance,
    error: failed,
    stream: true
  }),
  /** Newest first. */
  Rpc.make("LedgerHistory", { payload: LedgerHistoryQuery, success: LedgerHistoryLine, error: failed, stream: true }),
  Rpc.make("LedgerWrite", { payload: LedgerWriteRequest, success: LedgerWritten, error: requestFailed }),
  /** What became of the request with a key; null when there was none. */
  Rpc.make("LedgerOutcome", {
    payload: { idempotencyKey: Schema.String },
    success: Schema.NullOr(LedgerWritten),
    error: failed
  }),
  Rpc.make("LedgerLimitsSuggest", {
    payload: {
      policy: Schema.Literals(creditPolicyNames),
      of: Schema.NullOr(DidFromString),
      currency: Schema.NullOr(Schema.String)
    },
    success: LedgerSuggestEvent,
    error: requestFailed,
    stream: true
  }),
  Rpc.make("LedgerVerify", { success: LedgerAuditEvent, error: failed, stream: true }),
  /** `once`: fails when something was written meanwhile, instead of catching up with it. */
  Rpc.make("LedgerRecompute", {
    payload: { once: Schema.Boolean },
    success: LedgerAuditEvent,
    error: failed,
    stream: true
  }),
  Rpc.make("LedgerQuarantineList", { success: LedgerQuarantined, error: failed, stream: true }),
  Rpc.make("LedgerQuarantineGet", {
    payload: { id: EntryIdText },
    success: Schema.NullOr(LedgerQuarantinedEntry),
    error: failed
  }),
  Rpc.make("LedgerQuarantineRelease", {
    payload: { id: EntryIdText },
    success: Schema.NullOr(LedgerReleased),
    error: failed
  }),
  Rpc.make("LedgerQuarantineDrop", { payload: { id: EntryIdText }, success: Schema.Boolean, error: failed }),
  Rpc.make("LedgerQuarantinePurge", { success: Schema.Int, error: failed })
) {}
