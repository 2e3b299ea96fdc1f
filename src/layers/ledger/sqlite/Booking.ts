/**
 * Which entries are booked (domain/ledgerBooking.ts), kept up to date in the tables. While nobody has forked there is
 * nothing to do: every entry is booked from the start. The table `covered` has the entries of forked authors in the
 * past of entries of the others.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite"
import type { AuthorState } from "./Authors.ts"
import { integerOf, type Row } from "./values.ts"

/** An entry that is booked from now on, or no longer. */
export interface BookingChange {
  readonly version: number
  readonly booked: boolean
}

const rows = "e.version, e.booked, e.seq, a.lowest_fork"

export class Booking {
  readonly #isCovered: StatementSync
  readonly #cover: StatementSync
  readonly #uncoverAll: StatementSync
  readonly #uncoveredBefore: StatementSync
  readonly #doubtful: StatementSync
  readonly #covers: StatementSync
  readonly #between: StatementSync

  constructor(database: DatabaseSync) {
    this.#isCovered = database.prepare("SELECT 1 FROM covered WHERE version = ?")
    this.#cover = database.prepare("INSERT INTO covered (version) VALUES (?)")
    this.#uncoverAll = database.prepare("DELETE FROM covered")
    // What an entry refers to, of forked authors, that is not covered yet.
    this.#uncoveredBefore = database.prepare(
      `SELECT ${rows} FROM (
         SELECT prev AS version FROM entry WHERE version = :version
         UNION SELECT to_version FROM reference INDEXED BY reference_from WHERE from_version = :version
       ) p JOIN entry e ON e.version = p.version JOIN author a ON a.account = e.author
       WHERE a.lowest_fork IS NOT NULL AND NOT EXISTS (SELECT 1 FROM covered WHERE version = e.version)`
    )
    // What refers to an entry has a higher version, and so is decided before it.
    this.#doubtful = database.prepare(
      `SELECT ${rows}, e.author FROM author a INDEXED BY author_forked
       CROSS JOIN entry e INDEXED BY entry_chain ON e.author = a.account
       WHERE a.lowest_fork IS NOT NULL ORDER BY e.version DESC`
    )
    this.#covers = database.prepare(
      `SELECT EXISTS (
         SELECT 1 FROM reference r JOIN author a ON a.account = r.author WHERE r.to_version = :version AND (
           a.lowest_fork IS NULL OR EXISTS (SELECT 1 FROM covered WHERE version = r.from_version)
         )
       ) OR EXISTS (
         SELECT 1 FROM entry n JOIN covered c ON c.version = n.version
         WHERE n.author = :author AND n.seq = :seq + 1 AND n.prev = :version
       ) AS covers`
    )
    this.#between = database.prepare(
      `SELECT ${rows} FROM entry e JOIN author a ON a.account = e.author
       WHERE e.author = ? AND e.seq >= ? AND e.seq < ?`
    )
  }

  /** An author who has not forked has a new entry: what it takes along of those who have. */
  cover(version: number): ReadonlyArray<BookingChange> {
    const changes: Array<BookingChange> = []
    const waiting = [version]
    for (let from = waiting.pop(); from !== undefined; from = waiting.pop()) {
      for (const row of this.#uncoveredBefore.all({ version: from })) {
        const covered = integerOf(row, "version")
        this.#cover.run(covered)
        waiting.push(covered)
        if (row["booked"] === 0) changes.push({ version: covered, booked: true })
      }
    }
    return changes
  }

  /** One author more has forked, so his entries cover nothing by themselves any more. */
  coverAnew(): ReadonlyArray<BookingChange> {
    this.#uncoverAll.run()
    const changes: Array<BookingChange> = []
    for (const row of this.#doubtful.iterate()) {
      const [version, author, seq] = [integerOf(row, "version"), integerOf(row, "author"), integerOf(row, "seq")]
      const covered = this.#covers.get({ version, author, seq })?.["covers"] === 1
      if (covered) this.#cover.run(version)
      this.#settle(row, covered, changes)
    }
    return changes
  }

  /** A fork lower down than an author's lowest before: what lies between is only booked where it is covered. */
  forkedLower(author: AuthorState, lowest: number, before: number): ReadonlyArray<BookingChange> {
    const changes: Array<BookingChange> = []
    for (const row of this.#between.all(author.number, lowest, before)) {
      this.#settle(row, this.#isCovered.get(integerOf(row, "version")) !== undefined, changes)
    }
    return changes
  }

  #settle(row: Row, covered: boolean, changes: Array<BookingChange>): void {
    const booked = covered || integerOf(row, "seq") < integerOf(row, "lowest_fork")
    if (booked !== (row["booked"] === 1)) changes.push({ version: integerOf(row, "version"), booked })
  }
}
