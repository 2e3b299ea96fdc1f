/**
 * The books: what every account has, as a function of the set of valid entries. `LedgerBooks` keeps them up to date
 * with each entry; ledgerRecompute.ts works them out anew, by other code, and has to come to the same.
 *
 * For an author who has not forked, `available` is what his next entry may give away.
 */
import { isLaterGrant, type GrantRank } from "./ledgerChain.ts"
import { type AccountId, creditsTo, isPosting, subjectOf } from "./ledgerEntry.ts"
import { LedgerBooking } from "./ledgerBooking.ts"
import type { HistoryEntry, LedgerHistory } from "./ledgerHistory.ts"
import { type Sums, SumsTable } from "./ledgerSums.ts"

/** One account in one currency, in minor units. */
export interface Balance {
  readonly account: AccountId
  readonly currency: number
  /** Received less given. Over all accounts of a currency the sum is 0. */
  readonly posted: number
  /** Set aside by open holds. */
  readonly held: number
  /** Received and not yet acked, so not yet spendable. */
  readonly unacked: number
  /** What may be given away: posted − unacked − held + limit. */
  readonly available: number
  readonly limit: number
}

type IsBooked = (entry: HistoryEntry) => boolean

/** Whether a booked hold waits for a booked post or void; a cheat may have several of them. */
const isOpen = (hold: HistoryEntry, isBooked: IsBooked): boolean =>
  isBooked(hold) &&
  !hold.children.some((child) => {
    const { kind } = child.entry
    return (kind === "post" || kind === "void") && subjectOf(child.entry) === hold.id && isBooked(child)
  })

/** Whether a booked credit to an account waits for a booked ack of its owner. */
const isUnacked = (credit: HistoryEntry, account: AccountId, isBooked: IsBooked): boolean =>
  isBooked(credit) &&
  !credit.children.some(
    (child) => child.entry.author === account && child.entry.acks.includes(credit.id) && isBooked(child)
  )

/** The limit and membership of an account, from booked entries alone. */
const limitOf = (history: LedgerHistory, isBooked: IsBooked, account: AccountId, currency: number): number => {
  const genesis = history.find(history.coop)?.entry
  if (genesis?.kind !== "genesis") return 0
  const author = history.author(account)
  // The state of a chain that is booked as a whole knows already.
  if (author !== undefined && author.lowestFork === undefined) {
    return history.tip(account)?.chain.accounts[currency]?.limit ?? 0
  }
  const isMember =
    genesis.stewards.includes(account) ||
    history.concerning(account).some((entry) => entry.entry.kind === "member" && isBooked(entry))
  let limit = isMember ? (genesis.currencies[currency]?.startingLimit ?? 0) : 0
  let latest: GrantRank | undefined
  for (const entry of author?.entries ?? []) {
    const state = isBooked(entry) ? entry.chain.accounts[currency] : undefined
    if (state?.grant === undefined || !isLaterGrant(state.grant, latest)) continue
    latest = state.grant
    limit = state.limit
  }
  return limit
}

/** A row of the books. */
export const balanceOf = (account: AccountId, currency: number, sums: Sums, limit: number): Balance => ({
  account,
  currency,
  ...sums,
  limit,
  available: sums.posted - sums.unacked - sums.held + limit
})

/** The books of a history, following it entry by entry. */
export class LedgerBooks {
  readonly #history: LedgerHistory
  readonly #booking: LedgerBooking
  readonly #sums = new SumsTable()
  readonly #open = new Set<HistoryEntry>()
  readonly #unacked = new Map<AccountId, Set<HistoryEntry>>()
  readonly #isBooked: IsBooked

  constructor(history: LedgerHistory) {
    this.#history = history
    this.#booking = new LedgerBooking(history)
    this.#isBooked = (entry) => this.#booking.isBooked(entry)
  }

  isBooked(entry: HistoryEntry): boolean {
    return this.#booking.isBooked(entry)
  }

  balance(account: AccountId, currency: number): Balance {
    const limit = limitOf(this.#history, this.#isBooked, account, currency)
    return balanceOf(account, currency, this.#sums.get(account, currency), limit)
  }

  /** Every account that anything was booked for and not evened out, ascending by account, then currency. */
  balances(): ReadonlyArray<Balance> {
    return [...this.#sums.rows()].map(([account, currency]) => this.balance(account, currency))
  }

  /** Credits that wait for the ack of this account, and whose payers are not known to have forked. */
  creditsToAck(account: AccountId): ReadonlyArray<HistoryEntry> {
    return [...(this.#unacked.get(account) ?? [])].filter(({ entry }) => !this.#history.isForked(entry.author))
  }

  /** Holds that are neither posted nor voided. */
  openHolds(): Iterable<HistoryEntry> {
    return this.#open
  }

  /** Adds to the sums of a row that somebody found wrong. */
  correct(account: AccountId, currency: number, by: Sums): void {
    for (const part of ["posted", "held", "unacked"] as const) {
      if (by[part] !== 0) this.#sums.change(account, currency, part, by[part])
    }
  }

  /** Follows an entry that the history has just taken in. */
  added(entry: HistoryEntry): void {
    const { booked, unbooked } = this.#booking.added(entry)
    for (const one of booked) this.#post(one, 1)
    for (const one of unbooked) this.#post(one, -1)
    // Only now that all of them are in their new place: whether a hold is open depends on others.
    for (const one of [...booked, ...unbooked]) this.#settleAround(one)
  }

  #post({ entry }: HistoryEntry, sign: 1 | -1): void {
    if (!isPosting(entry)) return
    for (const { account, amount, currency } of entry.legs)
      this.#sums.change(account, currency, "posted", sign * amount)
  }

  /** Looks again at every hold and credit that the entry makes, resolves or acks. */
  #settleAround(one: HistoryEntry): void {
    const { entry } = one
    if (entry.kind === "hold") this.#settleHold(one)
    if (entry.kind === "post" || entry.kind === "void") this.#settleHold(this.#history.find(entry.hold))
    if (isPosting(entry)) {
      const payees = new Set(entry.legs.filter(({ amount }) => amount > 0).map(({ account }) => account))
      for (const payee of payees) this.#settleCredit(one, payee)
    }
    for (const id of entry.acks) this.#settleCredit(this.#history.find(id), entry.author)
  }

  #settleHold(hold: HistoryEntry | undefined): void {
    if (hold === undefined) return
    const open = isOpen(hold, this.#isBooked)
    if (open === this.#open.has(hold)) return
    if (open) this.#open.add(hold)
    else this.#open.delete(hold)
    for (const { account, amount, currency } of hold.entry.legs) {
      if (amount < 0) this.#sums.change(account, currency, "held", open ? -amount : amount)
    }
  }

  #settleCredit(credit: HistoryEntry | undefined, account: AccountId): void {
    if (credit === undefined) return
    const waiting = this.#unacked.get(account) ?? new Set()
    const unacked = isUnacked(credit, account, this.#isBooked)
    if (unacked === waiting.has(credit)) return
    if (unacked) waiting.add(credit)
    else waiting.delete(credit)
    if (waiting.size > 0) this.#unacked.set(account, waiting)
    else this.#unacked.delete(account)
    for (const { amount, currency } of creditsTo(credit.entry, account)) {
      this.#sums.change(account, currency, "unacked", unacked ? amount : -amount)
    }
  }
}
