/**
 * Sessions with other members: one authenticated, multiplexed connection per member, found and kept by its DID, and
 * streams of frames over it. Implemented by layers/SessionLibp2p.ts (QUIC, and TCP with Noise) and
 * layers/SessionMemory.ts (a network in memory that runs under TestClock); frames in protocol/frames.ts, the
 * rules in domain/session*.ts. Where members are is known to services/PeerBook.ts.
 *
 * Who the other side is, is proven by the connection's handshake; a dial always names the member that it wants.
 */
import { Context, type Effect, type Option, Schema, type Scope, type Stream } from "effect"
import type { ConnectionCandidate } from "../domain/connectionCandidate.ts"
import type { Did } from "../domain/did.ts"
import type { PeerAddress } from "../domain/peerAddress.ts"
import type { TransportAddress } from "../domain/transportAddress.ts"

/** Nothing is known of where the member is, and no neighbour knows either. */
export class PeerUnknown extends Schema.TaggedError<PeerUnknown>()("PeerUnknown", {}) {}
/** A node has no session with itself. */
export class PeerIsSelf extends Schema.TaggedError<PeerIsSelf>()("PeerIsSelf", {}) {}
/** No address of the member led to it; what became of each attempt, in the order in which they were tried. */
export class DialFailed extends Schema.TaggedError<DialFailed>()("DialFailed", {
  attempts: Schema.Array(Schema.Struct({ address: Schema.String, error: Schema.String }))
}) {}
/** Somebody else answered at the address: the handshake proved another DID than the one that was dialled. */
export class WrongPeer extends Schema.TaggedError<WrongPeer>()("WrongPeer", {
  address: Schema.String,
  found: Schema.String
}) {}
/** The session ended: closed by one side, silent for too long, or its connection was lost. */
export class SessionClosed extends Schema.TaggedError<SessionClosed>()("SessionClosed", { detail: Schema.String }) {}
/** The member does not serve this protocol. */
export class ProtocolUnsupported extends Schema.TaggedError<ProtocolUnsupported>()("ProtocolUnsupported", {
  protocol: Schema.String
}) {}
/** One side gave the stream up before its end; frames may be missing. */
export class StreamReset extends Schema.TaggedError<StreamReset>()("StreamReset", { protocol: Schema.String }) {}
/** The stream carried what is no sequence of frames: one that is too long, or an end in the middle of one. */
export class StreamMalformed extends Schema.TaggedError<StreamMalformed>()("StreamMalformed", {
  protocol: Schema.String,
  detail: Schema.String
}) {}
/** A frame is longer than any stream carries. */
export class FrameTooLong extends Schema.TaggedError<FrameTooLong>()("FrameTooLong", {
  bytes: Schema.Int,
  bytesMax: Schema.Int
}) {}
/** A limit of this node is reached; something has to end before more can begin. */
export class SessionLimitReached extends Schema.TaggedError<SessionLimitReached>()("SessionLimitReached", {
  what: Schema.Literals(["connections", "streams", "dials", "handlers"]),
  max: Schema.Int
}) {}
/** The member did not answer in time. */
export class SessionTimeout extends Schema.TaggedError<SessionTimeout>()("SessionTimeout", {
  operation: Schema.Literals(["open", "ping"]),
  millis: Schema.Finite
}) {}

export const SessionErrorReason = Schema.Union([
  PeerUnknown,
  PeerIsSelf,
  DialFailed,
  WrongPeer,
  SessionClosed,
  ProtocolUnsupported,
  StreamReset,
  StreamMalformed,
  FrameTooLong,
  SessionLimitReached,
  SessionTimeout
])
export type SessionErrorReason = typeof SessionErrorReason.Type

/** Every failure with one member; match on it with `Effect.catchReason("SessionError", "PeerUnknown", …)`. */
export class SessionError extends Schema.TaggedError<SessionError>()("SessionError", {
  /** Canonical text of the DID. */
  peer: Schema.String,
  reason: SessionErrorReason
}) {
  /** What went wrong, for where the member is named already. */
  get problem(): string {
    return describe(this.reason)
  }

  override get message(): string {
    return `${this.peer}: ${this.problem}`
  }
}

const describe = (reason: SessionErrorReason): string => {
  switch (reason._tag) {
    case "PeerUnknown":
      return "no address of this member is known; name one with icn://DID@host:port in network.bootstrap_peers"
    case "PeerIsSelf":
      return "that is this node itself"
    case "DialFailed":
      return `not reached: ${reason.attempts.map(({ address, error }) => `${address} (${error})`).join(", ")}`
    case "WrongPeer":
      return `at ${reason.address} another member answered, ${reason.found}`
    case "SessionClosed":
      return `the session has ended: ${reason.detail}`
    case "ProtocolUnsupported":
      return `it does not serve ${reason.protocol}`
    case "StreamReset":
      return `the ${reason.protocol} stream was reset`
    case "StreamMalformed":
      return `the ${reason.protocol} stream is malformed: ${reason.detail}`
    case "FrameTooLong":
      return `a frame of ${reason.bytes} bytes is longer than ${reason.bytesMax}`
    case "SessionLimitReached":
      return `${reason.max} ${reason.what} are in use, and that is the limit`
    case "SessionTimeout":
      return `no answer to ${reason.operation} within ${reason.millis} ms`
  }
}

/** The node cannot listen where it was told to. */
export class SessionListenFailed extends Schema.TaggedError<SessionListenFailed>()("SessionListenFailed", {
  address: Schema.String,
  detail: Schema.String,
  /** The key of `[network]` that says where; `listen_addr` unless given. */
  key: Schema.optionalKey(Schema.Literals(["listen_addr", "link_port"]))
}) {
  override get message(): string {
    const remedy = `choose another address with network.${this.key ?? "listen_addr"}`
    return `cannot listen on ${this.address}: ${this.detail}; ${remedy}`
  }
}

/** The way that a session's packets take at the moment. */
export interface SessionPath {
  /** `direct`: to an address of the member's own; `reflexive`: through a NAT; `relayed`: by a TURN server. */
  readonly kind: "direct" | "reflexive" | "relayed"
  readonly transport: "quic" | "tcp" | "memory"
  /** The member as this node sees it, `host:port`. */
  readonly remoteAddress: string
  /** The latest measured round trip; `undefined` before the first. */
  readonly rttMs: number | undefined
  /** Milliseconds since the epoch at which the session began to use this path. */
  readonly sinceMillis: number
  /** How often the session has changed its path. */
  readonly switches: number
}

/** One session as it is at the moment of asking. */
export interface Session {
  readonly did: Did
  /** Who dialled. */
  readonly direction: "inbound" | "outbound"
  readonly openedAtMillis: number
  readonly path: SessionPath
  /** Payload of frames, since the session was opened. */
  readonly bytesIn: number
  readonly bytesOut: number
}

export type SessionEvent =
  | { readonly _tag: "Opened"; readonly session: Session }
  | { readonly _tag: "Closed"; readonly did: Did; readonly reason: string }
  | { readonly _tag: "PathChanged"; readonly did: Did; readonly path: SessionPath }

/**
 * A stream of frames in both directions. Each direction ends explicitly: a reader that sees the end has seen every
 * frame, and one whose stream is cut fails. Both directions hold back whoever is faster than the other side.
 */
export interface SessionStream {
  readonly peer: Did
  readonly protocol: string
  /** Sends a frame, after waiting for room. The bytes must not be changed afterwards. */
  readonly send: (frame: Uint8Array) => Effect.Effect<void, SessionError>
  /** Ends this side's direction; the other one goes on. */
  readonly end: Effect.Effect<void, SessionError>
  /** The next frame, or none once the other side has ended. One caller at a time. */
  readonly receive: Effect.Effect<Option.Option<Uint8Array>, SessionError>
  /** All frames up to the other side's end; reads by `receive`. */
  readonly frames: Stream.Stream<Uint8Array, SessionError>
  /** Gives the stream up in both directions, without an end. */
  readonly reset: Effect.Effect<void>
}

/** Serves one stream that a member opened. The stream is ended when it succeeds, and reset when it fails. */
export type StreamHandler<E, R> = (stream: SessionStream) => Effect.Effect<void, E, R>

export class SessionManager extends Context.Service<
  SessionManager,
  {
    readonly did: Did
    /** The session with a member, opened when there is none. A session that has fallen silent is replaced first. */
    readonly dial: (did: Did) => Effect.Effect<Session, SessionError>
    /**
     * Opens a stream for a protocol such as `/icn/file/1`, dialling when needed. Closing the scope resets the stream
     * unless both sides have ended.
     */
    readonly open: (did: Did, protocol: string) => Effect.Effect<SessionStream, SessionError, Scope.Scope>
    /**
     * Serves a protocol until the scope closes. Handlers run at the same time, at most 32 for each member. A protocol
     * that is served already is refused with `SessionLimitReached`.
     */
    readonly handle: <E, R>(
      protocol: string,
      handler: StreamHandler<E, R>
    ) => Effect.Effect<void, SessionError, Scope.Scope | R>
    /** Whoever there is a session with now. */
    readonly sessions: Effect.Effect<ReadonlyArray<Session>>
    readonly path: (did: Did) => Effect.Effect<Option.Option<SessionPath>>
    /** Measures the round trip to a member in milliseconds, dialling when needed. */
    readonly ping: (did: Did) => Effect.Effect<number, SessionError>
    /** What happens to sessions, from subscription on; a slow subscriber loses the oldest. */
    readonly events: Stream.Stream<SessionEvent>
    /** Where this node listens, wildcards resolved to the addresses of the machine. */
    readonly listening: Effect.Effect<ReadonlyArray<PeerAddress>>
    /** The relayed address on a TURN server, where there is one. */
    readonly relayAddress: Effect.Effect<Option.Option<TransportAddress>>
    /** This node's own candidate, signed now. */
    readonly connectionCandidate: Effect.Effect<ConnectionCandidate>
    /**
     * Closes the session with a member, if there is one, and keeps it closed: this node does not dial the member by
     * itself until somebody here asks for it (`dial`, `open`, `ping`) or the member comes. The member is told and
     * does not come by itself, unless this node is one of its bootstrap peers.
     */
    readonly close: (did: Did) => Effect.Effect<void>
  }
>()("icn-node/services/SessionManager") {}
