/** How many entries of which kind came into a journal, for metrics: counted where the entries are, told as numbers. */
import { type AccountId, type EntryKind, isPosting } from "../../domain/ledgerEntry.ts"
import type { StoredEntry } from "./Journal.ts"

export interface Tally {
  /** Of the last entry that was counted. */
  readonly version: number
  readonly entries: ReadonlyArray<{ readonly kind: EntryKind; readonly own: boolean; readonly count: number }>
  /** What each payment takes from the payer, in minor units. */
  readonly payments: ReadonlyArray<{ readonly currency: number; readonly amount: number }>
}

/** Counts entries that follow one another in a journal. */
export const tallyOf = (entries: ReadonlyArray<StoredEntry>, account: AccountId, after: number): Tally => {
  const counts = new Map<string, { readonly kind: EntryKind; readonly own: boolean; count: number }>()
  const payments: Array<{ readonly currency: number; readonly amount: number }> = []
  for (const { entry } of entries) {
    const { author, kind, legs } = entry
    const own = author === account
    const key = `${kind} ${own}`
    const counted = counts.get(key) ?? { kind, own, count: 0 }
    counts.set(key, counted)
    counted.count++
    if (!isPosting(entry)) continue
    for (const { amount, currency } of legs) if (amount < 0) payments.push({ currency, amount: -amount })
  }
  return { version: entries.at(-1)?.version ?? after, entries: [...counts.values()], payments }
}
