/**
 * An exclusive lock between processes that nothing can fake or leave behind: SQLite's exclusive transaction on an empty
 * file, which is a POSIX record lock. The kernel drops it with the process, however that ends, and it holds between
 * containers that share the directory, where process ids mean nothing. Node itself offers no such lock.
 *
 * A clean release removes the file, which needs care: whoever has opened the old file just before gets a lock on
 * something that no longer has a name. So a lock counts only when the name still stands for the file that was there
 * before it was opened. The file must never be opened by other means while the lock is held: closing any descriptor of
 * it drops all POSIX locks of the process.
 */
import { closeSync, openSync, rmSync, statSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { systemErrorCode } from "../../domain/systemError.ts"

/** Holds the lock until `release`. */
export interface FileLock {
  release(): void
}

/** How often the file may vanish between two looks at it, before that is taken for a fault. */
const attemptsMax = 100
const sqliteBusy = 5

/** Makes the file when there is none, with nobody else's access. Nobody can hold a lock on a file that is new. */
const create = (path: string): void => {
  try {
    closeSync(openSync(path, "wx", 0o600))
  } catch (error) {
    if (systemErrorCode(error) !== "EEXIST") throw error
  }
}

/** Which file a name stands for at the moment; the time of birth tells a reused inode number from its predecessor. */
const fileAt = (path: string): string | undefined => {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false })
  return stats === undefined ? undefined : `${stats.dev}:${stats.ino}:${stats.birthtimeNs}`
}

const isBusy = (error: unknown): boolean => error instanceof Error && "errcode" in error && error.errcode === sqliteBusy

/** The lock of an open file, or `undefined` when another connection, in this process or another, has it. */
const lockOpen = (path: string): DatabaseSync | undefined => {
  const database = new DatabaseSync(path, { timeout: 0 })
  try {
    // The journal is never written; in memory it leaves no second file.
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE")
    return database
  } catch (error) {
    database.close()
    if (isBusy(error)) return undefined
    throw error
  }
}

/** Takes the lock at once, or returns `undefined` when somebody has it; throws when the file can't be used. */
export const tryLock = (path: string): FileLock | undefined => {
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    create(path)
    const before = fileAt(path)
    const database = lockOpen(path)
    if (database === undefined) return undefined
    if (before !== undefined && before === fileAt(path)) {
      return {
        release: () => {
          try {
            // Somebody may have deleted the file, and another process have made a new one.
            if (fileAt(path) === before) rmSync(path, { force: true })
          } finally {
            database.close()
          }
        }
      }
    }
    database.close()
  }
  throw new Error(`${path} was replaced ${attemptsMax} times while it was being locked`)
}
