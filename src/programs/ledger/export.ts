/**
 * A whole ledger as text (domain/ledgerExport.ts), read from the data directory itself: all of it is of one version,
 * whether a node runs and writes meanwhile or not, and nothing of it is kept in memory.
 */
import { Effect, Option, Stream } from "effect"
import { type ExportFormat, makeExporter } from "../../domain/ledgerExport.ts"
import type * as LedgerSqlite from "../../layers/LedgerSqlite.ts"

/** Entries read and written at a time. */
const pageEntries = 512

/** A piece of the text, and how far it is. */
export interface ExportPiece {
  readonly text: string
  /** Entries, of those there are. */
  readonly done: number
  readonly total: number
}

/** The pieces of the text, in order; each is whole lines, or empty. */
export const exportLedger = (
  { cooperative, frozen, read }: LedgerSqlite.OfflineBooks,
  format: ExportFormat,
  pageMax = pageEntries
) =>
  Effect.gen(function* () {
    yield* frozen
    const total = yield* read("version")
    const exporter = makeExporter(format, cooperative)
    const piece = (text: string, done: number): ExportPiece => ({ text, done, total })
    const entries = Stream.paginate(0, (after: number) =>
      Effect.map(read("entriesAfter", after, pageMax), (page) => {
        const last = page.at(-1)
        if (last === undefined) return [[], Option.none<number>()] as const
        const text = page.map((entry) => exporter.entry(entry)).join("")
        return [[piece(text, last.version)], Option.some(last.version)] as const
      })
    )
    const end = Effect.map(read("balances"), (balances) => piece(exporter.end({ version: total, balances }), total))
    return Stream.make(piece(exporter.begin(), 0)).pipe(Stream.concat(entries), Stream.concat(Stream.fromEffect(end)))
  }).pipe(Stream.unwrap)
