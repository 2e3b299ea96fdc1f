/**
 * Keeps the write-ahead log short. SQLite begins the log anew when all of it is in the file and nobody reads from it at
 * that moment; beside threads that always read there is no such moment, and the log would grow with all that is written
 * (sqlite.org/wal.html, "Avoiding Excessively Large WAL Files"). So the writer makes one: a checkpoint that waits for
 * those who read now, while whoever comes next reads from the file. It gives up soon, because an audit reads for
 * minutes, and tries again when the log has grown further.
 */
import type { DatabaseSync } from "node:sqlite"
import { statSync } from "node:fs"
import { lockTimeoutMillis, walBytesMax } from "./connection.ts"

/** For whoever reads now, which is at most some rows; the writer waits no longer for an audit, at each step. */
const waitMillisMax = 50

export class LogLimit {
  readonly #database: DatabaseSync
  readonly #log: string
  readonly #bytesMax: number
  /** The size from which on it is tried. */
  #next: number

  /** `bytesMax`: as long as the log may be, and as much as it grows before it is tried again. */
  constructor(database: DatabaseSync, path: string, bytesMax = walBytesMax) {
    this.#database = database
    this.#log = `${path}-wal`
    this.#bytesMax = bytesMax
    this.#next = bytesMax
  }

  /** After a commit. */
  keep(): void {
    const size = this.#size()
    if (size < this.#next) {
      if (size < this.#bytesMax) this.#next = this.#bytesMax
      return
    }
    this.#next = size + this.#bytesMax / 4
    try {
      this.#database.exec(`PRAGMA busy_timeout = ${waitMillisMax}; PRAGMA wal_checkpoint(RESTART)`)
    } catch {
      // What was committed is in the log and stays there; what is wrong with the file, the next commit says.
    } finally {
      this.#database.exec(`PRAGMA busy_timeout = ${lockTimeoutMillis}`)
    }
  }

  #size(): number {
    try {
      return statSync(this.#log, { throwIfNoEntry: false })?.size ?? 0
    } catch {
      // Somebody changed the directory; the commit was made all the same.
      return 0
    }
  }
}
