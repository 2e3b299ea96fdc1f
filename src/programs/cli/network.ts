/**
 * `icn-node network status`: where the node listens, what it says of itself, its relay, and the paths to others.
 */
import { Effect } from "effect"
import { Command } from "effect/cli"
import { formatSeconds } from "../../domain/fileTransferProgress.ts"
import type { NetworkStatus } from "../rpc/Api.ts"
import { withNode } from "../rpc/client.ts"
import { configFlag, dataDirectory, dataDirFlag } from "./dataDir.ts"
import { pathText } from "./member.ts"
import { commandFailed, json, print } from "./output.ts"
import { trafficText } from "./peers.ts"
import { relayedOn } from "./status.ts"

const relayText = ({ relay }: NetworkStatus): string =>
  relay === null ? "none" : `${relayedOn(relay)}, for ${formatSeconds(relay.expiresInSeconds)} unless refreshed`

const candidatesText = ({ candidates }: NetworkStatus): string =>
  candidates.length === 0 ? "none announced" : candidates.map(({ address, kind }) => `${address} (${kind})`).join(", ")

const text = (status: NetworkStatus): string =>
  [
    `did         ${status.did}`,
    `listening   ${status.listen.join(", ")}`,
    `candidates  ${candidatesText(status)}`,
    `relay       ${relayText(status)}`,
    `peers       ${status.peers.length}`,
    ...status.peers.map(
      (peer) =>
        `  ${peer.did}\n    ${pathText(peer.path)}, for ${formatSeconds(peer.path.sinceSeconds)}, ` +
        `${peer.path.switches} changes\n    ${trafficText(peer)}`
    )
  ].join("\n")

const status = Command.make(
  "status",
  { config: configFlag, dataDir: dataDirFlag, json },
  Effect.fnUntraced(function* ({ config, dataDir, json }) {
    const directory = yield* dataDirectory({ config, dataDir })
    const answer = yield* withNode(directory, (client) => client.NetworkStatus()).pipe(Effect.mapError(commandFailed))
    yield* print(json, answer, () => text(answer))
  })
).pipe(
  Command.withDescription("Show where the node listens, how others reach it, its relay, and the path to each peer"),
  Command.withExamples([{ command: "icn-node network status --json", description: "As one JSON document" }])
)

export const network = Command.make("network").pipe(
  Command.withDescription("How the node and other members reach each other"),
  Command.withSubcommands([status])
)
