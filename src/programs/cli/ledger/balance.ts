/**
 * `icn-node ledger balance`: what a member has, what of it is set aside, and how far down he may go.
 */
import { Effect } from "effect"
import { Command } from "effect/cli"
import type { LedgerBalance } from "../../rpc/ledgerApi.ts"
import { dataDirectory } from "../dataDir.ts"
import { failing } from "../failing.ts"
import { print } from "../output.ts"
import { table } from "../table.ts"
import { everyone, nodeFlags, optionalDid, whose } from "./flags.ts"
import { askBalances } from "./reading.ts"

/** The part of a balance that scripts rely on. */
const document = ({ available, currency, did, held, limit, posted }: LedgerBalance) => ({
  did,
  currency,
  posted,
  held,
  available,
  limit
})

const amounts = ["posted", "held", "available", "limit"] as const

const rowsOf = (rows: ReadonlyArray<LedgerBalance>): string =>
  table(
    [
      { title: "currency", align: "left" },
      { title: "balance", align: "right" },
      { title: "held", align: "right" },
      { title: "available", align: "right" },
      { title: "limit", align: "right" }
    ],
    rows.map((row) => [row.currency, ...amounts.map((name) => row[name])])
  )

const isZero = (amount: string): boolean => Number(amount) === 0

/** One block per member. */
const text = (rows: ReadonlyArray<LedgerBalance>): string => {
  const byMember = Map.groupBy(rows, ({ did }) => did)
  const blocks = [...byMember].map(([did, own]) => {
    const waiting = own.filter(({ unacked }) => !isZero(unacked))
    const notes = waiting.map(
      ({ currency, unacked }) => `${unacked} ${currency} of it can be spent once this member's node has acknowledged it`
    )
    return [did, rowsOf(own), ...notes].join("\n")
  })
  return blocks.length === 0 ? "nobody has anything yet" : blocks.join("\n\n")
}

export const balance = Command.make(
  "balance",
  { did: optionalDid, everyone, ...nodeFlags },
  Effect.fnUntraced(function* ({ config, dataDir, did, everyone, json }) {
    const directory = yield* dataDirectory({ config, dataDir })
    const request = yield* whose(did, everyone).pipe(failing(json))
    const rows = yield* askBalances(directory, request).pipe(failing(json))
    yield* print(json, rows.map(document), () => text(rows))
  })
).pipe(
  Command.withDescription("Show what a member has, what is set aside, and what may still be spent"),
  Command.withExamples([
    { command: "icn-node ledger balance", description: "This node's own member" },
    { command: "icn-node ledger balance did:key:z6Mk… --json", description: "Another one, as JSON" }
  ])
)
