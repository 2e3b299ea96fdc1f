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

/** A thrown error as plain data: cloning an `Error` loses the fields that were added to it. */
export interface Thrown {
  readonly name: string
  readonly message: string
  readonly stack: string
  /** Its own fields with plain values, such as `code` of what Node throws. */
  readonly facts: Readonly<Record<string, string | number | boolean>>
}

const isPlain = (entry: [string, unknown]): entry is [string, string | number | boolean] =>
  ["string", "number", "boolean"].includes(typeof entry[1])

export const thrownOf = (error: unknown): Thrown => {
  if (!(error instanceof Error)) return { name: "Error", message: String(error), stack: "", facts: {} }
  const { message, name, stack = "" } = error
  const facts = Object.fromEntries(Object.entries(error).filter(isPlain))
  return { name, message: message === "" ? name : message, stack, facts }
}
