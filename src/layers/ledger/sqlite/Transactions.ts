/**
 * The transactions of a connection: one that writes, or one that sees a single version. What is kept of the tables
 * while it writes goes into the tables before the commit, and is forgotten when it is undone.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite"
import { storageErrorOf } from "./storageError.ts"

/** What keeps something of the tables while a transaction writes. */
export interface Keeper {
  /** A transaction begins that writes. */
  readonly begin?: () => void
  /** Writes what was kept, for a commit or for whoever asks the tables. */
  readonly flush?: () => void
  /** It is committed or undone, or the tables were changed by others. */
  readonly end?: () => void
  /** It is undone: what was remembered of it is wrong. */
  readonly forget?: () => void
}

export class Transactions {
  readonly #database: DatabaseSync
  readonly #path: string
  readonly #keepers: ReadonlyArray<Keeper>
  readonly #begin: StatementSync
  readonly #beginWrite: StatementSync
  readonly #commit: StatementSync
  readonly #rollback: StatementSync
  #writing = false

  constructor(database: DatabaseSync, path: string, keepers: ReadonlyArray<Keeper>) {
    this.#database = database
    this.#path = path
    this.#keepers = keepers
    this.#begin = database.prepare("BEGIN")
    this.#beginWrite = database.prepare("BEGIN IMMEDIATE")
    this.#commit = database.prepare("COMMIT")
    this.#rollback = database.prepare("ROLLBACK")
  }

  get writing(): boolean {
    return this.#writing
  }

  read<A>(body: () => A): A {
    return this.#guarded(false, () => {
      if (this.#database.isTransaction) return body()
      this.#begin.run()
      try {
        return body()
      } finally {
        if (this.#database.isTransaction) this.#commit.run()
      }
    })
  }

  write<A>(body: () => A): A {
    if (this.#writing) return body()
    let answer: A
    try {
      answer = this.#guarded(false, () => this.#prepare(body))
      this.#guarded(true, () => this.#commit.run())
    } catch (cause) {
      this.#undo()
      throw cause
    }
    this.#end()
    return answer
  }

  /** Before a table is asked of which something is kept. */
  flush(): void {
    if (!this.#writing) return
    for (const keeper of this.#keepers) keeper.flush?.()
  }

  /** Runs what changes the tables by itself. Within `write`. */
  around<A>(body: () => A): A {
    this.flush()
    const answer = body()
    for (const keeper of this.#keepers) {
      keeper.end?.()
      keeper.forget?.()
      keeper.begin?.()
    }
    return answer
  }

  #prepare<A>(body: () => A): A {
    this.#beginWrite.run()
    this.#writing = true
    for (const keeper of this.#keepers) keeper.begin?.()
    const answer = body()
    this.flush()
    return answer
  }

  #end(): void {
    this.#writing = false
    for (const keeper of this.#keepers) keeper.end?.()
  }

  /** After some failures SQLite has rolled back already. */
  #undo(): void {
    this.#end()
    for (const keeper of this.#keepers) keeper.forget?.()
    if (this.#database.isOpen && this.#database.isTransaction) this.#guarded(false, () => this.#rollback.run())
  }

  #guarded<A>(committing: boolean, body: () => A): A {
    try {
      return body()
    } catch (cause) {
      throw storageErrorOf(cause, this.#path, committing) ?? cause
    }
  }
}
