/** Sums by account and currency: the rows of the books, in exact integers or not at all. */
import type { AccountId } from "./ledgerEntry.ts"

/** Minor units. */
export interface Sums {
  readonly posted: number
  readonly held: number
  readonly unacked: number
}

const nothing: Sums = { posted: 0, held: 0, unacked: 0 }

const keyOf = (account: AccountId, currency: number): string => `${account} ${currency}`

export class SumsTable {
  readonly #rows = new Map<string, Sums>()

  get(account: AccountId, currency: number): Sums {
    return this.#rows.get(keyOf(account, currency)) ?? nothing
  }

  change(account: AccountId, currency: number, part: keyof Sums, by: number): void {
    const key = keyOf(account, currency)
    const before = this.#rows.get(key) ?? nothing
    const sums = { ...before, [part]: before[part] + by }
    // It would take millions of members at the highest limit (ledgerLimits.ts); wrong books would be worse than none.
    if (!Number.isSafeInteger(sums[part])) throw new RangeError(`the books of ${account} are beyond exact numbers`)
    // An account that has nothing any more has no row, as if it had never had anything.
    if (sums.posted === 0 && sums.held === 0 && sums.unacked === 0) this.#rows.delete(key)
    else this.#rows.set(key, sums)
  }

  /** Ascending by account, then currency (of one digit). */
  *rows(): Iterable<readonly [AccountId, number, Sums]> {
    for (const [key, sums] of [...this.#rows].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      const [account = "", currency = ""] = key.split(" ")
      yield [account, Number(currency), sums]
    }
  }
}
