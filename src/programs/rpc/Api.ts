/**
 * What a running node answers on its local socket: the definition only, shared by server and client. Every message is
 * one line of JSON (RpcSerialization ndjson), so `nc -U rpc.sock` is enough to look at the traffic.
 */
import { Schema } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"
import { DidFromString } from "../../domain/did.ts"
import { linkCandidateKinds } from "../../domain/linkCandidate.ts"
import { actors, startupPhases, supervisorStates } from "../../domain/metrics.ts"
import { natConfidences, natDependences, natKinds } from "../../domain/natBehaviour.ts"
import { PeerAddressFromString } from "../../domain/peerAddress.ts"
import { turnTransports } from "../../domain/turnServer.ts"
import { refusals } from "../../protocol/fileTransfer.ts"
import { SessionError } from "../../services/SessionManager.ts"
import { FileTransferError } from "../fileTransfer/errors.ts"
import { CoopRpcs } from "./coopApi.ts"
import { LedgerRpcs } from "./ledgerApi.ts"

export const ActorStatus = Schema.Struct({
  name: Schema.Literals(actors),
  state: Schema.Literals(["starting", "running", "waiting", "degraded"]),
  restarts: Schema.Int,
  since: Schema.String,
  lastError: Schema.NullOr(Schema.String)
})

export const RelayStatus = Schema.Struct({
  server: Schema.String,
  /** How the server is reached; what is relayed is UDP in any case. */
  transport: Schema.Literals(turnTransports),
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

/** The way that a session's packets take. */
export const PathStatus = Schema.Struct({
  kind: Schema.Literals(["direct", "reflexive", "relayed"]),
  transport: Schema.Literals(["quic", "tcp", "memory"]),
  /** The member as this node sees it, `host:port`. */
  remoteAddress: Schema.String,
  /** Null before the first measurement. */
  rttMs: Schema.NullOr(Schema.Finite),
  /** How long the session has used this path. */
  sinceSeconds: Schema.Finite,
  switches: Schema.Int
})
export type PathStatus = typeof PathStatus.Type

export const SessionStatus = Schema.Struct({
  did: Schema.String,
  direction: Schema.Literals(["inbound", "outbound"]),
  openSeconds: Schema.Finite,
  path: PathStatus,
  bytesIn: Schema.Int,
  bytesOut: Schema.Int
})
export type SessionStatus = typeof SessionStatus.Type

/** A member that is known and not connected. */
export const KnownMember = Schema.Struct({
  did: Schema.String,
  /** Named by the operator. */
  configured: Schema.Boolean,
  lastSeen: Schema.String,
  /** Best first. */
  addresses: Schema.Array(Schema.String)
})

/** Everything `icn-node peers` shows. */
export const PeersStatus = Schema.Struct({
  sessions: Schema.Array(SessionStatus),
  known: Schema.Array(KnownMember),
  /** How many there are, also those left out. */
  knownTotal: Schema.Int
})
export type PeersStatus = typeof PeersStatus.Type

const NatFindingStatus = Schema.Struct({
  behaviour: Schema.Literals([...natDependences, "unknown"]),
  confidence: Schema.Literals(natConfidences)
})

const LinkPathStatus = Schema.Struct({
  /** Where this node's packets leave: its link socket, or its TURN allocation. */
  base: Schema.Literals(["udp", "relay"]),
  remote: Schema.String,
  remoteKind: Schema.Literals(linkCandidateKinds),
  kind: Schema.Literals(["direct", "reflexive", "relayed"]),
  /** TURN allocations on the way. */
  relays: Schema.Literals([0, 1, 2]),
  state: Schema.Literals(["waiting", "checking", "valid", "failed"]),
  active: Schema.Boolean,
  nominated: Schema.Boolean,
  rttMs: Schema.NullOr(Schema.Finite),
  /** Time since the member last answered a check there; null without consent. */
  consentAgeMs: Schema.NullOr(Schema.Finite)
})
export type LinkPathStatus = typeof LinkPathStatus.Type

const LinkStatus = Schema.Struct({
  did: Schema.String,
  state: Schema.Literals(["making", "up", "lost"]),
  controlling: Schema.Boolean,
  ageSeconds: Schema.Finite,
  switches: Schema.Int,
  consentLosses: Schema.Int,
  relayBytesSent: Schema.Int,
  relayBytesReceived: Schema.Int,
  paths: Schema.Array(LinkPathStatus)
})
export type LinkStatus = typeof LinkStatus.Type

/** How the node gets through NATs. */
const LinksReport = Schema.Struct({
  /** The UDP port of the link socket. */
  port: Schema.Int,
  families: Schema.Struct({ udp4: Schema.Boolean, udp6: Schema.Boolean }),
  nat: Schema.Struct({
    kind: Schema.Literals(natKinds),
    sentence: Schema.String,
    mapping: NatFindingStatus,
    filtering: NatFindingStatus
  }),
  /** Whoever was asked where this node is seen; `problem` where no answer came. */
  servers: Schema.Array(
    Schema.Struct({
      server: Schema.String,
      mapped: Schema.NullOr(Schema.String),
      rttMs: Schema.NullOr(Schema.Finite),
      problem: Schema.NullOr(Schema.String)
    })
  ),
  links: Schema.Array(LinkStatus)
})
export type LinksReport = typeof LinksReport.Type

/** Everything `icn-node network status` shows. Addresses are `host:port`, with brackets around IPv6. */
export const NetworkStatus = Schema.Struct({
  did: Schema.String,
  listen: Schema.Array(Schema.String),
  candidates: Schema.Array(Schema.Struct({ kind: Schema.Literals(["host", "reflexive"]), address: Schema.String })),
  relay: Schema.NullOr(
    Schema.Struct({
      server: Schema.String,
      transport: Schema.Literals(turnTransports),
      relayedAddress: Schema.String,
      expiresInSeconds: Schema.Finite
    })
  ),
  /** Null for a node that makes no links. */
  links: Schema.NullOr(LinksReport),
  peers: Schema.Array(
    Schema.Struct({ did: Schema.String, path: PathStatus, bytesIn: Schema.Int, bytesOut: Schema.Int })
  )
})
export type NetworkStatus = typeof NetworkStatus.Type

const bytes = Schema.Int
const SendEvent = Schema.TaggedUnion({
  Hashing: { bytes, total: bytes },
  Connecting: { total: bytes },
  Sending: { bytes, total: bytes },
  PartDiscarded: { bytes },
  Retrying: { delayMillis: Schema.Finite, error: Schema.String },
  /** The last one. */
  Sent: { bytes, sha256: Schema.String, seconds: Schema.Finite, path: Schema.NullOr(PathStatus) }
})
export type SendEvent = typeof SendEvent.Type

const incoming = { transfer: Schema.Int, did: Schema.String, name: Schema.String, total: bytes }
const ReceiveEvent = Schema.TaggedUnion({
  /** The first one: from now on members can send. */
  Serving: { directory: Schema.String },
  Started: { ...incoming, bytes },
  Progress: { ...incoming, bytes },
  PartDiscarded: { ...incoming, bytes },
  Received: { ...incoming, file: Schema.String, sha256: Schema.String, seconds: Schema.Finite },
  Refused: { ...incoming, reason: Schema.Literals(refusals) },
  Failed: { ...incoming, error: Schema.String },
  Interrupted: { ...incoming, bytes, error: Schema.String }
})
export type ReceiveEvent = typeof ReceiveEvent.Type

/** Milliseconds; what a session measured. */
const PingAnswer = Schema.Struct({ did: Schema.String, rttMs: Schema.Finite, path: PathStatus })
const DialAnswer = Schema.Struct({ did: Schema.String, path: PathStatus, seconds: Schema.Finite })

/** Paths of files are absolute: the node has another working directory than its callers. */
const AbsolutePath = Schema.String.check(Schema.isStartingWith("/"), Schema.isMaxLength(4096))
const positive = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }))
const TransferError = Schema.Union([SessionError, FileTransferError])

export class NodeRpcs extends RpcGroup.make(
  Rpc.make("Status", { success: NodeStatus }),
  /** Asks the node to stop. The socket goes with the node, so the answer may be that the connection ends. */
  Rpc.make("Stop"),
  Rpc.make("Peers", { success: PeersStatus }),
  Rpc.make("NetworkStatus", { success: NetworkStatus }),
  /** Opens the session with a member; an address is taken as the operator's word on where it is. */
  Rpc.make("Dial", {
    payload: { did: DidFromString, address: Schema.NullOr(PeerAddressFromString) },
    success: DialAnswer,
    error: SessionError
  }),
  /** One round trip, dialling when needed. */
  Rpc.make("Ping", { payload: { did: DidFromString }, success: PingAnswer, error: SessionError }),
  /** Sends a file; ending the stream gives it up. */
  Rpc.make("Send", {
    payload: { did: DidFromString, file: AbsolutePath },
    success: SendEvent,
    error: TransferError,
    stream: true
  }),
  /** Takes files into a directory until the stream is ended, or `count` have come. */
  Rpc.make("Receive", {
    payload: {
      directory: AbsolutePath,
      from: Schema.NullOr(DidFromString),
      count: Schema.NullOr(positive),
      bytesMax: positive
    },
    success: ReceiveEvent,
    error: TransferError,
    stream: true
  })
).merge(LedgerRpcs, CoopRpcs) {}

/** The longest line that either side keeps; a status is a few kilobytes, a list of all peers a few hundred. */
export const messageBytesMax = 1_048_576
