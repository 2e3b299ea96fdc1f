/**
 * Group commit: all calls of a batch in one transaction, answered when it is durable. When anything fails, all of it is
 * undone and each call gets a transaction of its own, so that one bad call is nobody else's failure.
 */
import type { Journal } from "../Journal.ts"
import { type Answer, type CallMessage, thrownOf } from "./messages.ts"

/** Whether a failed commit may have happened all the same (`StorageError`). */
const isUncertain = (error: unknown): boolean =>
  error instanceof Error && "committing" in error && error.committing === true

/**
 * Runs batches of calls over a journal; `call` makes one of them. Where it cannot be said whether a commit happened, it
 * throws: nobody may be told anything then, the thread ends, and opening the file again settles what is in it.
 */
export const groupCommit = (journal: Pick<Journal, "write">, call: (message: CallMessage) => unknown) => {
  const alone = (message: CallMessage): Answer => {
    try {
      return { _tag: "Returned", value: journal.write(() => call(message)) }
    } catch (error) {
      if (isUncertain(error)) throw error
      return { _tag: "Threw", thrown: thrownOf(error) }
    }
  }
  return (calls: ReadonlyArray<CallMessage>): ReadonlyArray<Answer> => {
    if (calls.length === 1) return calls.map(alone)
    try {
      return journal.write(() => calls.map((message): Answer => ({ _tag: "Returned", value: call(message) })))
    } catch (error) {
      if (isUncertain(error)) throw error
      return calls.map(alone)
    }
  }
}
