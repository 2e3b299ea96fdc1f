/** What SQLite says when it cannot, as the reasons that a person can act on. */
import type { LedgerStorageFailed } from "../../../services/Ledger.ts"

export type StorageReason = LedgerStorageFailed["reason"]

/** The file failed. Nothing of what was to be written is there, unless `committing`. */
export class StorageError extends Error {
  override readonly name = "StorageError"
  readonly path: string
  readonly reason: StorageReason
  readonly detail: string
  /** It failed while it committed: whether the changes are there shows only when the file is opened the next time. */
  readonly committing: boolean

  constructor(path: string, reason: StorageReason, detail: string, committing = false) {
    super(`the ledger in ${path} failed: ${detail}`)
    this.path = path
    this.reason = reason
    this.detail = detail
    this.committing = committing
  }
}

/** A value in the file that nothing of ours wrote: SQLite notices most of what can happen to a page, not all. */
export class DamagedValue extends Error {
  override readonly name = "DamagedValue"
}

/** `node:sqlite` does not round numbers that JavaScript has not, nor does the ledger write such. */
const isBeyondNumbers = (cause: Error, code: string | undefined): boolean =>
  code === "ERR_OUT_OF_RANGE" && cause.message.startsWith("Value is too large")

/** Primary result codes (sqlite.org/rescode.html); the extended ones have them in their lowest 8 bits. */
const reasons: ReadonlyMap<number, StorageReason> = new Map([
  [3, "readOnly"], // PERM
  [5, "locked"], // BUSY
  [6, "locked"], // LOCKED
  [8, "readOnly"], // READONLY
  [11, "corrupt"], // CORRUPT
  [13, "full"], // FULL
  [23, "readOnly"], // AUTH
  [26, "corrupt"] // NOTADB
])

/** Of these only a mistake in this program can be the cause: MISMATCH, MISUSE, RANGE, CONSTRAINT. */
const mistakes: ReadonlySet<number> = new Set([19, 20, 21, 25])

/** After these nothing was committed, also when COMMIT itself failed. */
const definite: ReadonlySet<StorageReason> = new Set(["full", "locked", "readOnly", "closed"])

const textIn = (cause: object, key: string): string | undefined => {
  const value: unknown = Reflect.get(cause, key)
  return typeof value === "string" && value !== "" ? value : undefined
}

/** What a failure of `node:sqlite` means; anything else is a mistake of ours and `undefined`. */
export const storageErrorOf = (cause: unknown, path: string, committing = false): StorageError | undefined => {
  if (cause instanceof StorageError) return cause
  if (!(cause instanceof Error)) return undefined
  const code = textIn(cause, "code")
  if (cause instanceof DamagedValue || isBeyondNumbers(cause, code)) {
    return new StorageError(path, "corrupt", cause.message)
  }
  if (code === "ERR_INVALID_STATE") return new StorageError(path, "closed", "it is not open any more")
  if (code !== "ERR_SQLITE_ERROR") return undefined
  const errcode: unknown = Reflect.get(cause, "errcode")
  const primary = typeof errcode === "number" ? errcode % 256 : 0
  if (mistakes.has(primary)) return undefined
  const reason = reasons.get(primary) ?? "other"
  const detail = `${cause.message} (SQLite ${String(errcode)})`
  return new StorageError(path, reason, detail, committing && !definite.has(reason))
}
