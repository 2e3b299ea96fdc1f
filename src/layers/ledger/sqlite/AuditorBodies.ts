/**
 * Whether the tables say of each entry what is in its bytes: audits sum legs and follow references, and SQLite notices
 * only some of what can happen to a page. The bytes themselves are proved by their hash, which is the entry's id. It is
 * slow beside the rest of an audit, some 50 µs per entry, so only a verification that somebody asked for does it.
 */
import * as Result from "effect/Result"
import type { DatabaseSync, StatementSync } from "node:sqlite"
import { type Entry, isPosting, subjectOf } from "../../../domain/ledgerEntry.ts"
import { decodeEntry, entryId } from "../../../protocol/entry.ts"
import { bytesOf, fromHex, hexOf, integerOf, kindNumbers, optionalOf, roles, type Row } from "./values.ts"

/** Entries looked at between two reports of progress: some 50 ms. */
const pageEntries = 1_000
/** Accounts remembered, at about 200 bytes each. */
const accountsMax = 10_000

const referencesIn = (entry: Entry): ReadonlyArray<readonly [id: string, role: number]> => {
  const subject = subjectOf(entry)
  return [
    ...entry.acks.map((id) => [id, roles.ack] as const),
    ...entry.deps.map((id) => [id, roles.dep] as const),
    ...(subject === undefined ? [] : [[subject, entry.kind === "reverse" ? roles.reverse : roles.resolve] as const]),
    ...(entry.prev === null && entry.coop !== null ? [[entry.coop, roles.genesis] as const] : [])
  ]
}

class Bodies {
  readonly #database: DatabaseSync
  readonly #number: StatementSync
  readonly #version: StatementSync
  readonly #leg: StatementSync
  readonly #reference: StatementSync
  readonly #numbers = new Map<string, number>()
  legs = 0
  references = 0

  constructor(database: DatabaseSync) {
    this.#database = database
    this.#number = database.prepare("SELECT number FROM account WHERE key = ?")
    this.#version = database.prepare("SELECT version FROM entry WHERE id = ?")
    this.#leg = database.prepare("SELECT amount, posting FROM leg WHERE account = ? AND currency = ? AND version = ?")
    this.#reference = database.prepare(
      "SELECT 1 FROM reference WHERE to_version = ? AND role = ? AND author = ? AND from_version = ?"
    )
  }

  count(table: "leg" | "reference"): number {
    return Number(this.#database.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.["n"])
  }

  #numberOf(account: string): number | undefined {
    const known = this.#numbers.get(account)
    if (known !== undefined) return known
    const row = this.#number.get(fromHex(account))
    if (row === undefined) return undefined
    const number = integerOf(row, "number")
    if (this.#numbers.size >= accountsMax) this.#numbers.clear()
    this.#numbers.set(account, number)
    return number
  }

  #versionOf(id: string): number | undefined {
    return optionalOf(this.#version.get(fromHex(id)) ?? { version: null }, "version")
  }

  /** Whether a row of `entry`, with its legs and references, is what its bytes say. */
  isWhole(row: Row): boolean {
    const body = bytesOf(row, "body")
    if (entryId(body) !== hexOf(row, "id")) return false
    const entry = Result.getOrUndefined(decodeEntry(body))
    if (entry === undefined) return false
    const version = integerOf(row, "version")
    const author = integerOf(row, "author")
    const prev = entry.prev === null ? undefined : this.#versionOf(entry.prev)
    return (
      this.#numberOf(entry.author) === author &&
      row["seq"] === entry.seq &&
      row["lamport"] === entry.lamport &&
      row["kind"] === kindNumbers[entry.kind] &&
      optionalOf(row, "prev") === prev &&
      (entry.prev === null) === (prev === undefined) &&
      this.#hasLegs(entry, version) &&
      this.#hasReferences(entry, version, author)
    )
  }

  #hasLegs(entry: Entry, version: number): boolean {
    const posting = isPosting(entry) ? 1 : 0
    this.legs += entry.legs.length
    return entry.legs.every(({ account, amount, currency }) => {
      const row = this.#leg.get(this.#numberOf(account) ?? -1, currency, version)
      return row !== undefined && row["amount"] === amount && row["posting"] === posting
    })
  }

  #hasReferences(entry: Entry, version: number, author: number): boolean {
    const references = referencesIn(entry)
    this.references += references.length
    return references.every(
      ([id, role]) => this.#reference.get(this.#versionOf(id) ?? -1, role, author, version) !== undefined
    )
  }
}

/**
 * What is damaged, if anything is; within a snapshot. `onProgress` hears how many entries are done.
 */
export const damageOfBodies = (database: DatabaseSync, onProgress: (done: number) => void): string | undefined => {
  const bodies = new Bodies(database)
  const page = database.prepare(
    "SELECT version, id, author, seq, prev, lamport, kind, body FROM entry WHERE version > ? ORDER BY version LIMIT ?"
  )
  let after = 0
  for (;;) {
    const rows = page.all(after, pageEntries)
    for (const row of rows) {
      after = integerOf(row, "version")
      if (!bodies.isWhole(row)) return `entry ${after} is not stored as it was signed`
    }
    onProgress(after)
    if (rows.length < pageEntries) break
  }
  for (const table of ["leg", "reference"] as const) {
    const more = bodies.count(table) - (table === "leg" ? bodies.legs : bodies.references)
    if (more !== 0) return `the table ${table} has ${more} rows that no entry says`
  }
  return undefined
}
