/**
 * What credit limit somebody could have, for stewards to grant: rules of thumb that look at what a member has given so
 * far and for how long he has been there. They decide nothing: a limit is what a steward's grant says.
 *
 * full limit = baseline + baseline × trust × trust's share + cleared volume × history's share. A new member begins with
 * a small limit, has it until he has cleared the threshold, and then it grows evenly to the full limit over the ramp.
 * Both are the policies of the Rust daemon (icnd); its amounts are those of a currency with two decimals, here
 * they are in whole units.
 */
import { type AccountId, type Entry, isPosting, type Leg } from "./ledgerEntry.ts"
import { amountMax } from "./ledgerLimits.ts"

export const creditPolicyNames = ["conservative", "permissive"] as const
export type CreditPolicyName = (typeof creditPolicyNames)[number]

/** A policy; shares in percent, so that limits are exact. */
interface CreditPolicy {
  /** Whole units of the currency. */
  readonly baseline: number
  readonly trustPercent: number
  readonly historyPercent: number
}

const policies: Readonly<Record<CreditPolicyName, CreditPolicy>> = {
  conservative: { baseline: 100, trustPercent: 30, historyPercent: 5 },
  permissive: { baseline: 500, trustPercent: 50, historyPercent: 15 }
}

/** The limit of a new member, and the cleared volume from which it grows; whole units. */
const initialLimit = 10
const clearedThreshold = 50
/** How long it takes to grow to the full limit. */
export const rampDays = 90
const dayMillis = 86_400_000

/** What is known of a member in one currency. */
export interface MemberRecord {
  /** What he has received for what he did, less what he gave back; minor units. */
  readonly cleared: number
  readonly tenureMillis: number
  /** From 0 to 1; 0 as long as nobody can tell. */
  readonly trust: number
}

/** The limit that a policy suggests, in minor units of a currency with so many decimals. */
export const suggestLimit = (name: CreditPolicyName, decimals: number, record: MemberRecord): number => {
  const { baseline, historyPercent, trustPercent } = policies[name]
  const unit = 10 ** decimals
  const cleared = Math.max(0, record.cleared)
  const trust = Math.min(1, Math.max(0, record.trust))
  const full =
    baseline * unit +
    Math.floor((baseline * unit * trust * trustPercent) / 100) +
    // Divided first: a product with the largest volume would not be exact.
    Math.floor(cleared / 100) * historyPercent +
    Math.floor(((cleared % 100) * historyPercent) / 100)
  const initial = initialLimit * unit
  if (cleared < clearedThreshold * unit) return Math.min(initial, full, amountMax)
  const grown = Math.min(1, Math.max(0, record.tenureMillis) / (rampDays * dayMillis))
  return Math.min(initial + Math.floor((full - initial) * grown), full, amountMax)
}

/** Payers that are told apart; more of them say no more. */
export const payersMax = 100

interface Activity {
  sinceMillis: number | undefined
  readonly cleared: Array<number>
  readonly payers: Set<AccountId>
}

/**
 * What members have done, from the entries in the order of the journal. Keeps about a hundred bytes per member, and as
 * many again per payer of his up to `payersMax`.
 */
export class LedgerActivity {
  readonly #accounts = new Map<AccountId, Activity>()

  #of(account: AccountId): Activity {
    const known = this.#accounts.get(account)
    if (known !== undefined) return known
    const fresh: Activity = { sinceMillis: undefined, cleared: [], payers: new Set() }
    this.#accounts.set(account, fresh)
    return fresh
  }

  #joined(account: AccountId, at: number): void {
    const activity = this.#of(account)
    activity.sinceMillis = Math.min(activity.sinceMillis ?? at, at)
  }

  #cleared(leg: Leg, payer: AccountId): void {
    const { cleared, payers } = this.#of(leg.account)
    cleared[leg.currency] = (cleared[leg.currency] ?? 0) + leg.amount
    if (leg.amount > 0 && payers.size < payersMax) payers.add(payer)
  }

  /** Takes in a booked entry. */
  observe(entry: Entry): void {
    if (entry.kind === "genesis") for (const steward of entry.stewards) this.#joined(steward, entry.at)
    if (entry.kind === "member") this.#joined(entry.account, entry.at)
    if (!isPosting(entry)) return
    // Giving back takes from one's own volume, and is no merit of him who gets it.
    const counts = (leg: Leg) => (entry.kind === "reverse" ? leg.amount < 0 : leg.amount > 0)
    for (const leg of entry.legs) if (counts(leg)) this.#cleared(leg, entry.author)
  }

  /** What is known of an account in one currency; times in milliseconds since the epoch. */
  of(account: AccountId, currency: number, nowMillis: number): MemberRecord & { readonly payers: number } {
    const { cleared, payers, sinceMillis } = this.#accounts.get(account) ?? {
      cleared: [],
      payers: new Set(),
      sinceMillis: undefined
    }
    return {
      cleared: cleared[currency] ?? 0,
      tenureMillis: sinceMillis === undefined ? 0 : Math.max(0, nowMillis - sinceMillis),
      trust: 0,
      payers: payers.size
    }
  }
}
