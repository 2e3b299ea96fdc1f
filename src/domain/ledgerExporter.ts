/** What goes into an export of the ledger, and what writes one (ledgerExport.ts). */
import type { AccountId, Currency, EntryId, IdentifiedEntry } from "./ledgerEntry.ts"

export interface ExportedCooperative {
  readonly id: EntryId
  readonly name: string
  readonly currencies: ReadonlyArray<Currency>
}

export interface ExportedEntry extends IdentifiedEntry {
  readonly version: number
  readonly booked: boolean
  readonly sealed: { readonly body: Uint8Array; readonly signature: Uint8Array }
}

export interface ExportedBalance {
  readonly account: AccountId
  readonly currency: number
  readonly posted: number
  readonly held: number
  readonly unacked: number
}

/** What the books say at the end. */
export interface ExportedBooks {
  readonly version: number
  /** Ascending by account, then currency: every row. */
  readonly balances: Iterable<ExportedBalance>
}

/** Writes one export: `begin`, `entry` for each in order, `end`. The pieces put together are the file. */
export interface Exporter {
  readonly begin: () => string
  readonly entry: (entry: ExportedEntry) => string
  readonly end: (books: ExportedBooks) => string
}
