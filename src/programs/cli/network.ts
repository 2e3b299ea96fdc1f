/**
 * `icn-node network status`: where the node listens, what it says of itself, its NAT and its relay, and the
 * ways to others.
 */
import { Effect } from "effect"
import { Command } from "effect/cli"
import { withNode } from "../rpc/client.ts"
import { configFlag, dataDirectory, dataDirFlag } from "./dataDir.ts"
import { networkText } from "./networkText.ts"
import { commandFailed, json, print } from "./output.ts"

const status = Command.make(
  "status",
  { config: configFlag, dataDir: dataDirFlag, json },
  Effect.fnUntraced(function* ({ config, dataDir, json }) {
    const directory = yield* dataDirectory({ config, dataDir })
    const answer = yield* withNode(directory, (client) => client.NetworkStatus()).pipe(Effect.mapError(commandFailed))
    yield* print(json, answer, () => networkText(answer))
  })
).pipe(
  Command.withDescription("Show where the node listens, its NAT and relay, and every way to each peer"),
  Command.withExamples([
    { command: "icn-node network status", description: "NAT, mapped addresses, relay, and the ways to each peer" },
    { command: "icn-node network status --json", description: "As one JSON document, with every path of every link" }
  ])
)

export const network = Command.make("network").pipe(
  Command.withDescription("How the node and other members reach each other"),
  Command.withSubcommands([status])
)
