/**
 * TURN (RFC 8656): a relayed transport address on a server, kept alive for as long as its scope is open. Implemented by
 * layers/TurnUdpTcp.ts (a real server over UDP and TCP), layers/TurnUdp.ts (UDP only) and layers/TurnMemory.ts (relays
 * in memory); wire format in protocol/stun.ts, protocol/turn.ts, protocol/channelData.ts and, over TCP,
 * protocol/turnFraming.ts; configuration in domain/turnConfig.ts.
 *
 * The data path (`TurnAllocation.send`, `onReceive`) is plain code: no Effect runs per packet.
 */
import { Context, type Effect, Schema, type Scope, type Stream } from "effect"
import type { TransportAddress } from "../domain/transportAddress.ts"
import type { TurnConfig } from "../domain/turnConfig.ts"
import { type TurnTransport, turnTransports } from "../domain/turnServer.ts"

/** The server did not answer within the retransmission schedule or the configured timeout. */
export class TurnTimeout extends Schema.TaggedError<TurnTimeout>()("TurnTimeout", { attempts: Schema.Int }) {}
/** Wrong or missing credentials (401 twice, 441), or credentials that the server's realm does not know. */
export class TurnUnauthorized extends Schema.TaggedError<TurnUnauthorized>()("TurnUnauthorized", {
  code: Schema.Int,
  realm: Schema.String
}) {}
/** Out of quota (486) or ports (508), or this client (403), address family (440) or transport (442) is refused. */
export class TurnQuotaReached extends Schema.TaggedError<TurnQuotaReached>()("TurnQuotaReached", {
  code: Schema.Int
}) {}
/** The server refuses this peer: 403 Forbidden, 443 Peer Address Family Mismatch, or 0 when it is no address. */
export class TurnPeerRefused extends Schema.TaggedError<TurnPeerRefused>()("TurnPeerRefused", {
  code: Schema.Int,
  peer: Schema.String
}) {}
/** The server does not know this allocation (437), or the 5-tuple is in use by another one. */
export class TurnMismatch extends Schema.TaggedError<TurnMismatch>()("TurnMismatch", { code: Schema.Int }) {}
/** The server answered, but not as the RFC allows: `code` is its error code, or 0 for an answer that cannot be read. */
export class TurnProtocolError extends Schema.TaggedError<TurnProtocolError>()("TurnProtocolError", {
  code: Schema.Int,
  detail: Schema.String
}) {}
/**
 * The name does not resolve, no socket can be opened, or the host answers with "port unreachable"; over TCP also a
 * connection that ended (`EOF`, `ECONNRESET`, …) or whose stream is no sequence of messages (`EBADMSG`).
 */
export class TurnUnreachable extends Schema.TaggedError<TurnUnreachable>()("TurnUnreachable", {
  code: Schema.String
}) {}
/** This allocation already holds as many permissions or channels as a client keeps up. */
export class TurnLimitReached extends Schema.TaggedError<TurnLimitReached>()("TurnLimitReached", {
  what: Schema.Literals(["permissions", "channels"]),
  max: Schema.Int
}) {}

export const TurnErrorReason = Schema.Union([
  TurnTimeout,
  TurnUnauthorized,
  TurnQuotaReached,
  TurnPeerRefused,
  TurnMismatch,
  TurnProtocolError,
  TurnUnreachable,
  TurnLimitReached
])
export type TurnErrorReason = typeof TurnErrorReason.Type

/** Every failure of a `TurnClient` call; match on it with `Effect.catchReason("TurnError", "TurnTimeout", …)`. */
export class TurnError extends Schema.TaggedError<TurnError>()("TurnError", {
  /** The server as `host:port`, as far as it was known when the call failed. */
  server: Schema.String,
  method: Schema.Literals(["resolve", "allocate", "refresh", "createPermission", "channelBind"]),
  reason: TurnErrorReason,
  /** How the server was asked; absent where nothing was sent. */
  transport: Schema.optionalKey(Schema.Literals(turnTransports)),
  /** Why the transports that were tried before that one did not do. */
  before: Schema.optionalKey(
    Schema.Array(Schema.Struct({ transport: Schema.Literals(turnTransports), reason: TurnErrorReason }))
  )
}) {
  /** The server's error code, the system's for an unreachable server, or 0 where there is none. */
  get code(): number | string {
    return "code" in this.reason ? this.reason.code : 0
  }
  override get message(): string {
    const { before = [], method, reason, server, transport } = this
    const tried = [...before.map((one) => attempt(one.transport, one.reason)), attempt(transport, reason)]
    const hint = reason._tag === "TurnTimeout" ? "; is the server up and its port open?" : ""
    return `TURN ${method} at ${server} failed${tried.join(";")}${hint}`
  }
}

/** What came of one transport. */
const attempt = (transport: TurnTransport | undefined, reason: TurnErrorReason): string =>
  `${transport === undefined ? "" : ` over ${transport.toUpperCase()}`}: ${describe(reason)}`

const describeRefusal = (code: number): string => {
  switch (code) {
    case 486:
      return "486: this user has reached its quota of allocations on the server"
    case 508:
      return "508: the server has no relay port left"
    case 403:
      return "403: the server does not allow this client to allocate"
    default:
      return `${code}: the server does not relay this address family or transport`
  }
}

const describe = (reason: TurnErrorReason): string => {
  switch (reason._tag) {
    case "TurnTimeout":
      return `no answer after ${reason.attempts} ${reason.attempts === 1 ? "attempt" : "attempts"}`
    case "TurnUnauthorized":
      return `${reason.code} for realm "${reason.realm}"; check the user name and password`
    case "TurnQuotaReached":
      return describeRefusal(reason.code)
    case "TurnPeerRefused":
      return reason.code === 0
        ? `"${reason.peer}" is no address to relay to`
        : `${reason.code}: the server does not relay to ${reason.peer}`
    case "TurnMismatch":
      return `${reason.code}: the server holds no allocation for this socket, or another one`
    case "TurnProtocolError":
      return reason.code === 0 ? reason.detail : `${reason.code} ${reason.detail}`
    case "TurnUnreachable":
      return `unreachable (${reason.code})`
    case "TurnLimitReached":
      return `${reason.max} ${reason.what} are in use, and that is the limit`
  }
}

/** What the server granted, as of the latest answer. */
export interface TurnAllocationState {
  readonly server: TransportAddress
  /** How the server is reached; what is relayed is UDP in any case. */
  readonly transport: TurnTransport
  readonly relayedAddress: TransportAddress
  /** This node as the server sees it (XOR-MAPPED-ADDRESS). */
  readonly mappedAddress: TransportAddress
  readonly lifetimeSeconds: number
  /** Milliseconds since the epoch, by `Clock`. */
  readonly expiresAtMillis: number
}

/** Leave for one peer IP address to send through the relay (RFC 8656 section 9); kept refreshed. */
export interface TurnPermission {
  readonly host: string
  /** Milliseconds since the epoch of the latest confirmation's end. */
  readonly expiresAtMillis: number
}

export type TurnEvent =
  /** The allocation is gone (server restarted, refresh refused, silence); a new one is being asked for. */
  | { readonly _tag: "Lost"; readonly error: TurnError }
  /**
   * A new allocation replaces a lost one, or one on TCP where UDP gets through again; permissions and channels have
   * been asked for again. The relayed address is the former one when the server had only been out of reach.
   */
  | { readonly _tag: "Relocated"; readonly previous: TransportAddress; readonly state: TurnAllocationState }
  /** The server relays to a peer no longer; its permission and channels are dropped. */
  | { readonly _tag: "PeerRefused"; readonly host: string; readonly error: TurnError }

export interface TurnPacket {
  readonly peer: TransportAddress
  readonly payload: Uint8Array
}

/** Counts since the allocation was made; plain numbers that the data path keeps. */
export interface TurnStatistics {
  readonly sentBytes: number
  readonly sentPackets: number
  readonly receivedBytes: number
  readonly receivedPackets: number
  /** Datagrams dropped: undecodable, from nobody's transaction, on an unknown channel, or sent without a relay. */
  readonly droppedPackets: number
}

export interface TurnAllocation {
  /** The present state; `undefined` between a loss and the next allocation. */
  readonly state: () => TurnAllocationState | undefined
  /** Installs a permission for a peer's IP address and keeps it until the allocation closes or `revoke`. */
  readonly permit: (host: string) => Effect.Effect<TurnPermission, TurnError>
  readonly revoke: (host: string) => Effect.Effect<void>
  /** Binds a channel (RFC 8656 section 12) and keeps it; `send` to that peer then costs 4 bytes instead of 36. */
  readonly bindChannel: (peer: TransportAddress) => Effect.Effect<void, TurnError>
  /**
   * Relays a datagram: ChannelData where a channel is bound, a Send indication otherwise. False when it was dropped: no
   * allocation at the moment, no permission for the peer, no port, too long, or, over TCP, more queued already than the
   * server reads in time. The payload must not be changed afterwards: it is not copied, and the kernel may take it a
   * moment later.
   */
  readonly send: (peer: TransportAddress, payload: Uint8Array) => boolean
  /** Sets the one receiver of relayed data. The payload belongs to the callee; the handler must not throw. */
  readonly onReceive: (receive: (payload: Uint8Array, peer: TransportAddress) => void) => void
  /** Relayed data as a stream over a bounded, sliding buffer; uses `onReceive`. */
  readonly packets: Stream.Stream<TurnPacket>
  /** Losses and new relayed addresses, from subscription on. */
  readonly events: Stream.Stream<TurnEvent>
  readonly statistics: () => TurnStatistics
  /** Asks the server at once whether the allocation still lives; starts the re-allocation when not. */
  readonly probe: Effect.Effect<void>
}

export class TurnClient extends Context.Service<
  TurnClient,
  {
    /** Allocates; closing the scope releases the allocation on the server (Refresh with lifetime 0). */
    readonly allocate: (config: TurnConfig) => Effect.Effect<TurnAllocation, TurnError, Scope.Scope>
  }
>()("icn-node/services/TurnClient") {}
