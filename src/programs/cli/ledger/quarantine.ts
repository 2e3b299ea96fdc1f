/**
 * `icn-node ledger quarantine`: entries that came and are not in the journal, because something that they refer to is
 * missing, because they are invalid, or because their author has forked.
 */
import { Effect, Stream } from "effect"
import { Command } from "effect/cli"
import { quarantine as readQuarantine, quarantined } from "../../ledger/reads.ts"
import { type Client, workWithNode } from "../../rpc/client.ts"
import type { LedgerQuarantined, LedgerQuarantinedEntry, LedgerReleased } from "../../rpc/ledgerApi.ts"
import { dataDirectory, type NodeFlags } from "../dataDir.ts"
import { failing } from "../failing.ts"
import { CommandFailed, exitCodes, print } from "../output.ts"
import { table } from "../table.ts"
import { entryArgument, nodeFlags } from "./flags.ts"
import { asking } from "./reading.ts"

const listText = (entries: ReadonlyArray<LedgerQuarantined>): string =>
  entries.length === 0
    ? "nothing is in quarantine"
    : table(
        [
          { title: "entry", align: "left" },
          { title: "state", align: "left" },
          { title: "reason", align: "left" },
          { title: "bytes", align: "right" },
          { title: "author", align: "left" }
        ],
        entries.map(({ author, bytes, entryId, reason, state }) => [entryId, state, reason, String(bytes), author])
      )

const list = Command.make(
  "list",
  nodeFlags,
  Effect.fnUntraced(function* ({ config, dataDir, json }) {
    const directory = yield* dataDirectory({ config, dataDir })
    const entries: Array<LedgerQuarantined> = []
    yield* asking(directory, { node: (client) => client.LedgerQuarantineList(), offline: readQuarantine }, (entry) =>
      Effect.sync(() => void entries.push(entry))
    ).pipe(failing(json))
    yield* print(json, entries, () => listText(entries))
  })
).pipe(Command.withDescription("Show what is in quarantine, newest first"))

const entryText = (entry: LedgerQuarantinedEntry): string => {
  const rows: ReadonlyArray<readonly [string, string]> = [
    ["entry", entry.entryId],
    ["state", `${entry.state}: ${entry.reason}`],
    ["kind", entry.kind],
    ["author", `${entry.author}, position ${entry.seq}`],
    ["dated", entry.at],
    ["arrived", entry.arrivedAt],
    ...entry.legs.map(({ amount, currency, did }) => ["leg", `${amount} ${currency}  ${did}`] as const),
    ...entry.missing.map((id) => ["missing", id] as const),
    ...(entry.memo === "" ? [] : [["memo", entry.memo] as const])
  ]
  return rows.map(([name, value]) => `${name.padEnd(9)}${value}`).join("\n")
}

const notThere = (id: string) =>
  new CommandFailed({ text: `there is no entry ${id} in quarantine`, exitCode: exitCodes.failed })

const get = Command.make(
  "get",
  { id: entryArgument("entry"), ...nodeFlags },
  Effect.fnUntraced(function* ({ config, dataDir, id, json }) {
    const directory = yield* dataDirectory({ config, dataDir })
    yield* asking(
      directory,
      {
        node: (client) => Stream.fromEffect(client.LedgerQuarantineGet({ id })),
        offline: (reads) => Stream.fromEffect(quarantined(reads, id))
      },
      (answer) => (answer === null ? Effect.fail(notThere(id)) : print(json, answer, () => entryText(answer)))
    ).pipe(failing(json))
  })
).pipe(Command.withDescription("Show one of them in full"))

/** Has the running node do something to the quarantine. */
const changing = <A, E extends Error>(
  flags: NodeFlags & { readonly json: boolean },
  change: (client: Client) => Effect.Effect<A, E>
) => Effect.flatMap(dataDirectory(flags), (directory) => workWithNode(directory, change)).pipe(failing(flags.json))

const releasedText = ({ added, missing, parked, pending, rejected }: LedgerReleased): string => {
  if (added > 0) return `in the journal now${added > 1 ? `, with ${added - 1} that waited for it` : ""}`
  if (rejected > 0) return "it is invalid, and stays in quarantine"
  if (parked > 0) return "its author has forked and nobody refers to it; it stays in quarantine"
  return pending > 0 ? `it still waits for ${missing.length} entries` : "nothing became of it"
}

const release = Command.make(
  "release",
  { id: entryArgument("entry"), ...nodeFlags },
  Effect.fnUntraced(function* ({ id, ...flags }) {
    const released = yield* changing(flags, (client) => client.LedgerQuarantineRelease({ id }))
    if (released === null) return yield* failing(flags.json)(Effect.fail(notThere(id)))
    yield* print(flags.json, released, () => releasedText(released))
  })
).pipe(Command.withDescription("Judge one of them anew"))

const drop = Command.make(
  "drop",
  { id: entryArgument("entry"), ...nodeFlags },
  Effect.fnUntraced(function* ({ id, ...flags }) {
    const dropped = yield* changing(flags, (client) => client.LedgerQuarantineDrop({ id }))
    if (!dropped) return yield* failing(flags.json)(Effect.fail(notThere(id)))
    yield* print(flags.json, { dropped: 1 }, () => "dropped; it comes back when somebody sends it again")
  })
).pipe(Command.withDescription("Throw one of them away"))

const purge = Command.make(
  "purge",
  nodeFlags,
  Effect.fnUntraced(function* (flags) {
    const dropped = yield* changing(flags, (client) => client.LedgerQuarantinePurge())
    yield* print(flags.json, { dropped }, () => `dropped ${dropped}`)
  })
).pipe(Command.withDescription("Throw all of them away"))

export const quarantine = Command.make("quarantine").pipe(
  Command.withDescription("Entries that came and are not in the journal"),
  Command.withSubcommands([list, get, release, drop, purge])
)
