/** Entries that came and are not in the journal, with what they wait for, and how much of it each owner takes. */
import type { DatabaseSync, StatementSync } from "node:sqlite"
import type { AccountId, EntryId } from "../../../domain/ledgerEntry.ts"
import type { Quarantined } from "../Journal.ts"
import { LastAnswer } from "./LastAnswer.ts"
import { bytesOf, fromHex, hexOf, integerOf, type Row, textOf, toHex } from "./values.ts"

const stateOf = (row: Row): Quarantined["state"] => {
  const state = textOf(row, "state")
  if (state === "pending" || state === "rejected" || state === "parked") return state
  throw new Error(`no entry in quarantine is ${state}`)
}

/** What an entry takes of the bound on bytes. */
const sizeOf = ({ body, signature }: Quarantined["sealed"]): number => body.length + signature.length

export class Quarantine {
  readonly #select: StatementSync
  readonly #state: StatementSync
  readonly #page: StatementSync
  readonly #position: StatementSync
  readonly #missing: StatementSync
  readonly #waiting: StatementSync
  readonly #any: StatementSync
  /** Asked before every own entry, and mostly there is nothing. */
  readonly isEmpty = new LastAnswer<boolean>()
  readonly #size: StatementSync
  readonly #biggest: StatementSync
  readonly #insert: StatementSync
  readonly #insertMissing: StatementSync
  readonly #remove: StatementSync
  readonly #removeMissing: StatementSync
  readonly #arrived: StatementSync
  readonly #absent: StatementSync
  readonly #account: StatementSync
  readonly #forgetOwner: StatementSync

  constructor(database: DatabaseSync) {
    const prepare = (sql: string) => database.prepare(sql)
    const columns = "id, author, owner, seq, state, reason, proof, at, body, signature"
    this.#select = prepare(`SELECT ${columns} FROM quarantine WHERE id = ?`)
    this.#state = prepare("SELECT state FROM quarantine WHERE id = ?")
    this.#page = prepare(`SELECT ${columns} FROM quarantine WHERE position < ? ORDER BY position DESC LIMIT ?`)
    this.#position = prepare("SELECT position FROM quarantine WHERE id = ?")
    this.#missing = prepare("SELECT missing FROM quarantine_missing WHERE id = ? ORDER BY missing")
    this.#waiting = prepare(
      `SELECT q.id FROM quarantine_missing m JOIN quarantine q ON q.id = m.id WHERE m.missing = ? ORDER BY q.position`
    )
    this.#any = prepare("SELECT 1 FROM quarantine LIMIT 1")
    this.#size = prepare(
      `SELECT coalesce(sum(entries), 0) AS entries, coalesce(sum(bytes), 0) AS bytes,
         coalesce(sum(pending), 0) AS pending FROM quarantine_share`
    )
    this.#biggest = prepare(
      `SELECT b.owner, (SELECT q.id FROM quarantine q WHERE q.owner = b.owner ORDER BY q.position LIMIT 1) AS oldest
       FROM (
         SELECT owner FROM quarantine_share WHERE owner = x'' UNION ALL
         SELECT owner FROM (SELECT owner FROM quarantine_share ORDER BY bytes DESC LIMIT 1)
       ) b LIMIT 1`
    )
    this.#insert = prepare(`INSERT INTO quarantine (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
    this.#insertMissing = prepare("INSERT OR IGNORE INTO quarantine_missing (missing, id) VALUES (?, ?)")
    this.#remove = prepare(
      `DELETE FROM quarantine WHERE id = ?
       RETURNING owner, state, length(body) + length(signature) AS bytes`
    )
    this.#removeMissing = prepare("DELETE FROM quarantine_missing WHERE id = ?")
    this.#arrived = prepare("DELETE FROM quarantine_missing WHERE missing = ? RETURNING id")
    this.#absent = prepare(
      `SELECT 1 FROM quarantine_missing m WHERE m.id = ?
       AND NOT EXISTS (SELECT 1 FROM quarantine q WHERE q.id = m.missing) LIMIT 1`
    )
    this.#account = prepare(
      `INSERT INTO quarantine_share (owner, bytes, entries, pending) VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes, entries = entries + excluded.entries,
       pending = pending + excluded.pending`
    )
    this.#forgetOwner = prepare("DELETE FROM quarantine_share WHERE owner = ? AND entries = 0")
  }

  get(id: EntryId): Quarantined | undefined {
    const row = this.#select.get(fromHex(id))
    return row === undefined ? undefined : this.#read(row)
  }

  stateOf(id: EntryId): Quarantined["state"] | undefined {
    const row = this.#state.get(fromHex(id))
    return row === undefined ? undefined : stateOf(row)
  }

  page(after: EntryId | undefined, max: number): ReadonlyArray<Quarantined> {
    if (after === undefined) return this.#page.all(Number.MAX_SAFE_INTEGER, max).map((row) => this.#read(row))
    const row = this.#position.get(fromHex(after))
    return row === undefined ? [] : this.#page.all(integerOf(row, "position"), max).map((row) => this.#read(row))
  }

  size(): { readonly entries: number; readonly bytes: number; readonly pending: number } {
    if (this.isEmpty.get("", () => this.#any.get() === undefined)) return { entries: 0, bytes: 0, pending: 0 }
    const row = this.#size.get() ?? {}
    return { entries: integerOf(row, "entries"), bytes: integerOf(row, "bytes"), pending: integerOf(row, "pending") }
  }

  waitingFor(id: EntryId): ReadonlyArray<EntryId> {
    return this.#waiting.all(fromHex(id)).map((row) => hexOf(row, "id"))
  }

  /** What an entry misses becomes less; says who now misses nothing that is nowhere. */
  arrived(id: EntryId): ReadonlyArray<EntryId> {
    const waiting = this.#arrived.all(fromHex(id)).map((row) => bytesOf(row, "id"))
    return waiting.filter((key) => this.#absent.get(key) === undefined).map(toHex)
  }

  biggestOffender(): { readonly owner: AccountId; readonly oldest: EntryId } | undefined {
    const row = this.#biggest.get()
    return row === undefined ? undefined : { owner: hexOf(row, "owner"), oldest: hexOf(row, "oldest") }
  }

  put(one: Quarantined): void {
    this.remove(one.id)
    this.isEmpty.changed()
    const { at, author, id, missing, proof, reason, sealed, seq, state } = one
    const [key, owner] = [fromHex(id), fromHex(one.owner)]
    const signed = proof === "signed" ? 1 : 0
    this.#insert.run(key, fromHex(author), owner, seq, state, reason, signed, at, sealed.body, sealed.signature)
    for (const other of missing) this.#insertMissing.run(fromHex(other), key)
    this.#account.run(owner, sizeOf(sealed), 1, state === "pending" ? 1 : 0)
  }

  remove(id: EntryId): void {
    const key = fromHex(id)
    const row = this.#remove.get(key)
    if (row === undefined) return
    this.isEmpty.changed()
    this.#removeMissing.run(key)
    const owner = bytesOf(row, "owner")
    this.#account.run(owner, -integerOf(row, "bytes"), -1, row["state"] === "pending" ? -1 : 0)
    this.#forgetOwner.run(owner)
  }

  #read(row: Row): Quarantined {
    return {
      id: hexOf(row, "id"),
      author: hexOf(row, "author"),
      owner: hexOf(row, "owner"),
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
