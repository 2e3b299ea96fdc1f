/**
 * The part of the catalogue of metrics (metrics.ts, through which it is used) about the ledger: what is written, what
 * came from other members, what is in the books, and how far this node is behind. Accounts, amounts of one member and
 * entries are never labels. Amounts are in whole units of their currency (hours, not hundredths).
 */

// --- what is in the books ---

export const ledgerAccounts = {
  kind: "gauge",
  name: "icn_ledger_accounts",
  help: "Accounts with a balance in the books, each counted once.",
  labels: {},
  formerNames: { icn_ledger_accounts_total: {} }
} as const

export const ledgerCurrencies = {
  kind: "gauge",
  name: "icn_ledger_currencies",
  help: "Currencies of the cooperative that this node serves.",
  labels: {},
  formerNames: { icn_ledger_currencies_total: {} }
} as const

export const ledgerJournalVersion = {
  kind: "gauge",
  name: "icn_ledger_journal_version",
  help: "Version of the journal: it grows by 1 with each entry that is admitted.",
  labels: {}
} as const

export const ledgerForkedAuthors = {
  kind: "gauge",
  name: "icn_ledger_forked_authors",
  help: "Members with two valid entries at one position, of whose chains only a part is booked.",
  labels: {}
} as const

export const ledgerVouchedEntries = {
  kind: "gauge",
  name: "icn_ledger_vouched_entries",
  help: "Entries taken in by the signature at the end of their run, whose own signatures are still to be verified.",
  labels: {}
} as const

// --- what is written here ---

/** Kinds of entries, as in ledgerEntry.ts. */
const kinds = ["genesis", "member", "grant", "transfer", "hold", "post", "void", "reverse", "ack"] as const

export const ledgerTransactions = {
  kind: "counter",
  name: "icn_ledger_transactions_total",
  help: "Entries admitted to the journal, by kind and whether this member wrote them.",
  labels: { kind: kinds, origin: ["own", "received"] }
} as const

export const ledgerTransactionAmount = {
  kind: "histogram",
  name: "icn_ledger_transaction_amount",
  help: "What payments admitted to the journal take from the payer, in whole units of the currency.",
  labels: {},
  boundaries: [0.1, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 1000, 10_000]
} as const

/** What a request to write can come to; the last three wrote nothing. */
export const ledgerAppendResults = ["committed", "refused", "unknown", "busy", "behind", "failed"] as const
export type LedgerAppendResult = (typeof ledgerAppendResults)[number]

export const ledgerAppends = {
  kind: "counter",
  name: "icn_ledger_appends_total",
  help: "Requests of this member to write, by what became of them: behind while others have more of his own chain.",
  labels: { result: ledgerAppendResults }
} as const

export const ledgerAppendSeconds = {
  kind: "histogram",
  name: "icn_ledger_append_seconds",
  help: "Time from a request to write to its durable answer, in seconds.",
  labels: {},
  boundaries: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5]
} as const

// --- what came from outside ---

/** `pending`: what it refers to is missing; `parked`: a further branch of a forked author. */
export const ledgerQuarantineReasons = ["pending", "rejected", "parked"] as const

export const ledgerEntriesQuarantined = {
  kind: "counter",
  name: "icn_ledger_entries_quarantined_total",
  help: "Entries put into quarantine: references missing, invalid, or a further branch of a forked author.",
  labels: { reason: ledgerQuarantineReasons }
} as const

export const ledgerEntriesDiscarded = {
  kind: "counter",
  name: "icn_ledger_entries_discarded_total",
  help: "Entries from outside not kept: known already, no entry at all, not signed, or pushed out of quarantine.",
  labels: { reason: ["known", "malformed", "bad_signature", "evicted"] }
} as const

export const ledgerQuarantineSize = {
  kind: "gauge",
  name: "icn_ledger_quarantine_size",
  help: "Entries in quarantine.",
  labels: {}
} as const

export const ledgerQuarantineBytes = {
  kind: "gauge",
  name: "icn_ledger_quarantine_bytes",
  help: "Bytes of the entries in quarantine.",
  labels: {}
} as const

export const ledgerPending = {
  kind: "gauge",
  name: "icn_ledger_pending_entries",
  help: "Those in quarantine that wait for entries they refer to.",
  labels: {}
} as const

export const ledgerForksDetected = {
  kind: "counter",
  name: "icn_ledger_forks_detected_total",
  help: "Members found to have written two chains.",
  labels: {}
} as const

export const ledgerSignaturesVerified = {
  kind: "counter",
  name: "icn_ledger_signatures_verified_total",
  help: "Signatures of entries checked, by result.",
  labels: { result: ["good", "bad"] }
} as const

// --- the books, worked out anew ---

export const ledgerRecomputations = {
  kind: "counter",
  name: "icn_ledger_recomputations_total",
  help: "Recomputations of all balances, by what became of them.",
  labels: { result: ["applied", "stale", "failed"] }
} as const

export const ledgerRecomputeAborted = {
  kind: "counter",
  name: "icn_ledger_recompute_aborted_version_mismatch_total",
  help: "Snapshots of a recomputation that the journal had left behind; with retry they are caught up.",
  labels: {}
} as const

export const ledgerRecomputeSeconds = {
  kind: "histogram",
  name: "icn_ledger_recompute_seconds",
  help: "Duration of recomputations and verifications of all balances, in seconds.",
  labels: {},
  boundaries: [0.01, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300]
} as const

export const ledgerCorrections = {
  kind: "counter",
  name: "icn_ledger_corrections_total",
  help: "Stored balances that a recomputation found wrong and put right; any is a fault of the node or its disk.",
  labels: {}
} as const

export const ledgerVerifications = {
  kind: "counter",
  name: "icn_ledger_verifications_total",
  help: "Comparisons of the stored balances with the journal, by result.",
  labels: { result: ["ok", "mismatch", "failed"] }
} as const

export const ledgerCheckpoints = {
  kind: "counter",
  name: "icn_ledger_checkpoints_total",
  help: "Checkpoints of the balances written, and what was found when the latest was compared at the start.",
  labels: { event: ["written", "matched", "mismatched", "missing", "failed"] }
} as const

// --- between members ---

export const ledgerSyncLagEntries = {
  kind: "gauge",
  name: "icn_ledger_sync_lag_entries",
  help: "Entries that other members have shown to have and this node has not.",
  labels: {}
} as const

export const ledgerSyncLagSeconds = {
  kind: "gauge",
  name: "icn_ledger_sync_lag_seconds",
  help: "Time for which this node has lacked an entry that another member has shown, in seconds; 0 when it lacks none.",
  labels: {}
} as const

export const ledgerSyncEntries = {
  kind: "counter",
  name: "icn_ledger_sync_entries_total",
  help: "Entries sent to other members and received from them, as they were written (gossip) or by catching up.",
  labels: { direction: ["sent", "received"], way: ["gossip", "catchup"] }
} as const

/** `refused`: not a member; `limited`: too many or too much; `interrupted`: to be gone on with later. */
export const ledgerSyncResults = ["complete", "interrupted", "refused", "limited", "malformed", "failed"] as const
export type LedgerSyncResult = (typeof ledgerSyncResults)[number]

export const ledgerSyncExchanges = {
  kind: "counter",
  name: "icn_ledger_sync_exchanges_total",
  help: "Exchanges in which a node catches up with another, by who asked and what became of them.",
  labels: { role: ["asker", "answerer"], result: ledgerSyncResults }
} as const

export const ledgerSyncSeconds = {
  kind: "histogram",
  name: "icn_ledger_sync_exchange_seconds",
  help: "Duration of exchanges in which this node caught up, in seconds.",
  labels: {},
  boundaries: [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300]
} as const

export const ledgerSyncDropped = {
  kind: "counter",
  name: "icn_ledger_sync_dropped_total",
  help: "Batches of entries from gossip not looked into: no key for them, not as they should be, or too many.",
  labels: { reason: ["no_key", "bad_seal", "malformed", "foreign", "limited"] }
} as const

/** In the order in which they are exposed and documented. */
export const ledgerMetrics = [
  ledgerAccounts,
  ledgerCurrencies,
  ledgerJournalVersion,
  ledgerForkedAuthors,
  ledgerVouchedEntries,
  ledgerTransactions,
  ledgerTransactionAmount,
  ledgerAppends,
  ledgerAppendSeconds,
  ledgerEntriesQuarantined,
  ledgerEntriesDiscarded,
  ledgerQuarantineSize,
  ledgerQuarantineBytes,
  ledgerPending,
  ledgerForksDetected,
  ledgerSignaturesVerified,
  ledgerRecomputations,
  ledgerRecomputeAborted,
  ledgerRecomputeSeconds,
  ledgerCorrections,
  ledgerVerifications,
  ledgerCheckpoints,
  ledgerSyncLagEntries,
  ledgerSyncLagSeconds,
  ledgerSyncEntries,
  ledgerSyncExchanges,
  ledgerSyncSeconds,
  ledgerSyncDropped
] as const
