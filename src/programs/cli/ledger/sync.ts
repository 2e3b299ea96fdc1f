/**
 * `icn-node ledger sync status`: how far the books are, and what stands in the way of writing.
 */
import { Effect, Stream } from "effect"
import { Command } from "effect/cli"
import { overview } from "../../ledger/reads.ts"
import type { LedgerOverview } from "../../rpc/ledgerApi.ts"
import { dataDirectory } from "../dataDir.ts"
import { failing } from "../failing.ts"
import { print } from "../output.ts"
import { nodeFlags } from "./flags.ts"
import { asking } from "./reading.ts"

const cooperativeText = ({ cooperative }: LedgerOverview): string => {
  if (cooperative === null) return 'none yet; it is founded with the first payment, or joined with "icn-node coop join"'
  const { currencies, id, implicit, name } = cooperative
  const symbols = currencies.map(({ symbol }) => symbol).join(", ")
  return `${name} (${symbols}) ${id}${implicit ? ", this node's own" : ""}`
}

const ownText = ({ ownBehind, ownSeq }: LedgerOverview): string =>
  ownBehind === 0
    ? `${ownSeq + 1} entries`
    : `${ownSeq + 1} entries, and others have ${ownBehind} more: nothing is written before they are here`

type Peer = LedgerOverview["peers"][number]

const peerTexts: Readonly<Record<Peer["state"], string>> = {
  waiting: "not asked yet",
  exchanging: "catching up with it",
  current: "all that it has is here",
  behind: "more to come",
  failed: "failed"
}

const peerText = ({ detail, did, entries, exchangedAt, lacking, received, sent, state }: Peer): string =>
  [
    did,
    `  ${peerTexts[state]}${detail === "" ? "" : `: ${detail}`}${lacking > 0 ? `, ${lacking} entries lack here` : ""}`,
    `  ${entries ?? "?"} entries there, ${received} got, ${sent} given` +
      (exchangedAt === null ? "" : `, last ${exchangedAt}`)
  ].join("\n")

const text = (status: LedgerOverview): string => {
  const { accounts, forks, journalVersion, quarantine, vouched } = status
  const rows: ReadonlyArray<readonly [string, string]> = [
    ["cooperative", cooperativeText(status)],
    ["journal", `${journalVersion} entries, ${accounts} accounts`],
    ["own chain", ownText(status)],
    ["waiting", `${quarantine.pending} entries for others, ${vouched} for the check of their own signature`],
    ["quarantine", `${quarantine.entries} entries, ${quarantine.bytes} bytes`],
    [
      "forked",
      forks.length === 0
        ? "nobody"
        : forks
            .map(({ did, seq }) => `${did} from entry ${seq} on${did === status.did ? ", this node's own member" : ""}`)
            .join("\n".padEnd(14))
    ]
  ]
  const peers = status.peers.length === 0 ? ["no member is connected"] : status.peers.map(peerText)
  return [...rows.map(([name, value]) => `${name.padEnd(13)}${value}`), "", ...peers].join("\n")
}

const status = Command.make(
  "status",
  nodeFlags,
  Effect.fnUntraced(function* ({ config, dataDir, json }) {
    const directory = yield* dataDirectory({ config, dataDir })
    yield* asking(
      directory,
      {
        node: (client) => Stream.fromEffect(client.LedgerOverview()),
        offline: (reads) => Stream.fromEffect(overview(reads))
      },
      (answer) => print(json, answer, () => text(answer))
    ).pipe(failing(json))
  })
).pipe(Command.withDescription("Show how far the books are, what waits, and who has written two chains"))

export const sync = Command.make("sync").pipe(
  Command.withDescription("How the ledger comes to be the same on all nodes"),
  Command.withSubcommands([status])
)
