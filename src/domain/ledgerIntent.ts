/**
 * What a member wants to write, before it is an entry: amounts in minor units, accounts as keys. Our own node turns an
 * intent into the next entry of its chain (ledgerPlan.ts, ledgerDraft.ts), and `admit` judges it as everybody else's.
 */
import { hash } from "node:crypto"
import type { Rejection } from "./ledgerAdmit.ts"
import type { AccountId, EntryId } from "./ledgerEntry.ts"
import { idempotencyKeyBytes } from "./ledgerLimits.ts"

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
  | {
      readonly kind: "post"
      readonly hold: EntryId
      readonly payments?: ReadonlyArray<Payment>
      /** Instead of `payments`, where the hold is for one payee in one currency. */
      readonly amount?: number
    }
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
  /** An amount or a limit that is no whole number of minor units, or not above 0 (a limit may be 0). */
  | "badAmount"
  /** A part of a hold was to be paid by its amount alone, and the hold is for several. */
  | "severalPayments"
  /** Longer than a memo may be, or with characters that cannot be shown. */
  | "badMemo"
  /** A time that is no whole number of milliseconds since the epoch. */
  | "badTime"
  /** This member's own chain has forked: what it writes from now on would not be booked. */
  | "ownChainForked"

/** What became of an intent; each is final. */
export type WriteOutcome =
  | { readonly _tag: "Committed"; readonly entryId: EntryId; readonly version: number }
  | { readonly _tag: "Refused"; readonly reason: Refusal }

/** The key of an entry for a key in anybody's own words: the first 16 bytes of its SHA-256, as hex. */
export const idempotencyKeyOf = (text: string): string => hash("sha256", text, "hex").slice(0, 2 * idempotencyKeyBytes)
