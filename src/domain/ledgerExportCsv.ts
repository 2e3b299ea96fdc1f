/**
 * A ledger as a table (RFC 4180): a line per leg, and one without account and amount for entries that have none.
 * Whether an entry is booked is a column; so is whether the leg is part of a balance, which those of holds are not.
 */
import { formatAmount } from "./ledgerAmount.ts"
import { isPosting } from "./ledgerEntry.ts"
import type { ExportedCooperative, ExportedEntry, Exporter } from "./ledgerExporter.ts"
import { isoTime } from "./ledgerTime.ts"
import { accountDid, currencyAt } from "./ledgerView.ts"

const columns = "version,entry,time,kind,author,seq,booked,posting,account,currency,amount,memo"

const quoted = (field: string): string => (/[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field)

/** Text that a spreadsheet would take for a formula; others wrote it. */
const harmless = (text: string): string => (/^[=+\-@]/.test(text) ? `'${text}` : text)

const line = (fields: ReadonlyArray<string>): string => `${fields.map(quoted).join(",")}\r\n`

export const csvExport = ({ currencies }: ExportedCooperative): Exporter => ({
  begin: () => `${columns}\r\n`,
  entry: ({ booked, entry, id, version }: ExportedEntry) => {
    const { at, author, kind, legs, memo, seq } = entry
    const common = [String(version), id, isoTime(at), kind, accountDid(author), String(seq), String(booked)]
    const text = harmless(memo)
    if (legs.length === 0) return line([...common, "false", "", "", "", text])
    const posting = String(booked && isPosting(entry))
    return legs
      .map(({ account, amount, currency }) => {
        const { decimals, symbol } = currencyAt(currencies, currency)
        return line([...common, posting, accountDid(account), symbol, formatAmount(amount, decimals), text])
      })
      .join("")
  },
  end: () => ""
})
