/**
 * What the session layers need of a network: authenticated connections to members, and streams of bytes over them. One
 * implementation for each technology; everything above it (settling on one connection, frames, limits, staying
 * connected) is shared by them all. Plain functions and callbacks where bytes pass, Effect for what takes time.
 */
import { type Effect, Schema, type Scope } from "effect"
import type { Did } from "../../domain/did.ts"
import type { PeerAddress } from "../../domain/peerAddress.ts"
import type { Dialler } from "../../domain/sessionSettle.ts"
import type { TransportAddress } from "../../domain/transportAddress.ts"
import type { SessionListenFailed } from "../../services/SessionManager.ts"

/** An attempt at one address failed. */
export class WireDialFailed extends Schema.TaggedError<WireDialFailed>()("WireDialFailed", {
  reason: Schema.Literals(["failed", "wrongPeer", "refused"]),
  /** For people; the DID that answered instead when the reason is `wrongPeer`. */
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

/** A stream could not be opened. */
export class WireStreamFailed extends Schema.TaggedError<WireStreamFailed>()("WireStreamFailed", {
  reason: Schema.Literals(["unsupported", "closed", "limit"]),
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

/** What happens to a stream. Called in order; nothing is called after `closed`. */
export interface WireStreamHandlers {
  /** The bytes belong to the callee. */
  readonly data: (bytes: Uint8Array) => void
  /** The other side's direction ended by the transport's rules; nothing more comes. */
  readonly finished: () => void
  /** There is room to write again. */
  readonly drained: () => void
  /** `reset`: one side gave it up; `lost`: its connection ended; `ended`: both directions ended. */
  readonly closed: (how: "reset" | "lost" | "ended") => void
}

/** A stream of bytes in both directions. */
export interface WireStream {
  /** Queues bytes, which must not be changed afterwards. Does nothing once the stream is closed. */
  readonly write: (...parts: ReadonlyArray<Uint8Array>) => void
  /** Whether to write more before `drained`. */
  readonly hasRoom: () => boolean
  /** Ends the direction once everything queued is written. */
  readonly endWrite: () => void
  readonly reset: () => void
  readonly pause: () => void
  readonly resume: () => void
  /** Once; what arrives earlier is kept, within the transport's own bounds. */
  readonly attach: (handlers: WireStreamHandlers) => void
}

/**
 * What carries a connection's packets where more than one way may: the way can change while the connection goes on.
 * The same object for as long as the connection lives.
 */
export interface WireLink {
  readonly path: () => WirePath
}

/** The way that packets take at the moment. */
export interface WirePath {
  readonly kind: "direct" | "reflexive" | "relayed"
  readonly remote: TransportAddress
  /** Milliseconds since the epoch at which this way was taken. */
  readonly sinceMillis: number
  /** How often the way has changed. */
  readonly switches: number
}

/** A connection whose other end is proven. */
export interface WireConnection {
  readonly did: Did
  readonly dialler: Dialler
  readonly transport: "quic" | "tcp" | "memory"
  /** Where the other end is now. */
  readonly remote: TransportAddress
  /** `undefined` where there is one way only. */
  readonly link: WireLink | undefined
  readonly openStream: (protocol: string) => Effect.Effect<WireStream, WireStreamFailed>
  /** Ends it at once, with all its streams; `handlers.closed` follows. */
  readonly close: (reason: string) => void
  /** Waits until it is gone, on this side, for everybody. */
  readonly closed: Effect.Effect<void>
}

/** A connection that has proven its other end and asks whether it may stay. */
export interface WireAttempt {
  readonly did: Did
  readonly dialler: Dialler
  readonly remote: TransportAddress
  readonly link: WireLink | undefined
}

export interface WireHandlers {
  /** Whether a source that is not known yet may begin a handshake. */
  readonly admitSource: (host: string) => boolean
  /** Whether a connection may stay; waits for the one that it replaces to be gone. */
  readonly admit: (attempt: WireAttempt) => Effect.Effect<boolean>
  /** An admitted attempt came to nothing. */
  readonly abandoned: (attempt: WireAttempt) => void
  /** An admitted attempt became a connection. */
  readonly opened: (connection: WireConnection) => void
  readonly closed: (connection: WireConnection, reason: string) => void
  /** The member opened a stream for a protocol that is served. */
  readonly stream: (connection: WireConnection, protocol: string, stream: WireStream) => void
}

/** One way to one member: an address with its host resolved and its transport chosen. */
export interface WireTarget {
  readonly host: string
  readonly port: number
  readonly transport: "quic" | "tcp" | "memory"
}

export interface Wire {
  /** Begins to listen and to accept. */
  readonly start: (handlers: WireHandlers) => Effect.Effect<void, SessionListenFailed, Scope.Scope>
  /** The transports to try at an address, in this order. */
  readonly targets: (address: PeerAddress, host: string) => ReadonlyArray<WireTarget>
  /** All addresses of a host name; a literal is its own. Empty when it has none. */
  readonly resolve: (host: string) => Effect.Effect<ReadonlyArray<string>>
  /** Succeeds once the connection was opened; `refused` when `admit` said no. Interruption ends the attempt at once. */
  readonly dial: (did: Did, target: WireTarget) => Effect.Effect<void, WireDialFailed>
  /** Where others reach this node; read anew at each call, so that a change of the machine's addresses shows. */
  readonly listening: () => ReadonlyArray<PeerAddress>
  /** Accepts streams of a protocol until the scope closes. */
  readonly serve: (protocol: string) => Effect.Effect<void, never, Scope.Scope>
  /** `undefined` where connections cannot be carried by links. */
  readonly links: WireLinks | undefined
}

/** Connections whose packets a link carries: each link has a UDP socket on loopback that stands for the member. */
export interface WireLinks {
  /** The port on loopback to which a link hands what the member dials; 0 until the wire has started. */
  readonly port: () => number
  /** From now on connections from and to this port on loopback are the member's, over the link. */
  readonly add: (port: number, did: Did, link: WireLink) => void
  readonly remove: (port: number) => void
  /** Dials the member over the link at this port, as `Wire.dial`. */
  readonly dial: (port: number) => Effect.Effect<void, WireDialFailed>
}
