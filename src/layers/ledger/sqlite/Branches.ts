/** The branches of the authors' chains, as in domain/ledgerHistory.ts: an author without forks has one. */
import type { DatabaseSync, StatementSync } from "node:sqlite"
import type { PastEntry } from "../../../domain/ledgerAdmit.ts"
import type { AuthorState } from "./Authors.ts"
import type { Entries, Located, Place } from "./Entries.ts"
import { RecentCache } from "./RecentCache.ts"
import { integerOf, optionalOf } from "./values.ts"

/** Where a new entry goes; `isNew` if it begins a branch. */
export interface NextBranch {
  readonly number: number
  readonly isNew: boolean
}

/** A piece of a chain by the positions that are in it. */
export interface Stretch {
  readonly branch: number
  readonly firstSeq: number
  readonly lastSeq: number
}

/** Branches remembered: a cheat's, of which one entry can ask some ten thousand times. */
const rememberedMin = 2_048

export class Branches {
  readonly #entries: Entries
  readonly #from: StatementSync
  readonly #next: StatementSync
  readonly #insert: StatementSync
  readonly #setTip: StatementSync
  readonly #highest: StatementSync
  readonly #stretches: StatementSync
  /** From which version a branch goes on; 0 for the first of a chain. */
  readonly #origins = new RecentCache<number, number>(rememberedMin)

  constructor(database: DatabaseSync, entries: Entries) {
    this.#entries = entries
    this.#from = database.prepare("SELECT from_version FROM branch WHERE number = ?")
    this.#next = database.prepare("SELECT 1 FROM entry WHERE author = ? AND seq = ? AND branch = ?")
    this.#insert = database.prepare("INSERT INTO branch (number, author, from_version, tip) VALUES (?, ?, ?, ?)")
    this.#setTip = database.prepare("UPDATE branch SET tip = ? WHERE number = ?")
    this.#highest = database.prepare("SELECT max(number) AS number FROM branch")
    this.#stretches = database.prepare(
      `SELECT b.number, f.seq AS from_seq, t.seq AS tip_seq
       FROM branch b LEFT JOIN entry f ON f.version = b.from_version JOIN entry t ON t.version = b.tip
       WHERE b.author = ?`
    )
  }

  /** The first to follow an entry in its chain goes on with its branch, others begin a new one. */
  next({ entry }: PastEntry, author: AuthorState | undefined, prev: Located | undefined): NextBranch {
    if (prev !== undefined && author !== undefined) {
      const isAtTheEnd = author.lowestFork === undefined && entry.seq > author.tipSeq
      const goesOn = isAtTheEnd || this.#next.get(author.number, entry.seq, prev.branch) === undefined
      if (goesOn) return { number: prev.branch, isNew: false }
    }
    return { number: 1 + (optionalOf(this.#highest.get() ?? {}, "number") ?? 0), isNew: true }
  }

  insert(one: Located, prev: Located | undefined): void {
    this.#insert.run(one.branch, one.author, prev?.version ?? null, one.version)
  }

  setTip(branch: number, version: number): void {
    this.#setTip.run(version, branch)
  }

  /** The pieces of a forked author's chain. */
  stretches(author: number): ReadonlyArray<Stretch> {
    return this.#stretches.all(author).map((row) => ({
      branch: integerOf(row, "number"),
      firstSeq: (optionalOf(row, "from_seq") ?? -1) + 1,
      lastSeq: integerOf(row, "tip_seq")
    }))
  }

  /** Whether `earlier` is `tip` or before it in the same chain. */
  isOnChain(tip: Place, earlier: Place): boolean {
    if (tip.author !== earlier.author) return false
    let at = tip
    while (at.branch !== earlier.branch) {
      const from = this.#originOf(at.branch)
      if (from === 0) return false
      at = this.#entries.place(from)
    }
    return earlier.seq <= at.seq
  }

  /** After a rollback, when numbers may have gone to nobody. */
  forget(): void {
    this.#origins.clear()
  }

  #originOf(branch: number): number {
    const known = this.#origins.get(branch)
    if (known !== undefined) return known
    const from = optionalOf(this.#from.get(branch) ?? {}, "from_version") ?? 0
    this.#origins.set(branch, from)
    return from
  }
}
