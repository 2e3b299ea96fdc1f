/**
 * What the main thread and a thread of the ledger say to one another: batches of calls by name, and an answer to each.
 * Everything is plain data that can be cloned.
 */

export interface CallMessage {
  readonly name: string
  readonly args: ReadonlyArray<unknown>
}

export type ToThread =
  | { readonly _tag: "Calls"; readonly batch: number; readonly calls: ReadonlyArray<CallMessage> }
  /** Finish: nothing comes after it. */
  | { readonly _tag: "Close" }

export type FromThread =
  | { readonly _tag: "Ready" }
  /** It could not begin its work, and ends. */
  | { readonly _tag: "NotStarted"; readonly thrown: Thrown }
  /** One answer per call of the batch, in its order. `note` is about the thread's state after the batch. */
  | {
      readonly _tag: "Answers"
      readonly batch: number
      readonly answers: ReadonlyArray<Answer>
      readonly note: unknown
    }
  /** Something that nobody asked for, such as progress. */
  | { readonly _tag: "Told"; readonly value: unknown }

export type Answer =
  | { readonly _tag: "Returned"; readonly value: unknown }
  /** The call failed as a whole. */
  | { readonly _tag: "Threw"; readonly thrown: Thrown }

/** A thrown error as plain data: cloning an `Error` loses the fields that `node:sqlite` adds. */
export interface Thrown {
  readonly name: string
  readonly message: string
  readonly stack: string
  /** As "ERR_SQLITE_ERROR" or "EACCES". */
  readonly code?: string
  /** The extended result code of SQLite. */
  readonly errcode?: number
}

export const thrownOf = (error: unknown): Thrown => {
  if (!(error instanceof Error)) return { name: "Error", message: String(error), stack: "" }
  const { message, name, stack = "" } = error
  return {
    name,
    message: message === "" ? name : message,
    stack,
    ...("code" in error && typeof error.code === "string" ? { code: error.code } : {}),
    ...("errcode" in error && typeof error.errcode === "number" ? { errcode: error.errcode } : {})
  }
}
