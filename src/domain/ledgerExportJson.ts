/**
 * A ledger with everything that proves it, as JSON lines: a header, every entry as it was signed, whether it is booked
 * or not, and a trailer with the balances. protocol/ledgerVerify.ts reads it. Amounts are integers in minor units.
 *
 *     {"type":"header","format":…,"coop":…,"name":…,"currencies":[{"symbol","decimals","startingLimit"}]}
 *     {"type":"entry","version":1,"id":…,"booked":true,"body":<base64>,"signature":<base64>}
 *     {"type":"trailer","version":…,"entries":…,"balances":[{"account","currency","posted","held","unacked"}]}
 */
import type { ExportedBooks, ExportedCooperative, ExportedEntry, Exporter } from "./ledgerExporter.ts"

/** The only format there is. */
export const jsonLinesFormat = "icn-node/ledger-export/v1"

const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64")

const line = (value: Readonly<Record<string, unknown>>): string => `${JSON.stringify(value)}\n`

export const jsonLinesExport = ({ currencies, id, name }: ExportedCooperative): Exporter => {
  let entries = 0
  return {
    begin: () =>
      line({
        type: "header",
        format: jsonLinesFormat,
        coop: id,
        name,
        currencies: currencies.map(({ decimals, startingLimit, symbol }) => ({ symbol, decimals, startingLimit }))
      }),
    entry: ({ booked, id, sealed: { body, signature }, version }: ExportedEntry) => {
      entries++
      return line({ type: "entry", version, id, booked, body: base64(body), signature: base64(signature) })
    },
    end: ({ balances, version }: ExportedBooks) =>
      line({
        type: "trailer",
        version,
        entries,
        balances: [...balances].map(({ account, currency, held, posted, unacked }) => ({
          account,
          currency,
          posted,
          held,
          unacked
        }))
      })
  }
}
