/**
 * What can be set about sessions, with the values that hold unless it is. Durations in milliseconds.
 */
import type { SubscriptionRef } from "effect"
import type { PeerUri } from "../../domain/peerAddress.ts"
import type { AddressScope } from "../../domain/addressScope.ts"
import { defaultPolicy, type RedialPolicy } from "../../domain/redialPolicy.ts"
import type { TransportAddress } from "../../domain/transportAddress.ts"
import type { TurnAllocation } from "../../services/TurnClient.ts"
import type { Udp } from "../../services/Udp.ts"

/** Whoever keeps an allocation puts it in here, and takes it out when it is gone for good. */
export type RelayRef = SubscriptionRef.SubscriptionRef<TurnAllocation | undefined>

/** Bytes per second through the relay, in the direction that this node decides on. */
export interface RelayLimits {
  readonly perMemberBytesPerSecond: number
  readonly totalBytesPerSecond: number
}

export interface LinkSettings {
  readonly udp: Udp["Service"]
  /** UDP port of the link socket; 0 takes a free one. */
  readonly port: number
  /** Where to bind it, `false` for not at all. */
  readonly udp4: string | false
  readonly udp6: string | false
  /** The addresses at which it is reached on this machine's interfaces, at the moment. */
  readonly hosts: () => ReadonlyArray<string>
  /** Which addresses of members are tried. */
  readonly scopes: ReadonlyArray<AddressScope>
  /** Whom to ask for this node's address outside, besides the TURN server and bootstrap peers. */
  readonly stunServers: ReadonlyArray<TransportAddress>
  readonly relayLimits: RelayLimits
}

export interface SessionSettings {
  /** Members to dial at start and for ever. */
  readonly bootstrapPeers: ReadonlyArray<PeerUri>
  /** Which of its addresses this node tells others. */
  readonly announceAddresses: "all" | "public" | "none"
  /** Sessions at a time. */
  readonly connectionsMax: number
  /** Incoming sessions and handshakes from one IP address. */
  readonly connectionsPerAddressMax: number
  /** Streams that one member has open here, in each direction. */
  readonly streamsPerPeerMax: number
  /** Members dialled at the same time; further dials wait for their turn. */
  readonly dialsMax: number
  /** The longest that an attempt at one address takes. */
  readonly dialTimeoutMillis: number
  readonly redial: RedialPolicy
  /** Wait after a session with a bootstrap peer was opened before it is asked for its peers. */
  readonly peerExchangeDelayMillis: number
  /** Members taken from one answer; 0 asks nobody. */
  readonly peerExchangeMaxPeers: number
  /** Whether members that are heard of are dialled by themselves. */
  readonly dialsHeardOf: boolean
  /** Holds the allocation on a TURN server whenever there is one; absent where there never is. */
  readonly relay: RelayRef | undefined
  /** `undefined` for a node that makes no links. */
  readonly linkSettings: LinkSettings | undefined
  /** The UDP port on which links of this node answer STUN now; undefined without links. */
  readonly linkPort: () => number | undefined
}

export const defaults: SessionSettings = {
  bootstrapPeers: [],
  announceAddresses: "all",
  connectionsMax: 256,
  connectionsPerAddressMax: 16,
  streamsPerPeerMax: 64,
  dialsMax: 16,
  dialTimeoutMillis: 10_000,
  redial: defaultPolicy,
  peerExchangeDelayMillis: 500,
  peerExchangeMaxPeers: 50,
  dialsHeardOf: true,
  relay: undefined,
  linkSettings: undefined,
  linkPort: () => undefined
}

/** Settings where only some are given. */
export type SessionOptions = Partial<SessionSettings>

/** Both sides say hello within this after the handshake; on a working path it takes two round trips. */
export const greetingMillisMax = 10_000
/** How often a session's round trip is measured, which also notices a member that is gone. */
export const heartbeatMillis = 10_000
/** A session in which nothing was heard for this long is dead: two heartbeats and an answer's time. */
export const silenceMillisMax = 25_000
/** A session in which something was heard this recently is taken to be alive when it is wanted. */
export const freshMillis = 5000
/** How long a session that is in doubt has to answer. */
export const probeMillisMax = 2000
/** How long an incoming connection waits for this node's own dial to the same member, which has precedence. */
export const ownDialMillisMax = 1500
/** How long to wait for a connection to be gone that another one replaces. */
export const goneMillisMax = 2000
/** Streams of one protocol that one member may have open here. */
export const streamsPerProtocolMax = 32
/** The longest that opening a stream takes, its negotiation included. */
export const openStreamMillisMax = 10_000
/** How long a ping waits for its answer. */
export const pingMillisMax = 5000
