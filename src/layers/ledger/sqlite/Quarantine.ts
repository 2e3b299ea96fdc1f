/** Entries that came and are not in the journal, with what they wait for, and how much of it each author takes. */
import type { DatabaseSync, StatementSync } from "node:sqlite"
import type { AccountId, EntryId } from "../../../domain/ledgerEntry.ts"
import type { Quarantined } from "../Journal.ts"
import { bytesOf, fromHex, hexOf, integerOf, type Row, textOf } from "./values.ts"

const stateOf = (row: Row): Quarantined["state"] => {
  const state = textOf(row, "state")
  if (state === "pending" || state === "rejected" || state === "parked") return state
  throw new Error(`no entry in quarantine is ${state}`)
}

/** What an entry takes of the bound on bytes. */
const sizeOf = ({ body, signature }: Quarantined["sealed"]): number => body.length + signature.length

export class Quarantine {
  readonly #select: StatementSync
  readonly #page: StatementSync
  readonly #position: StatementSync
  readonly #missing: StatementSync
  readonly #waiting: StatementSync
  readonly #size: StatementSync
  readonly #biggest: StatementSync
  readonly #insert: StatementSync
  readonly #insertMissing: StatementSync
  readonly #remove: StatementSync
  readonly #removeMissing: StatementSync
  readonly #account: StatementSync
  readonly #forgetAuthor: StatementSync

  constructor(database: DatabaseSync) {
    const prepare = (sql: string) => database.prepare(sql)
    const columns = "id, author, seq, state, reason, proof, at, body, signature"
    this.#select = prepare(`SELECT ${columns} FROM quarantine WHERE id = ?`)
    this.#page = prepare(`SELECT ${columns} FROM quarantine WHERE position < ? ORDER BY position DESC LIMIT ?`)
    this.#position = prepare("SELECT position FROM quarantine WHERE id = ?")
    this.#missing = prepare("SELECT missing FROM quarantine_missing WHERE id = ? ORDER BY missing")
    this.#waiting = prepare(
      `SELECT q.id FROM quarantine_missing m JOIN quarantine q ON q.id = m.id WHERE m.missing = ? ORDER BY q.position`
    )
    this.#size = prepare(
      `SELECT coalesce(sum(entries), 0) AS entries, coalesce(sum(bytes), 0) AS bytes,
         coalesce(sum(pending), 0) AS pending FROM quarantine_author_bytes`
    )
    this.#biggest = prepare(
      `SELECT b.author, (
         SELECT q.id FROM quarantine q WHERE q.author = b.author ORDER BY q.position LIMIT 1
       ) AS oldest FROM quarantine_author_bytes b ORDER BY b.bytes DESC LIMIT 1`
    )
    this.#insert = prepare(`INSERT INTO quarantine (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`)
    this.#insertMissing = prepare("INSERT OR IGNORE INTO quarantine_missing (missing, id) VALUES (?, ?)")
    this.#remove = prepare(
      `DELETE FROM quarantine WHERE id = ?
       RETURNING author, state, length(body) + length(signature) AS bytes`
    )
    this.#removeMissing = prepare("DELETE FROM quarantine_missing WHERE id = ?")
    this.#account = prepare(
      `INSERT INTO quarantine_author_bytes (author, bytes, entries, pending) VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes, entries = entries + excluded.entries,
       pending = pending + excluded.pending`
    )
    this.#forgetAuthor = prepare("DELETE FROM quarantine_author_bytes WHERE author = ? AND entries = 0")
  }

  get(id: EntryId): Quarantined | undefined {
    const row = this.#select.get(fromHex(id))
    return row === undefined ? undefined : this.#read(row)
  }

  page(after: EntryId | undefined, max: number): ReadonlyArray<Quarantined> {
    if (after === undefined) return this.#page.all(Number.MAX_SAFE_INTEGER, max).map((row) => this.#read(row))
    const row = this.#position.get(fromHex(after))
    return row === undefined ? [] : this.#page.all(integerOf(row, "position"), max).map((row) => this.#read(row))
  }

  size(): { readonly entries: number; readonly bytes: number; readonly pending: number } {
    const row = this.#size.get() ?? {}
    return { entries: integerOf(row, "entries"), bytes: integerOf(row, "bytes"), pending: integerOf(row, "pending") }
  }

  waitingFor(id: EntryId): ReadonlyArray<EntryId> {
    return this.#waiting.all(fromHex(id)).map((row) => hexOf(row, "id"))
  }

  biggestOffender(): { readonly author: AccountId; readonly oldest: EntryId } | undefined {
    const row = this.#biggest.get()
    return row === undefined ? undefined : { author: hexOf(row, "author"), oldest: hexOf(row, "oldest") }
  }

  put(one: Quarantined): void {
    this.remove(one.id)
    const { at, author, id, missing, proof, reason, sealed, seq, state } = one
    const [key, owner] = [fromHex(id), fromHex(author)]
    const signed = proof === "signed" ? 1 : 0
    this.#insert.run(key, owner, seq, state, reason, signed, at, sealed.body, sealed.signature)
    for (const other of missing) this.#insertMissing.run(fromHex(other), key)
    this.#account.run(owner, sizeOf(sealed), 1, state === "pending" ? 1 : 0)
  }

  remove(id: EntryId): void {
    const key = fromHex(id)
    const row = this.#remove.get(key)
    if (row === undefined) return
    this.#removeMissing.run(key)
    const author = bytesOf(row, "author")
    this.#account.run(author, -integerOf(row, "bytes"), -1, row["state"] === "pending" ? -1 : 0)
    this.#forgetAuthor.run(author)
  }

  #read(row: Row): Quarantined {
    return {
      id: hexOf(row, "id"),
      author: hexOf(row, "author"),
      seq: integerOf(row, "seq"),
      state: stateOf(row),
      reason: textOf(row, "reason"),
      missing: this.#missing.all(bytesOf(row, "id")).map((one) => hexOf(one, "missing")),
      proof: row["proof"] === 1 ? "signed" : "vouched",
      sealed: { body: bytesOf(row, "body"), signature: bytesOf(row, "signature") },
      at: integerOf(row, "at")
    }
  }
}
