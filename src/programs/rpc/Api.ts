/**
 * What a running node answers on its local socket: the definition only, shared by server and client. Every message is
 * one line of JSON (RpcSerialization ndjson), so `nc -U rpc.sock` is enough to look at the traffic.
 */
import { Schema } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"
import { actors, startupPhases, supervisorStates } from "../../domain/metrics.ts"

export const ActorStatus = Schema.Struct({
  name: Schema.Literals(actors),
  state: Schema.Literals(["starting", "running", "waiting", "degraded"]),
  restarts: Schema.Int,
  since: Schema.String,
  lastError: Schema.NullOr(Schema.String)
})

export const RelayStatus = Schema.Struct({
  server: Schema.String,
  /** `host:port`, with brackets around an IPv6 address. */
  relayedAddress: Schema.String,
  mappedAddress: Schema.String,
  lifetimeSeconds: Schema.Finite,
  expiresAt: Schema.String
})

/** Everything `icn-node status` shows. Times are ISO 8601, durations seconds. */
export const NodeStatus = Schema.Struct({
  did: Schema.String,
  pid: Schema.Int,
  version: Schema.String,
  nodeVersion: Schema.String,
  state: Schema.Literals(supervisorStates),
  health: Schema.Literals(["ok", "degraded", "down"]),
  startedAt: Schema.String,
  uptimeSeconds: Schema.Finite,
  /** How long an orderly stop may take. */
  shutdownTimeoutSeconds: Schema.Finite,
  dataDir: Schema.String,
  configSource: Schema.String,
  metricsUrl: Schema.NullOr(Schema.String),
  rpcSocket: Schema.String,
  phases: Schema.Array(Schema.Struct({ name: Schema.Literals(startupPhases), completedAt: Schema.String })),
  actors: Schema.Array(ActorStatus),
  turnServer: Schema.NullOr(Schema.String),
  relay: Schema.NullOr(RelayStatus)
})
export type NodeStatus = typeof NodeStatus.Type

export class NodeRpcs extends RpcGroup.make(
  Rpc.make("Status", { success: NodeStatus }),
  /** Asks the node to stop. The socket goes with the node, so the answer may be that the connection ends. */
  Rpc.make("Stop")
) {}

/** The longest line that either side keeps; a status is a few kilobytes. */
export const messageBytesMax = 1_048_576
