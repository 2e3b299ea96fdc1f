/**
 * The entry of the ledger as plain data; its bytes are in protocol/entry.ts, its rules in ledgerAdmit.ts. An entry is
 * one step of its author's chain: it names the step before it, the credits that it makes spendable, and what else it
 * relies on. Ids, accounts and keys are lower-case hex, which compares as their bytes do.
 */

/** SHA-256 over tag and body of an entry: 64 hex digits. */
export type EntryId = string
/** The public key of a member (domain/did.ts): 64 hex digits. */
export type AccountId = string

/** A change of one account; positive is received, negative is given. */
export interface Leg {
  readonly account: AccountId
  /** Position in the currencies of the cooperative. */
  readonly currency: number
  /** Minor units, an integer, not 0. */
  readonly amount: number
}

export interface Currency {
  /** "hours", "EUR": letters, digits and "-". */
  readonly symbol: string
  /** Digits after the point. */
  readonly decimals: number
  /** The credit limit of a member without a grant, in minor units. */
  readonly startingLimit: number
}

/** What an entry does, with what only this kind says. */
export type EntryAct =
  /** Founds a cooperative; its id is the id of the cooperative. */
  | {
      readonly kind: "genesis"
      readonly name: string
      readonly currencies: ReadonlyArray<Currency>
      /** Ascending. They are members, and make members and grants. */
      readonly stewards: ReadonlyArray<AccountId>
      /** Stewards that have to agree; always 1 for now. */
      readonly threshold: number
    }
  /** A steward makes somebody a member. */
  | { readonly kind: "member"; readonly account: AccountId }
  /** A steward sets somebody's credit limit in one currency. */
  | {
      readonly kind: "grant"
      readonly account: AccountId
      readonly currency: number
      /** Minor units, 0 or more. */
      readonly limit: number
    }
  /** A payment. */
  | { readonly kind: "transfer" }
  /** Sets a payment aside; its legs count when it is posted. */
  | {
      readonly kind: "hold"
      /** Milliseconds since the epoch, after which the payer's node voids it; no rule looks at it. */
      readonly expiresAt: number
    }
  /** Pays what was held, or a part of it; the rest is free again. */
  | { readonly kind: "post"; readonly hold: EntryId }
  /** Frees what was held. */
  | { readonly kind: "void"; readonly hold: EntryId }
  /** A receiver gives back all that he got from one entry. */
  | { readonly kind: "reverse"; readonly reversed: EntryId }
  /** Makes credits spendable, nothing else. */
  | { readonly kind: "ack" }

export type EntryKind = EntryAct["kind"]

interface EntryBase {
  /** Null in the genesis, whose own id it would be. */
  readonly coop: EntryId | null
  readonly author: AccountId
  /** Position in the author's chain, from 0. */
  readonly seq: number
  /** The entry before it in the author's chain; null at 0. */
  readonly prev: EntryId | null
  /** One more than the largest of the entries that it refers to. */
  readonly lamport: number
  /** Milliseconds since the epoch by the author's clock; no rule looks at it. */
  readonly at: number
  /** Ascending by currency, then account; an account once per currency. */
  readonly legs: ReadonlyArray<Leg>
  /** Credits to the author that become spendable with this entry; ascending. */
  readonly acks: ReadonlyArray<EntryId>
  /** Memberships and grants that the author relies on from now on, or any entries he wants to have seen; ascending. */
  readonly deps: ReadonlyArray<EntryId>
  /** 32 hex digits, or empty without one. No two entries of a chain have the same. */
  readonly idempotencyKey: string
  readonly memo: string
}

export type Entry = EntryBase & EntryAct
export type GenesisEntry = EntryBase & Extract<EntryAct, { kind: "genesis" }>

/** An entry and the hash of its bytes. */
export interface IdentifiedEntry {
  readonly id: EntryId
  readonly entry: Entry
}

/** The entry that a post, void or reverse is about. */
export const subjectOf = (entry: Entry): EntryId | undefined => {
  if (entry.kind === "post" || entry.kind === "void") return entry.hold
  return entry.kind === "reverse" ? entry.reversed : undefined
}

/**
 * All entries that have to be known before this one can be judged, each once. The genesis is in the past of everything;
 * only the first entry of a chain refers to it as such.
 */
export const referencesOf = (entry: Entry): ReadonlyArray<EntryId> => {
  const chain = entry.prev ?? entry.coop
  const subject = subjectOf(entry)
  return [
    ...new Set([
      ...(chain === null ? [] : [chain]),
      ...(subject === undefined ? [] : [subject]),
      ...entry.acks,
      ...entry.deps
    ])
  ]
}

/** Whether the legs change balances at once: those of a hold wait for its post. */
export const isPosting = (entry: Entry): boolean =>
  entry.kind === "transfer" || entry.kind === "post" || entry.kind === "reverse"

/** What an entry gives to an account: its positive legs there. */
export const creditsTo = (entry: Entry, account: AccountId): ReadonlyArray<Leg> =>
  isPosting(entry) ? entry.legs.filter((leg) => leg.account === account && leg.amount > 0) : []

/** The order of legs in an entry. */
export const compareLegs = (a: Leg, b: Leg): number =>
  a.currency - b.currency || (a.account < b.account ? -1 : a.account > b.account ? 1 : 0)
