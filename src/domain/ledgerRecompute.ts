/**
 * The books worked out anew from the booked entries, from the definitions and in one pass. It shares no
 * state and little code with `LedgerBooks`, so that each is a check of the other.
 */
import { bookedEntries } from "./ledgerBooking.ts"
import { type Balance, balanceOf } from "./ledgerBooks.ts"
import { isLaterGrant, type GrantRank } from "./ledgerChain.ts"
import { type AccountId, creditsTo, type EntryId, isPosting, subjectOf } from "./ledgerEntry.ts"
import type { HistoryEntry, LedgerHistory } from "./ledgerHistory.ts"
import { SumsTable } from "./ledgerSums.ts"

/** What booked entries say about others. */
interface Said {
  readonly resolved: Set<EntryId>
  /** Credit and receiver. */
  readonly acked: Set<string>
  readonly members: Set<AccountId>
  /** The latest grant named in the chain, by account and currency. */
  readonly grants: Map<string, GrantRank & { readonly limit: number }>
}

const read = (history: LedgerHistory, booked: ReadonlySet<HistoryEntry>): Said => {
  const said: Said = { resolved: new Set(), acked: new Set(), members: new Set(), grants: new Map() }
  for (const { entry } of booked) {
    const subject = subjectOf(entry)
    if (subject !== undefined && entry.kind !== "reverse") said.resolved.add(subject)
    if (entry.kind === "member") said.members.add(entry.account)
    for (const id of entry.acks) said.acked.add(`${id} ${entry.author}`)
    for (const id of entry.deps) {
      const grant = history.find(id)?.entry
      if (grant?.kind !== "grant" || grant.account !== entry.author) continue
      const key = `${grant.account} ${grant.currency}`
      const rank = { id, lamport: grant.lamport, limit: grant.limit }
      if (isLaterGrant(rank, said.grants.get(key))) said.grants.set(key, rank)
    }
  }
  return said
}

const sum = (booked: ReadonlySet<HistoryEntry>, { acked, resolved }: Said): SumsTable => {
  const sums = new SumsTable()
  for (const { entry, id } of booked) {
    for (const { account, amount, currency } of entry.legs) {
      if (isPosting(entry)) sums.change(account, currency, "posted", amount)
      else if (amount < 0 && !resolved.has(id)) sums.change(account, currency, "held", -amount)
    }
    for (const payee of new Set(entry.legs.map(({ account }) => account))) {
      if (acked.has(`${id} ${payee}`)) continue
      for (const { amount, currency } of creditsTo(entry, payee)) sums.change(payee, currency, "unacked", amount)
    }
  }
  return sums
}

/** Every account that has a row, ascending by account, then currency: what `LedgerBooks.balances` has to say. */
export const recomputeBalances = (history: LedgerHistory): ReadonlyArray<Balance> => {
  const genesis = history.find(history.coop)?.entry
  if (genesis?.kind !== "genesis") return []
  const booked = bookedEntries(history)
  const said = read(history, booked)
  const isMember = (account: AccountId) => genesis.stewards.includes(account) || said.members.has(account)
  return [...sum(booked, said).rows()].map(([account, currency, sums]) => {
    const starting = isMember(account) ? (genesis.currencies[currency]?.startingLimit ?? 0) : 0
    return balanceOf(account, currency, sums, said.grants.get(`${account} ${currency}`)?.limit ?? starting)
  })
}
