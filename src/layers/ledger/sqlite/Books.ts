/**
 * The books in the tables: sums by account, open holds, credits that wait for an ack (domain/ledgerBooks.ts). What a
 * new booked entry changes is known from the entry alone; only where forks change what is booked does it take a look at
 * what else refers to the same.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite"
import { type EntryId, isPosting, type Leg } from "../../../domain/ledgerEntry.ts"
import type { OpenHold } from "../Journal.ts"
import type { Accounts } from "./Accounts.ts"
import type { BookingChange } from "./Booking.ts"
import type { Entries, Located } from "./Entries.ts"
import type { References } from "./References.ts"
import { LastAnswer } from "./LastAnswer.ts"
import type { SumsRows } from "./Sums.ts"
import { execute, hexOf, integerOf } from "./values.ts"

export class Books {
  readonly #accounts: Accounts
  readonly #entries: Entries
  readonly #references: References
  readonly #sums: SumsRows
  readonly #insertLeg: StatementSync
  readonly #bookLeg: StatementSync
  readonly #openLeg: StatementSync
  readonly #insertHold: StatementSync
  readonly #removeHold: StatementSync
  readonly #holds: StatementSync
  readonly #credits: StatementSync
  readonly #anyOpen: StatementSync
  /** Asked before every own entry, and mostly there is nothing. */
  readonly isNothingOpen = new LastAnswer<boolean>()

  constructor(database: DatabaseSync, accounts: Accounts, entries: Entries, references: References, sums: SumsRows) {
    this.#accounts = accounts
    this.#entries = entries
    this.#references = references
    this.#sums = sums
    this.#insertLeg = database.prepare(
      "INSERT INTO leg (account, currency, version, amount, posting, booked, open) VALUES (?, ?, ?, ?, ?, ?, ?)"
    )
    this.#bookLeg = database.prepare("UPDATE leg SET booked = ? WHERE account = ? AND currency = ? AND version = ?")
    this.#openLeg = database.prepare(
      "UPDATE leg SET open = ? WHERE account = ? AND currency = ? AND version = ? AND open <> ?"
    )
    this.#insertHold = database.prepare("INSERT INTO open_hold (account, expires_at, version) VALUES (?, ?, ?)")
    this.#removeHold = database.prepare("DELETE FROM open_hold WHERE account = ? AND expires_at = ? AND version = ?")
    this.#holds = database.prepare(
      `SELECT h.expires_at, e.id FROM open_hold h JOIN entry e ON e.version = h.version
       WHERE h.account = ? ORDER BY h.expires_at, e.id LIMIT ?`
    )
    this.#credits = database.prepare(
      `SELECT DISTINCT l.version, e.id FROM leg l INDEXED BY leg_open JOIN entry e ON e.version = l.version
       JOIN author a ON a.account = e.author
       WHERE l.account = ? AND l.open = 1 AND l.posting = 1 AND e.proof = 1 AND a.lowest_fork IS NULL
       ORDER BY l.version LIMIT ?`
    )
    this.#anyOpen = database.prepare("SELECT 1 FROM leg INDEXED BY leg_open WHERE account = ? AND open = 1 LIMIT 1")
  }

  /** A new entry, to which nothing refers yet. */
  insert(one: Located, booked: boolean): void {
    const { entry, version } = one
    const posting = isPosting(entry)
    for (const { account, amount, currency } of entry.legs) {
      const number = this.#accounts.ensure(account)
      const open = booked && (posting ? amount > 0 : amount < 0)
      if (open) this.isNothingOpen.changed(number)
      execute(this.#insertLeg, number, currency, version, amount, posting ? 1 : 0, booked ? 1 : 0, open ? 1 : 0)
      if (!booked) continue
      if (posting) this.#sums.change(number, currency, amount, 0, amount > 0 ? amount : 0)
      else if (amount < 0) this.#sums.change(number, currency, 0, -amount, 0)
    }
    if (!booked) return
    if (entry.kind === "hold") this.#insertHold.run(one.author, entry.expiresAt, version)
    if (entry.kind === "post" || entry.kind === "void") this.#openHold(this.#entries.get(entry.hold), false)
    for (const id of entry.acks) this.#openCredit(this.#entries.get(id), one.author, false)
  }

  /** Entries that are booked from now on, or no longer. */
  apply(changes: ReadonlyArray<BookingChange>): void {
    for (const { booked, version } of changes) this.#post(this.#entries.byVersion(version), booked)
    // Only now that all of them are in their new place: whether a hold is open depends on others.
    for (const { version } of changes) this.#settleAround(this.#entries.byVersion(version))
  }

  openHolds(account: number, max: number): ReadonlyArray<OpenHold> {
    return this.#holds
      .all(account, max)
      .map((row) => ({ id: hexOf(row, "id"), expiresAt: integerOf(row, "expires_at") }))
  }

  /** Credits that wait for an ack of the account: signed ones, of payers who have not forked. */
  creditsToAck(account: number, max: number): ReadonlyArray<EntryId> {
    // Beginning the whole query takes ten times as long.
    if (this.isNothingOpen.get(account, () => this.#anyOpen.get(account) === undefined)) return []
    return this.#credits.all(account, max).map((row) => hexOf(row, "id"))
  }

  #post({ entry, version }: Located, booked: boolean): void {
    this.#entries.setBooked(version, booked)
    const posting = isPosting(entry)
    for (const { account, amount, currency } of entry.legs) {
      const number = this.#accounts.ensure(account)
      this.#bookLeg.run(booked ? 1 : 0, number, currency, version)
      if (posting) this.#sums.change(number, currency, booked ? amount : -amount, 0, 0)
    }
  }

  /** Looks again at every hold and credit that the entry makes, resolves or acks. */
  #settleAround(one: Located): void {
    const { entry } = one
    if (entry.kind === "hold") this.#settleHold(one)
    if (entry.kind === "post" || entry.kind === "void") this.#settleHold(this.#entries.get(entry.hold))
    if (isPosting(entry)) {
      const payees = new Set(entry.legs.filter(({ amount }) => amount > 0).map(({ account }) => account))
      for (const payee of payees) this.#settleCredit(one, this.#accounts.ensure(payee))
    }
    for (const id of entry.acks) this.#settleCredit(this.#entries.get(id), one.author)
  }

  #settleHold(hold: Located): void {
    const { author, version } = hold
    const resolved = this.#references.hasBooked(version, "resolve", author)
    this.#openHold(hold, !resolved && this.#entries.isBooked(version))
  }

  #settleCredit(credit: Located, account: number): void {
    const { version } = credit
    const acked = this.#references.hasBooked(version, "ack", account)
    this.#openCredit(credit, account, !acked && this.#entries.isBooked(version))
  }

  #openHold({ author, entry, version }: Located, open: boolean): void {
    let changed = false
    for (const { account, amount, currency } of entry.legs) {
      if (amount > 0 || !this.#setOpen(account, currency, version, open)) continue
      this.#sums.change(author, currency, 0, open ? -amount : amount, 0)
      changed = true
    }
    if (!changed || entry.kind !== "hold") return
    if (open) this.#insertHold.run(author, entry.expiresAt, version)
    else this.#removeHold.run(author, entry.expiresAt, version)
  }

  #openCredit({ entry, version }: Located, number: number, open: boolean): void {
    const account = this.#accounts.keyOf(number)
    for (const leg of entry.legs) {
      if (leg.account !== account || leg.amount < 0 || !this.#setOpen(account, leg.currency, version, open)) continue
      this.#sums.change(number, leg.currency, 0, 0, open ? leg.amount : -leg.amount)
    }
  }

  #setOpen(account: Leg["account"], currency: number, version: number, open: boolean): boolean {
    const wanted = open ? 1 : 0
    this.isNothingOpen.changed()
    return this.#openLeg.run(wanted, this.#accounts.ensure(account), currency, version, wanted).changes === 1
  }
}
