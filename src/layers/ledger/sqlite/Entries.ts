/**
 * The rows of `entry`: found by id or version, decoded, with the last ones remembered. What is remembered never changes
 * once it is committed; whether an entry is booked or proven does, and is always read.
 */
import * as Result from "effect/Result"
import type { DatabaseSync, StatementSync } from "node:sqlite"
import type { PastEntry } from "../../../domain/ledgerAdmit.ts"
import type { EntryId } from "../../../domain/ledgerEntry.ts"
import { decodeEntry } from "../../../protocol/entry.ts"
import type { SealedBytes, StoredEntry } from "../Journal.ts"
import { chainFromText, chainToText } from "./chainText.ts"
import { RecentCache } from "./RecentCache.ts"
import { DamagedValue } from "./storageError.ts"
import { bytesOf, execute, fromHex, hexOf, integerOf, kindNumbers, optionalOf, type Row, textOf } from "./values.ts"

/** An entry with its place in the tables. */
export interface Located extends PastEntry {
  readonly version: number
  /** The number of the author's account. */
  readonly author: number
  readonly branch: number
}

/** An entry without what is in its bytes. */
export interface Place {
  readonly version: number
  readonly author: number
  readonly seq: number
  readonly branch: number
}

/** Entries remembered: those that a burst of payments refers to; about 2 kB each. */
const rememberedMin = 2_048

const columns = "version, id, author, branch, chain, body"
const storedColumns = "version, id, booked, proof, body, signature"

const entryIn = (body: Uint8Array) => {
  const entry = decodeEntry(body)
  // It was decoded before it was stored.
  if (Result.isFailure(entry)) throw new DamagedValue(`an entry that was stored cannot be read: ${entry.failure}`)
  return entry.success
}

const storedOf = (row: Row): StoredEntry => {
  const body = bytesOf(row, "body")
  return {
    id: hexOf(row, "id"),
    entry: entryIn(body),
    version: integerOf(row, "version"),
    booked: integerOf(row, "booked") === 1,
    proof: integerOf(row, "proof") === 1 ? "signed" : "vouched",
    sealed: { body, signature: bytesOf(row, "signature") }
  }
}

const placeOf = (row: Row): Place => ({
  version: integerOf(row, "version"),
  author: integerOf(row, "author"),
  seq: integerOf(row, "seq"),
  branch: integerOf(row, "branch")
})

export class Entries {
  readonly #byId: StatementSync
  readonly #byVersion: StatementSync
  readonly #place: StatementSync
  readonly #storedById: StatementSync
  readonly #storedByVersion: StatementSync
  readonly #storedAfter: StatementSync
  readonly #vouched: StatementSync
  readonly #version: StatementSync
  readonly #at: StatementSync
  readonly #isBooked: StatementSync
  readonly #book: StatementSync
  readonly #prove: StatementSync
  readonly #sign: StatementSync
  readonly #insert: StatementSync
  readonly #ids = new RecentCache<EntryId, Located>(rememberedMin)
  readonly #versions = new RecentCache<number, Located>(rememberedMin)

  constructor(database: DatabaseSync) {
    const prepare = (sql: string) => database.prepare(sql)
    this.#byId = prepare(`SELECT ${columns} FROM entry WHERE id = ?`)
    this.#byVersion = prepare(`SELECT ${columns} FROM entry WHERE version = ?`)
    this.#place = prepare("SELECT version, author, seq, branch FROM entry WHERE version = ?")
    this.#storedById = prepare(`SELECT ${storedColumns} FROM entry WHERE id = ?`)
    this.#storedByVersion = prepare(`SELECT ${storedColumns} FROM entry WHERE version = ?`)
    this.#storedAfter = prepare(`SELECT ${storedColumns} FROM entry WHERE version > ? ORDER BY version LIMIT ?`)
    this.#vouched = prepare(
      `SELECT ${storedColumns} FROM entry WHERE proof = 0 AND version > ? ORDER BY version LIMIT ?`
    )
    this.#version = prepare("SELECT max(version) AS version FROM entry")
    this.#at = prepare("SELECT id FROM entry WHERE author = ? AND seq = ? ORDER BY version")
    this.#isBooked = prepare("SELECT booked FROM entry WHERE version = ?")
    this.#book = prepare("UPDATE entry SET booked = ? WHERE version = ?")
    this.#prove = prepare("UPDATE entry SET proof = 1, signature = ? WHERE id = ?")
    this.#sign = prepare("UPDATE entry SET signature = ? WHERE version = ?")
    this.#insert = prepare(
      `INSERT INTO entry (version, id, author, seq, prev, lamport, kind, branch, booked, proof, chain, body, signature)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
    )
  }

  find(id: EntryId): Located | undefined {
    const known = this.#ids.get(id)
    if (known !== undefined) return known
    const row = this.#byId.get(fromHex(id))
    return row === undefined ? undefined : this.#remember(row)
  }

  /** An entry that has to be there. */
  get(id: EntryId): Located {
    const found = this.find(id)
    if (found === undefined) throw new Error(`the entry ${id} is not there`)
    return found
  }

  byVersion(version: number): Located {
    const known = this.#versions.get(version)
    if (known !== undefined) return known
    const row = this.#byVersion.get(version)
    if (row === undefined) throw new Error(`there is no version ${version}`)
    return this.#remember(row)
  }

  place(version: number): Place {
    const known = this.#versions.get(version)
    if (known !== undefined) {
      return { version, author: known.author, seq: known.entry.seq, branch: known.branch }
    }
    const row = this.#place.get(version)
    if (row === undefined) throw new Error(`there is no version ${version}`)
    return placeOf(row)
  }

  stored(id: EntryId): StoredEntry | undefined {
    const row = this.#storedById.get(fromHex(id))
    return row === undefined ? undefined : storedOf(row)
  }

  storedAt(versions: ReadonlyArray<number>): ReadonlyArray<StoredEntry> {
    return versions.flatMap((version) => {
      const row = this.#storedByVersion.get(version)
      return row === undefined ? [] : [storedOf(row)]
    })
  }

  storedAfter(version: number, max: number): ReadonlyArray<StoredEntry> {
    return this.#storedAfter.all(version, max).map(storedOf)
  }

  vouched(max: number, after: number): ReadonlyArray<StoredEntry> {
    return this.#vouched.all(after, max).map(storedOf)
  }

  version(): number {
    return optionalOf(this.#version.get() ?? {}, "version") ?? 0
  }

  at(author: number, seq: number): ReadonlyArray<EntryId> {
    return this.#at.all(author, seq).map((row) => hexOf(row, "id"))
  }

  isBooked(version: number): boolean {
    return integerOf(this.#isBooked.get(version) ?? {}, "booked") === 1
  }

  setBooked(version: number, booked: boolean): void {
    this.#book.run(booked ? 1 : 0, version)
  }

  prove(id: EntryId, signature: Uint8Array): void {
    execute(this.#prove, signature, fromHex(id))
  }

  sign(version: number, signature: Uint8Array): void {
    execute(this.#sign, signature, version)
  }

  insert(one: Located, prev: Located | undefined, booked: boolean, signed: boolean, sealed: SealedBytes): void {
    const { author, branch, chain, entry, id, version } = one
    execute(
      this.#insert,
      version,
      fromHex(id),
      author,
      entry.seq,
      prev?.version ?? null,
      entry.lamport,
      kindNumbers[entry.kind],
      branch,
      booked ? 1 : 0,
      signed ? 1 : 0,
      chainToText(chain),
      sealed.body,
      sealed.signature
    )
    this.#ids.set(id, one)
    this.#versions.set(version, one)
  }

  /** After a rollback, when what was remembered may not be there. */
  forget(): void {
    this.#ids.clear()
    this.#versions.clear()
  }

  #remember(row: Row): Located {
    const one: Located = {
      id: hexOf(row, "id"),
      entry: entryIn(bytesOf(row, "body")),
      chain: chainFromText(textOf(row, "chain")),
      version: integerOf(row, "version"),
      author: integerOf(row, "author"),
      branch: integerOf(row, "branch")
    }
    this.#ids.set(one.id, one)
    this.#versions.set(one.version, one)
    return one
  }
}
