/**
 * A ledger as a journal for hledger (https://hledger.org/hledger.html#journal): a transaction per booked payment, and
 * at the end what the books say as balance assertions, so that hledger itself finds out whether they follow from the
 * payments. Accounts are DIDs, which hledger takes for a path (`did:key:…`). Holds, limits and acks are left out: no
 * money has moved.
 */
import { formatAmount } from "./ledgerAmount.ts"
import { isPosting } from "./ledgerEntry.ts"
import type { ExportedCooperative, ExportedEntry, Exporter } from "./ledgerExporter.ts"
import { isoTime } from "./ledgerTime.ts"
import { accountDid, currencyAt } from "./ledgerView.ts"

/** In a description ";" begins a comment, and "|" parts who from what. */
const description = (text: string): string => text.replaceAll(";", ",").replaceAll("|", "/").trim()

export const hledgerExport = ({ currencies, id, name }: ExportedCooperative): Exporter => {
  /** Assertions are looked at in the order of dates, so the last ones need the latest. */
  let latest = 0
  const amountOf = (minor: number, currency: number): string => {
    const { decimals, symbol } = currencyAt(currencies, currency)
    return `${formatAmount(minor, decimals)} "${symbol}"`
  }
  return {
    begin: () => {
      const commodities = currencies.map(
        ({ decimals, symbol }) => `commodity 1000.${"0".repeat(decimals)} "${symbol}"\n`
      )
      return `; The ledger of ${name}\n; ${id}\n\n${commodities.join("")}\n`
    },
    entry: ({ booked, entry, id, version }: ExportedEntry) => {
      const { at, kind, legs, memo } = entry
      if (!booked || !isPosting(entry)) return ""
      latest = Math.max(latest, at)
      const time = isoTime(at)
      const postings = legs.map(
        ({ account, amount, currency }) => `    ${accountDid(account)}  ${amountOf(amount, currency)}\n`
      )
      const what = memo === "" ? kind : `${kind} | ${description(memo)}`
      return `${time.slice(0, 10)} * (${version}) ${what}  ; entry ${id}\n    ; at ${time}\n${postings.join("")}\n`
    },
    end: ({ balances, version }) => {
      const assertions: Array<string> = []
      for (const { account, currency, posted } of balances) {
        assertions.push(`    ${accountDid(account)}  ${amountOf(0, currency)} = ${amountOf(posted, currency)}\n`)
      }
      return assertions.length === 0
        ? ""
        : `${isoTime(latest).slice(0, 10)} * the books at version ${version}\n${assertions.join("")}`
    }
  }
}
