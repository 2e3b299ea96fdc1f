/**
 * Opens `ledger.sqlite`: makes it where there is none, and refuses what is not ours or newer than this program. WAL,
 * so that readers go on beside the writer, and synchronous FULL: what was committed is there after a power cut.
 */
import { chmodSync, closeSync, existsSync, openSync, rmSync, statSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { pathToFileURL } from "node:url"
import type { EntryId } from "../../../domain/ledgerEntry.ts"
import { applicationId, schema, schemaVersion } from "./schema.ts"
import { StorageError, storageErrorOf } from "./storageError.ts"
import { integerOf, textOf } from "./values.ts"

export interface JournalOptions {
  readonly coop: EntryId
  /** For a reader beside the writer, or without one. */
  readonly readOnly?: boolean
}

/** Milliseconds to wait for another connection's lock: longer than any commit, shorter than a person's patience. */
export const lockTimeoutMillis = 5_000
/** KiB of pages that a connection keeps; the tables' inner pages for some million entries fit. */
const pageCacheKib = 32_768
/** Pages in the write-ahead log before they go to the file: large commits write the same page often. 16 MB. */
const walPages = 4_000
/** Bytes of the write-ahead log: more only while somebody reads for long (LogLimit.ts), and then it shrinks to this. */
export const walBytesMax = 67_108_864

const pragma = (database: DatabaseSync, name: string): number =>
  integerOf(database.prepare(`PRAGMA ${name}`).get() ?? {}, name)

const isEmpty = (database: DatabaseSync): boolean =>
  pragma(database, "application_id") === 0 &&
  pragma(database, "user_version") === 0 &&
  database.prepare("SELECT 1 FROM sqlite_schema").get() === undefined

const create = (database: DatabaseSync, coop: EntryId): void => {
  database.exec("BEGIN IMMEDIATE")
  database.exec(schema)
  database.prepare("INSERT INTO setting VALUES ('coop', ?)").run(coop)
  database.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${schemaVersion}`)
  database.exec("COMMIT")
}

const check = (database: DatabaseSync, path: string, coop: EntryId): void => {
  if (pragma(database, "application_id") !== applicationId) {
    throw new StorageError(path, "corrupt", "the file is a database of something else")
  }
  const version = pragma(database, "user_version")
  if (version !== schemaVersion) {
    throw new StorageError(path, "unsupported", `the file has version ${version}, this program knows ${schemaVersion}`)
  }
  const row = database.prepare("SELECT value FROM setting WHERE name = 'coop'").get()
  const found = row === undefined ? "none" : textOf(row, "value")
  if (found !== coop) throw new StorageError(path, "other", `the file is of the cooperative ${found}, not of ${coop}`)
}

const settle = (database: DatabaseSync, path: string, { coop, readOnly = false }: JournalOptions): void => {
  database.exec(`PRAGMA cache_size = -${pageCacheKib}; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON`)
  if (!readOnly) {
    // Only now, not before the file is known to be ours: the mode is kept in the file.
    if (isEmpty(database)) {
      database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
      create(database, coop)
    }
  } else if (isEmpty(database)) {
    throw new StorageError(path, "other", "there is nothing in the file yet")
  }
  check(database, path, coop)
  if (readOnly) return
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
  // Where a plain fsync leaves data in the disk's own cache (macOS).
  database.exec("PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON")
  database.exec(`PRAGMA wal_autocheckpoint = ${walPages}; PRAGMA journal_size_limit = ${walBytesMax}`)
}

/** Only the owner's, as everything in the data directory is; SQLite gives the files beside it the same mode. */
const mode = 0o600

/** Makes the file where there is none, since SQLite would let others read it, and takes that from an older one. */
const makePrivate = (path: string): void => {
  try {
    closeSync(openSync(path, "ax", mode))
  } catch {
    // It is there, or SQLite is about to say what keeps it from being there.
  }
  try {
    if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, mode)
  } catch {
    // Somebody else's, or not to be written to: what the node needs of it SQLite finds out.
  }
}

const opened = (location: string | URL, path: string, options: JournalOptions): DatabaseSync => {
  const database = new DatabaseSync(location, {
    readOnly: options.readOnly ?? false,
    timeout: lockTimeoutMillis,
    // The journal never inserts a row before what it refers to, and nothing is ever deleted from the graph.
    enableForeignKeyConstraints: false
  })
  try {
    settle(database, path, options)
    return database
  } catch (cause) {
    database.close()
    throw cause
  }
}

/** SQLite has one word for whatever keeps it from opening a file to write; the system has more. */
const refinedOf = (error: StorageError): StorageError => {
  const { path } = error
  const existed = existsSync(path)
  try {
    closeSync(openSync(path, "a"))
    if (!existed) rmSync(path)
    return error
  } catch (cause) {
    const code: unknown = cause instanceof Error ? Reflect.get(cause, "code") : undefined
    if (code === "ENOSPC" || code === "EDQUOT") return new StorageError(path, "full", error.detail)
    const isForbidden = code === "EACCES" || code === "EPERM" || code === "EROFS"
    return isForbidden ? new StorageError(path, "readOnly", error.detail) : error
  }
}

/** Beside the file a reader needs one that it may write to, unless nobody writes and all is in the file itself. */
const isAtRest = (path: string): boolean => {
  const log = statSync(`${path}-wal`, { throwIfNoEntry: false })
  return existsSync(path) && (log === undefined || log.size === 0)
}

/** CANTOPEN (sqlite.org/rescode.html). */
const isUnopened = (cause: unknown): boolean =>
  cause instanceof Error && Number(Reflect.get(cause, "errcode")) % 256 === 14

/** Opens the file, or throws a `StorageError`. */
export const openDatabase = (path: string, options: JournalOptions): DatabaseSync => {
  if (options.readOnly !== true) makePrivate(path)
  try {
    return opened(path, path, options)
  } catch (cause) {
    const error = storageErrorOf(cause, path)
    if (error === undefined) throw cause
    if (options.readOnly !== true) throw error.reason === "other" && error !== cause ? refinedOf(error) : error
    if (!existsSync(path)) throw new StorageError(path, "missing", "there is no such file")
    // Where a whole file system is read-only, SQLite only says that it cannot open the file.
    if (!(error.reason === "readOnly" || isUnopened(cause))) throw error
    if (!isAtRest(path)) throw error.reason === "other" ? refinedOf(error) : error
    const location = pathToFileURL(path)
    location.search = "immutable=1"
    return opened(location, path, options)
  }
}
