/** Why an exchange of ledgers with a member came to nothing. */
import { Schema } from "effect"
import type { LedgerSyncResult } from "../../domain/metrics.ts"
import { type SyncRefusal, syncRefusals } from "../../protocol/ledgerSync.ts"

/** The other side does not answer. */
export class SyncRefused extends Schema.TaggedError<SyncRefused>()("SyncRefused", {
  reason: Schema.Literals(syncRefusals)
}) {}
/** Nothing was heard for too long, or the whole took too long. */
export class SyncSilent extends Schema.TaggedError<SyncSilent>()("SyncSilent", { millis: Schema.Finite }) {}
/** What was said is not the protocol, or not true. */
export class SyncMalformed extends Schema.TaggedError<SyncMalformed>()("SyncMalformed", { detail: Schema.String }) {}
/** More was said than any honest member has to say. */
export class SyncTooMuch extends Schema.TaggedError<SyncTooMuch>()("SyncTooMuch", { detail: Schema.String }) {}

export const LedgerSyncReason = Schema.Union([SyncRefused, SyncSilent, SyncMalformed, SyncTooMuch])
export type LedgerSyncReason = typeof LedgerSyncReason.Type

const refusals: Record<SyncRefusal, string> = {
  notMember: "it does not know this node as a member of the cooperative, or not yet",
  otherCooperative: "it serves another cooperative",
  busy: "it is asked too often just now",
  unsupportedVersion: "it has a version of icn-node that exchanges ledgers in another way",
  unavailable: "its ledger is not available"
}

/** Every failure of an exchange that is not the session's or the ledger's. */
export class LedgerSyncError extends Schema.TaggedError<LedgerSyncError>()("LedgerSyncError", {
  /** Canonical text of the DID. */
  peer: Schema.String,
  reason: LedgerSyncReason
}) {
  override get message(): string {
    return `${this.peer}: ${this.problem}`
  }

  /** What went wrong, for where the member is named already. */
  get problem(): string {
    switch (this.reason._tag) {
      case "SyncRefused":
        return refusals[this.reason.reason]
      case "SyncSilent":
        return `no answer within ${this.reason.millis} ms`
      case "SyncMalformed":
      case "SyncTooMuch":
        return this.reason.detail
    }
  }

  /** As it is counted. */
  get result(): LedgerSyncResult {
    switch (this.reason._tag) {
      case "SyncRefused":
        return this.reason.reason === "busy" ? "limited" : "refused"
      case "SyncSilent":
        return "failed"
      case "SyncMalformed":
        return "malformed"
      case "SyncTooMuch":
        return "limited"
    }
  }
}
