/**
 * `icn-node status`: the state of the node that runs on a data directory, as text for people or as the whole document.
 */
import { Effect } from "effect"
import { Command } from "effect/cli"
import type { NodeStatus } from "../rpc/Api.ts"
import { withNode } from "../rpc/client.ts"
import { configFlag, dataDirectory, dataDirFlag } from "./dataDir.ts"
import { commandFailed, json, print } from "./output.ts"

const duration = (seconds: number): string => {
  const [days, hours, minutes] = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60
  ]
  if (days > 0) return `${days} d ${hours} h`
  if (hours > 0) return `${hours} h ${minutes} min`
  return minutes > 0 ? `${minutes} min ${Math.floor(seconds % 60)} s` : `${Math.floor(seconds)} s`
}

/** A relayed address and how it is reached. */
export const relayedOn = (
  relay: Pick<NonNullable<NodeStatus["relay"]>, "relayedAddress" | "server" | "transport">
): string => `${relay.relayedAddress} on ${relay.server} over ${relay.transport.toUpperCase()}`

const relayText = ({ relay, turnServer }: NodeStatus): string => {
  if (turnServer === null) return "none (no TURN server configured)"
  if (relay === null) return `none yet from ${turnServer} (see the turn part below)`
  return `${relayedOn(relay)}, seen as ${relay.mappedAddress}`
}

const text = (status: NodeStatus): string => {
  const rows: ReadonlyArray<readonly [string, string]> = [
    ["state", `${status.state}, ${status.health}`],
    ["did", status.did],
    ["version", `icn-node ${status.version} on Node.js ${status.nodeVersion}, pid ${status.pid}`],
    ["up", `${duration(status.uptimeSeconds)} (since ${status.startedAt})`],
    ["data", status.dataDir],
    ["config", status.configSource],
    ["metrics", status.metricsUrl ?? "none"],
    ["relay", relayText(status)],
    ["phases", status.phases.map(({ name }) => name).join(", ")]
  ]
  const actors = status.actors.map(
    ({ lastError, name, restarts, state }) =>
      `  ${name.padEnd(20)} ${state.padEnd(9)} ${restarts} restarts${lastError === null ? "" : `, last: ${lastError}`}`
  )
  return [...rows.map(([name, value]) => `${name.padEnd(9)}${value}`), "parts", ...actors].join("\n")
}

export const status = Command.make(
  "status",
  { config: configFlag, dataDir: dataDirFlag, json },
  Effect.fnUntraced(function* ({ config, dataDir, json }) {
    const directory = yield* dataDirectory({ config, dataDir })
    const answer = yield* withNode(directory, (client) => client.Status()).pipe(Effect.mapError(commandFailed))
    yield* print(json, answer, () => text(answer))
  })
).pipe(Command.withDescription("Show the state of the running node: phases, parts with restarts, addresses, relay"))
