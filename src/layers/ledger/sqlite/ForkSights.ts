/**
 * Which entries have a fork of an author in their past (domain/ledgerForkSight.ts), for the few authors who forked and
 * whose credits somebody acks all the same. What an entry sees follows from what the entries see that it refers to,
 * which have lower versions; so all entries are gone through once per author, in order, as far as somebody asks.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite"
import type { Authors, AuthorState } from "./Authors.ts"
import type { Branches } from "./Branches.ts"
import type { Entries, Located } from "./Entries.ts"
import { integerOf, optionalOf } from "./values.ts"

/** The version of the chain's end as it is seen, or one of these. */
type Sight = number
const nothing = 0
const fork = -1

/** Sights kept at hand while entries are gone through; the table has the others. */
const atHandMax = 65_536

/** What is seen of one author by the entries that were looked at so far. */
interface Look {
  readonly author: AuthorState
  /** Nothing with a lower version sees anything. */
  readonly begin: number
  /** What was found just now; all of it where nothing may be written. */
  readonly atHand: Map<number, Sight>
  readonly mayWrite: boolean
}

/**
 * What is known of an author's chain once its lowest fork is here. What was seen of it stays true; only where it was
 * not looked at as far down all is looked at anew, and then from half as high, so that a fork below a fork below a fork
 * does not cost that again and again.
 */
export const sightsWith = (
  before: AuthorState | undefined,
  lowestFork: number | undefined
): Pick<AuthorState, "sightFrom" | "sightTo"> => {
  if (lowestFork === undefined) return { sightFrom: undefined, sightTo: undefined }
  const { sightFrom, sightTo } = before ?? {}
  if (sightFrom === undefined) return { sightFrom: lowestFork, sightTo: undefined }
  return lowestFork >= sightFrom
    ? { sightFrom, sightTo }
    : { sightFrom: Math.floor(lowestFork / 2), sightTo: undefined }
}

export class ForkSights {
  readonly #entries: Entries
  readonly #branches: Branches
  readonly #authors: Authors
  readonly #select: StatementSync
  readonly #insert: StatementSync
  readonly #remove: StatementSync
  readonly #begin: StatementSync
  readonly #through: StatementSync

  constructor(database: DatabaseSync, entries: Entries, branches: Branches, authors: Authors) {
    this.#entries = entries
    this.#branches = branches
    this.#authors = authors
    this.#select = database.prepare("SELECT sees FROM sight WHERE author = ? AND version = ?")
    this.#insert = database.prepare("INSERT INTO sight (author, version, sees) VALUES (?, ?, ?)")
    this.#remove = database.prepare("DELETE FROM sight WHERE author = ?")
    this.#begin = database.prepare("SELECT min(version) AS version FROM entry WHERE author = ? AND seq = ?")
    this.#through = database.prepare(
      `SELECT e.version, e.author, e.seq, e.prev, r.to_version
       FROM entry e LEFT JOIN reference r INDEXED BY reference_from ON r.from_version = e.version
       WHERE e.version > ? AND e.version <= ? ORDER BY e.version`
    )
  }

  /** Whether these entries and their pasts have two entries of the author at one position. */
  seesFork(author: AuthorState, from: ReadonlyArray<Located>, mayWrite: boolean): boolean {
    const { number, sightFrom, sightTo } = author
    if (sightFrom === undefined) return false
    // What is seen is the chain from the lowest fork or less on: what is below is on all branches.
    const begin = integerOf(this.#begin.get(number, sightFrom) ?? {}, "version")
    const look = { author, begin, atHand: new Map<number, Sight>(), mayWrite }
    const to = from.reduce((latest, { version }) => Math.max(latest, version), 0)
    const known = sightTo ?? begin - 1
    if (to > known) {
      this.#goThrough(look, sightFrom, known, to)
      if (mayWrite) this.#authors.set({ ...author, sightTo: to })
    }
    return from.reduce((sight, { version }) => this.#merge(sight, this.#sightOf(look, version)), nothing) === fork
  }

  /** The author's chain forked further down than it was looked at. */
  forget(author: number): void {
    this.#remove.run(author)
  }

  #goThrough(look: Look, sightFrom: number, after: number, to: number): void {
    let version = 0
    let sight: Sight = nothing
    for (const row of this.#through.iterate(after, to)) {
      const next = integerOf(row, "version")
      if (next !== version) {
        this.#keep(look, version, sight)
        version = next
        const isOwn = row["author"] === look.author.number && integerOf(row, "seq") >= sightFrom
        sight = this.#merge(isOwn ? version : nothing, this.#sightOf(look, optionalOf(row, "prev") ?? 0))
      }
      if (row["to_version"] !== null) sight = this.#merge(sight, this.#sightOf(look, integerOf(row, "to_version")))
    }
    this.#keep(look, version, sight)
  }

  #sightOf({ atHand, author, begin }: Look, version: number): Sight {
    if (version < begin) return nothing
    const sight = atHand.get(version)
    if (sight !== undefined) return sight
    const row = this.#select.get(author.number, version)
    return row === undefined ? nothing : integerOf(row, "sees")
  }

  #keep({ atHand, author, mayWrite }: Look, version: number, sight: Sight): void {
    if (sight === nothing) return
    if (mayWrite) {
      if (atHand.size >= atHandMax) atHand.clear()
      this.#insert.run(author.number, version, sight)
    }
    atHand.set(version, sight)
  }

  #merge(a: Sight, b: Sight): Sight {
    if (a === nothing || b === fork || a === b) return b
    if (b === nothing || a === fork) return a
    const [one, other] = [this.#entries.place(a), this.#entries.place(b)]
    if (this.#branches.isOnChain(one, other)) return a
    return this.#branches.isOnChain(other, one) ? b : fork
  }
}
