/**
 * What a member wants to write, before it is an entry: amounts in minor units, accounts as keys. Our own node turns an
 * intent into the next entry of its chain (ledgerDraft.ts), and `admit` judges it as everybody else's.
 */
import type { Rejection } from "./ledgerAdmit.ts"
import type { AccountId, EntryId } from "./ledgerEntry.ts"

/** What one payee gets. */
export interface Payment {
  readonly to: AccountId
  /** Position in the currencies of the cooperative. */
  readonly currency: number
  /** Minor units, above 0. */
  readonly amount: number
}

export type LedgerIntent =
  | { readonly kind: "transfer"; readonly payments: ReadonlyArray<Payment> }
  | {
      readonly kind: "hold"
      readonly payments: ReadonlyArray<Payment>
      /** Milliseconds since the epoch. */
      readonly expiresAt: number
    }
  /** Pays what was held, or as much of it as `payments` says. */
  | { readonly kind: "post"; readonly hold: EntryId; readonly payments?: ReadonlyArray<Payment> }
  | { readonly kind: "void"; readonly hold: EntryId }
  /** Gives back what this member received from an entry. */
  | { readonly kind: "reverse"; readonly entry: EntryId }
  | { readonly kind: "member"; readonly account: AccountId }
  | { readonly kind: "grant"; readonly account: AccountId; readonly currency: number; readonly limit: number }
  /** Makes the credits that wait spendable; nothing is written when none does. */
  | { readonly kind: "ack" }

/** An intent with what goes around it. */
export interface WriteRequest {
  readonly intent: LedgerIntent
  readonly memo: string
  /** 32 hex digits; the same key writes at most one entry. */
  readonly idempotencyKey: string
  /** Milliseconds since the epoch; for people only. */
  readonly at: number
}

/** Why an intent is not written, however often it comes with the same key. */
export type Refusal =
  | Rejection
  /** The key was used for something else. */
  | "idempotencyKeyReused"
  /** The entry that it is about is not here. */
  | "unknownEntry"
  /** An ack with nothing to ack. */
  | "nothingToDo"
  /** The entry would be larger than any may be (ledgerLimits.ts). */
  | "tooLarge"

/** What became of an intent; each is final. */
export type WriteOutcome =
  | { readonly _tag: "Committed"; readonly entryId: EntryId; readonly version: number }
  | { readonly _tag: "Refused"; readonly reason: Refusal }
