/**
 * What nodes tell one another of the chains that they have, to find what is missing.
 */
import type { AccountId, EntryId } from "./ledgerEntry.ts"

/** An author's chain as one node has it. */
export interface Chain {
  readonly author: AccountId
  /** The end of it; of a forked author, of each branch. Ascending by id. */
  readonly heads: ReadonlyArray<{ readonly seq: number; readonly id: EntryId }>
}
