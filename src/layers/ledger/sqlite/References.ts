/** What entries say of others: credits acked, holds resolved, entries reversed or relied on, keys used. */
import type { DatabaseSync, StatementSync } from "node:sqlite"
import type { Use } from "../../../domain/ledgerAdmit.ts"
import { subjectOf } from "../../../domain/ledgerEntry.ts"
import type { Accounts } from "./Accounts.ts"
import type { Entries, Located } from "./Entries.ts"
import { LastAnswer } from "./LastAnswer.ts"
import { execute, fromHex, integerOf, type Row, roles } from "./values.ts"

export class References {
  readonly #accounts: Accounts
  readonly #entries: Entries
  readonly #insert: StatementSync
  readonly #insertKey: StatementSync
  readonly #insertConcerning: StatementSync
  readonly #users: StatementSync
  readonly #keyUsers: StatementSync
  readonly #concerning: StatementSync
  /** Asked when a request comes, and when its entry is judged. */
  readonly usersOfKey = new LastAnswer<ReadonlyArray<Located>>()
  /** Asked before every own entry. */
  readonly concerned = new LastAnswer<ReadonlyArray<Located>>()
  readonly #hasBooked: StatementSync
  readonly #memberships: StatementSync
  readonly #isMember: StatementSync

  constructor(database: DatabaseSync, accounts: Accounts, entries: Entries) {
    this.#accounts = accounts
    this.#entries = entries
    this.#insert = database.prepare(
      "INSERT INTO reference (to_version, role, author, from_version) VALUES (?, ?, ?, ?)"
    )
    this.#insertKey = database.prepare("INSERT INTO idempotency (author, key, version) VALUES (?, ?, ?)")
    this.#insertConcerning = database.prepare("INSERT INTO concerning (account, version, kind) VALUES (?, ?, ?)")
    this.#users = database.prepare(
      "SELECT from_version FROM reference WHERE to_version = ? AND role = ? AND author = ?"
    )
    this.#keyUsers = database.prepare("SELECT version FROM idempotency WHERE author = ? AND key = ?")
    this.#concerning = database.prepare("SELECT version FROM concerning WHERE account = ? ORDER BY version")
    this.#hasBooked = database.prepare(
      `SELECT 1 FROM reference r JOIN entry e ON e.version = r.from_version
       WHERE r.to_version = ? AND r.role = ? AND r.author = ? AND e.booked = 1`
    )
    this.#memberships = database.prepare(
      `SELECT c.account, min(c.version) AS version FROM concerning c JOIN entry e ON e.version = c.version
       WHERE c.kind = 1 AND e.booked = 1 GROUP BY c.account`
    )
    this.#isMember = database.prepare(
      `SELECT 1 FROM concerning c JOIN entry e ON e.version = c.version
       WHERE c.account = ? AND c.kind = 1 AND e.booked = 1`
    )
  }

  /** Takes in what a new entry says. */
  insert(one: Located): void {
    const { author, entry, version } = one
    for (const id of entry.acks) this.#add(id, roles.ack, one)
    for (const id of entry.deps) this.#add(id, roles.dep, one)
    const subject = subjectOf(entry)
    if (subject !== undefined) this.#add(subject, entry.kind === "reverse" ? roles.reverse : roles.resolve, one)
    if (entry.prev === null && entry.coop !== null) this.#add(entry.coop, roles.genesis, one)
    this.usersOfKey.changed()
    if (entry.idempotencyKey !== "") execute(this.#insertKey, author, fromHex(entry.idempotencyKey), version)
    if (entry.kind === "member" || entry.kind === "grant") {
      this.concerned.changed()
      this.#insertConcerning.run(this.#accounts.ensure(entry.account), version, entry.kind === "member" ? 1 : 2)
    }
  }

  /** Every entry of the author that uses this, on whichever branch. */
  uses(author: number, use: Use, what: string): ReadonlyArray<Located> {
    if (use === "key") {
      return this.usersOfKey.get(`${author} ${what}`, () => this.#all(this.#keyUsers.all(author, fromHex(what))))
    }
    const used = this.#entries.find(what)
    if (used === undefined) return []
    const users = this.#users.all(used.version, roles[use], author)
    return users.map((row) => this.#entries.byVersion(integerOf(row, "from_version")))
  }

  /** Memberships and grants of an account, in order of arrival. */
  concerning(account: number): ReadonlyArray<Located> {
    return this.concerned.get(account, () => this.#all(this.#concerning.all(account)))
  }

  /** Whether a booked post or void of the payer, or a booked ack of the receiver, refers to an entry. */
  hasBooked(version: number, role: "ack" | "resolve", author: number): boolean {
    return this.#hasBooked.get(version, roles[role], author) !== undefined
  }

  isMember(account: number): boolean {
    return this.#isMember.get(account) !== undefined
  }

  /** Accounts with a booked membership, and the first of it. */
  memberships(): ReadonlyArray<{ readonly account: number; readonly version: number }> {
    return this.#memberships
      .all()
      .map((row) => ({ account: integerOf(row, "account"), version: integerOf(row, "version") }))
  }

  #all(rows: ReadonlyArray<Row>): ReadonlyArray<Located> {
    return rows.map((row) => this.#entries.byVersion(integerOf(row, "version")))
  }

  #add(id: string, role: number, { author, version }: Located): void {
    execute(this.#insert, this.#entries.get(id).version, role, author, version)
  }
}
