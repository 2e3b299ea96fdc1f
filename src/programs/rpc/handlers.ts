/**
 * The answers of the local socket, read from what the supervisor keeps.
 */
import { Clock, Duration, Effect } from "effect"
import { format } from "../../domain/transportAddress.ts"
import { version } from "../../domain/version.ts"
import { DataDirectory } from "../../services/DataDirectory.ts"
import { Health } from "../../services/Health.ts"
import { NodeConfig } from "../../services/NodeConfig.ts"
import type { TurnAllocationState } from "../../services/TurnClient.ts"
import type { Actors, ActorStatus } from "../supervisor/actors.ts"
import type { Registry } from "../supervisor/registry.ts"
import { NodeRpcs, type NodeStatus } from "./Api.ts"
import { coopHandlers } from "./handlersCoop.ts"
import { fileHandlers } from "./handlersFiles.ts"
import { ledgerHandlers } from "./handlersLedger.ts"
import { networkHandlers } from "./handlersNetwork.ts"
import { isoTime } from "./isoTime.ts"

const actorOf = ({ lastError, name, restarts, sinceMillis, state }: ActorStatus) => ({
  name,
  state,
  restarts,
  since: isoTime(sinceMillis),
  lastError: lastError ?? null
})

/** A relay as people and scripts read it; also the shape of `run --json`'s relay event. */
export const relayOf = (relay: TurnAllocationState) => ({
  server: format(relay.server),
  transport: relay.transport,
  relayedAddress: format(relay.relayedAddress),
  mappedAddress: format(relay.mappedAddress),
  lifetimeSeconds: relay.lifetimeSeconds,
  expiresAt: isoTime(relay.expiresAtMillis)
})

/** The whole state of the node, as `icn-node status` shows it. */
const nodeStatus = Effect.fnUntraced(function* (registry: Registry, actors: Actors) {
  const { source, values } = yield* NodeConfig
  const { path } = yield* DataDirectory
  const health = yield* Effect.flatMap(Health, ({ report }) => report)
  const facts = registry.facts()
  const status: NodeStatus = {
    did: facts.did ?? "",
    pid: process.pid,
    version,
    nodeVersion: process.versions.node,
    state: facts.state,
    health: health.status,
    startedAt: isoTime(facts.startedAtMillis),
    uptimeSeconds: ((yield* Clock.currentTimeMillis) - facts.startedAtMillis) / 1000,
    shutdownTimeoutSeconds: Duration.toSeconds(values.supervisor.shutdownTimeout),
    dataDir: path,
    configSource: source,
    metricsUrl: facts.metricsUrl ?? null,
    rpcSocket: facts.rpcSocket ?? "",
    phases: facts.phases.map(({ completedAtMillis, name }) => ({ name, completedAt: isoTime(completedAtMillis) })),
    actors: (yield* actors.status).map(actorOf),
    turnServer: values.network.turnServer === undefined ? null : format(values.network.turnServer),
    relay: facts.relay === undefined ? null : relayOf(facts.relay)
  }
  return status
})

/** The handlers of `NodeRpcs` for one node. */
export const layer = (registry: Registry, actors: Actors) =>
  NodeRpcs.toLayer(
    Effect.gen(function* () {
      const context = yield* Effect.context<NodeConfig | DataDirectory | Health>()
      return NodeRpcs.of({
        Status: () => nodeStatus(registry, actors).pipe(Effect.provideContext(context)),
        Stop: () => registry.requestStop,
        ...(yield* networkHandlers(registry)),
        ...(yield* fileHandlers),
        ...(yield* ledgerHandlers),
        ...(yield* coopHandlers)
      })
    })
  )
