/**
 * The rows of the books, in exact integers or not at all. Within `write` they are kept here and written once at its
 * end, or before somebody asks the table.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite"
import { currenciesMax } from "../../../domain/ledgerLimits.ts"
import type { Sums } from "../../../domain/ledgerSums.ts"
import { integerOf } from "./values.ts"

const nothing: Sums = { posted: 0, held: 0, unacked: 0 }

/** Rows kept within one write: as many as a large commit changes. */
const keptMax = 2_048

interface Kept {
  sums: Sums
  changed: boolean
}

export class SumsRows {
  readonly #select: StatementSync
  readonly #upsert: StatementSync
  readonly #remove: StatementSync
  /** By account and currency in one number. */
  readonly #kept = new Map<number, Kept>()
  #writing = false

  constructor(database: DatabaseSync) {
    this.#select = database.prepare("SELECT posted, held, unacked FROM balance WHERE account = ? AND currency = ?")
    this.#upsert = database.prepare(
      `INSERT INTO balance (account, currency, posted, held, unacked) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET posted = excluded.posted, held = excluded.held, unacked = excluded.unacked`
    )
    this.#remove = database.prepare(
      "DELETE FROM balance WHERE account = ? AND currency = ? AND posted_0 = 0 AND held_0 = 0 AND unacked_0 = 0"
    )
  }

  get(account: number, currency: number): Sums {
    return this.#writing ? this.#row(account, currency).sums : this.#read(account, currency)
  }

  change(account: number, currency: number, posted: number, held: number, unacked: number): void {
    const row = this.#row(account, currency)
    const before = row.sums
    const sums = { posted: before.posted + posted, held: before.held + held, unacked: before.unacked + unacked }
    const exact = Number.isSafeInteger(sums.posted) && Number.isSafeInteger(sums.held)
    // It would take millions of members at the highest limit (ledgerLimits.ts); wrong books would be worse than none.
    if (!exact || !Number.isSafeInteger(sums.unacked)) throw new RangeError("the books are beyond exact numbers")
    row.sums = sums
    row.changed = true
  }

  begin(): void {
    this.#writing = true
  }

  /** Writes what has changed. */
  flush(): void {
    for (const [key, row] of this.#kept) {
      if (!row.changed) continue
      row.changed = false
      const currency = key % currenciesMax
      const account = (key - currency) / currenciesMax
      const { held, posted, unacked } = row.sums
      this.#upsert.run(account, currency, posted, held, unacked)
      if (posted === 0 && held === 0 && unacked === 0) this.#remove.run(account, currency)
    }
  }

  /** After a commit or a rollback. */
  end(): void {
    this.#writing = false
    this.#kept.clear()
  }

  #read(account: number, currency: number): Sums {
    const row = this.#select.get(account, currency)
    return row === undefined
      ? nothing
      : { posted: integerOf(row, "posted"), held: integerOf(row, "held"), unacked: integerOf(row, "unacked") }
  }

  #row(account: number, currency: number): Kept {
    const key = account * currenciesMax + currency
    const kept = this.#kept.get(key)
    if (kept !== undefined) return kept
    if (this.#kept.size >= keptMax) {
      this.flush()
      this.#kept.clear()
    }
    const row = { sums: this.#read(account, currency), changed: false }
    this.#kept.set(key, row)
    return row
  }
}
