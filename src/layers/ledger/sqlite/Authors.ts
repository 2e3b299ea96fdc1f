/**
 * Where each author's chain ends and whether he has forked. Within `write` what changes is kept here and written once
 * at its end, or before somebody asks the tables: of a thousand entries in one commit most have the same few authors.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite"
import { integerOf, optionalOf } from "./values.ts"

export interface AuthorState {
  /** The number of the account. */
  readonly number: number
  /** The version of the first of the entries at the highest position. */
  readonly tip: number
  readonly tipSeq: number
  readonly lowestFork: number | undefined
  /** From which position on it is known who sees what of the forked chain, and up to which version. */
  readonly sightFrom: number | undefined
  readonly sightTo: number | undefined
}

/** Authors kept within one write: as many as a large commit has. */
const keptMax = 1_024

export class Authors {
  readonly #select: StatementSync
  readonly #upsert: StatementSync
  readonly #kept = new Map<number, AuthorState>()
  readonly #changed = new Set<number>()
  #writing = false

  constructor(database: DatabaseSync) {
    this.#select = database.prepare(
      "SELECT tip, tip_seq, lowest_fork, sight_from, sight_to FROM author WHERE account = ?"
    )
    this.#upsert = database.prepare(
      `INSERT INTO author (account, tip, tip_seq, lowest_fork, sight_from, sight_to) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET tip = excluded.tip, tip_seq = excluded.tip_seq, lowest_fork = excluded.lowest_fork,
       sight_from = excluded.sight_from, sight_to = excluded.sight_to`
    )
  }

  get(number: number): AuthorState | undefined {
    const kept = this.#kept.get(number)
    if (kept !== undefined) return kept
    const row = this.#select.get(number)
    if (row === undefined) return undefined
    const state = {
      number,
      tip: integerOf(row, "tip"),
      tipSeq: integerOf(row, "tip_seq"),
      lowestFork: optionalOf(row, "lowest_fork"),
      sightFrom: optionalOf(row, "sight_from"),
      sightTo: optionalOf(row, "sight_to")
    }
    if (this.#writing) this.#keep(state)
    return state
  }

  isForked(number: number): boolean {
    return this.get(number)?.lowestFork !== undefined
  }

  set(state: AuthorState): void {
    this.#keep(state)
    this.#changed.add(state.number)
  }

  begin(): void {
    this.#writing = true
  }

  /** Writes what has changed. */
  flush(): void {
    for (const number of this.#changed) {
      const state = this.#kept.get(number)
      if (state === undefined) continue
      const { lowestFork = null, sightFrom = null, sightTo = null, tip, tipSeq } = state
      this.#upsert.run(number, tip, tipSeq, lowestFork, sightFrom, sightTo)
    }
    this.#changed.clear()
  }

  /** After a commit or a rollback. */
  end(): void {
    this.#writing = false
    this.#kept.clear()
    this.#changed.clear()
  }

  #keep(state: AuthorState): void {
    if (this.#kept.size >= keptMax && !this.#kept.has(state.number)) {
      this.flush()
      this.#kept.clear()
    }
    this.#kept.set(state.number, state)
  }
}
