/**
 * `icn-node peers`: with whom the node has sessions now, and who else is known.
 */
import { Effect } from "effect"
import { Command } from "effect/cli"
import { formatBytes, formatSeconds } from "../../domain/fileTransferProgress.ts"
import type { PeersStatus, SessionStatus } from "../rpc/Api.ts"
import { withNode } from "../rpc/client.ts"
import { configFlag, dataDirectory, dataDirFlag } from "./dataDir.ts"
import { pathText } from "./member.ts"
import { commandFailed, json, print } from "./output.ts"

export const trafficText = ({ bytesIn, bytesOut }: { readonly bytesIn: number; readonly bytesOut: number }): string =>
  `${formatBytes(bytesIn)} in, ${formatBytes(bytesOut)} out`

const sessionText = (session: SessionStatus): string =>
  `${session.did}\n  ${pathText(session.path)}\n  ${session.direction} for ${formatSeconds(session.openSeconds)}, ` +
  trafficText(session)

const text = ({ known, knownTotal, sessions }: PeersStatus): string => {
  const others = known.map(({ addresses, configured, did, lastSeen }) => {
    const where = addresses.length === 0 ? "no address" : addresses.join(", ")
    return `${did}\n  ${where}\n  ${configured ? "configured" : `last seen ${lastSeen}`}`
  })
  const more = knownTotal - known.length
  return [
    `sessions: ${sessions.length}`,
    ...sessions.map(sessionText),
    ...(knownTotal === 0 ? [] : ["", `${knownTotal} more known, not connected`, ...others]),
    ...(more > 0 ? [`and ${more} more`] : [])
  ].join("\n")
}

export const peers = Command.make(
  "peers",
  { config: configFlag, dataDir: dataDirFlag, json },
  Effect.fnUntraced(function* ({ config, dataDir, json }) {
    const directory = yield* dataDirectory({ config, dataDir })
    const answer = yield* withNode(directory, (client) => client.Peers()).pipe(Effect.mapError(commandFailed))
    yield* print(json, answer, () => text(answer))
  })
).pipe(
  Command.withDescription("Show with whom the node has sessions, by which path, and who else is known"),
  Command.withExamples([{ command: "icn-node peers", description: "Sessions first, then members known otherwise" }])
)
