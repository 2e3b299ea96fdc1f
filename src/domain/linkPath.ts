/**
 * Paths of a link: a base of ours (the link's own socket, or a TURN allocation) and an address of the peer. What kind
 * a path is, which of two is better, and in which order new ones are checked. One component and one local candidate per
 * base, so a path is named by base and remote address alone (RFC 8445 section 6.1.2 pairs more).
 */
import { scopeOf } from "./addressScope.ts"
import type { LinkCandidateKind } from "./linkCandidate.ts"
import { format, type TransportAddress } from "./transportAddress.ts"

/** Where our packets leave: the link's UDP socket, or through our TURN allocation. */
export type LinkBase = "udp" | "relay"

/** Straight, through a NAT of either side, or through one or two TURN servers. */
export type LinkPathKind = "direct" | "reflexive" | "relayed"

export interface LinkPath {
  readonly base: LinkBase
  readonly remote: TransportAddress
  readonly kind: LinkPathKind
  /** TURN allocations on the way: 0, 1, or 2 when both ends use theirs. */
  readonly relays: 0 | 1 | 2
  /** Smoothed round trip time of the checks, in milliseconds (RFC 6298). */
  readonly rttMs: number
  /** Since when it is the active one; on a path that is not, since when it has consent. */
  readonly sinceMillis: number
}

/** One path for display. */
export interface LinkPathStatus {
  readonly base: LinkBase
  readonly remote: TransportAddress
  readonly remoteKind: LinkCandidateKind
  readonly kind: LinkPathKind
  readonly relays: 0 | 1 | 2
  /** `waiting`: not checked yet; `checking`: no answer yet; `valid`: has consent; `failed`: tried again slowly. */
  readonly state: "waiting" | "checking" | "valid" | "failed"
  readonly active: boolean
  /** The controlling side's latest choice, as far as this side knows. */
  readonly nominated: boolean
  readonly rttMs: number | undefined
  /** Time since the last answer; `undefined` without consent. */
  readonly consentAgeMs: number | undefined
}

/** A STUN Binding request that the driver is to send now. */
export interface LinkCheck {
  /** Names this send; each repetition has its own, so that round trips are measured without doubt. */
  readonly id: number
  readonly base: LinkBase
  readonly to: TransportAddress
  /** Whether it carries USE-CANDIDATE (RFC 8445 section 7.1.2). */
  readonly nominate: boolean
  /** The PRIORITY attribute, 32 bits. */
  readonly priority: number
}

export type LinkEvent =
  | { readonly _tag: "Established"; readonly path: LinkPath }
  | {
      readonly _tag: "Switched"
      readonly from: LinkPath
      readonly to: LinkPath
      readonly reason: "better" | "lost" | "nominated"
    }
  | { readonly _tag: "ConsentLost"; readonly path: LinkPath }
  /** No path was found in time; checks go on, and `Established` may still come. */
  | { readonly _tag: "Failed" }
  /** No path has consent any more; checks go on, and `Established` comes when one has again. */
  | { readonly _tag: "Lost" }

export const pathKey = (base: LinkBase, remote: TransportAddress): string => `${base}|${format(remote)}`

/** A relayed address of the peer is one allocation on the way, and a relay of ours is one. */
export const relaysOf = (base: LinkBase, remoteKind: LinkCandidateKind): 0 | 1 | 2 => {
  if (base === "udp") return remoteKind === "relayed" ? 1 : 0
  return remoteKind === "relayed" ? 2 : 1
}

/**
 * Direct: between an interface of the peer and one of ours, so the peer saw us (`mappedHost`) at an address of our own.
 * Without an answer yet (`undefined`) it is assumed to be.
 */
export const kindOf = (
  base: LinkBase,
  remoteKind: LinkCandidateKind,
  mappedHost: string | undefined,
  ownHosts: ReadonlySet<string>
): LinkPathKind => {
  if (relaysOf(base, remoteKind) > 0) return "relayed"
  return remoteKind === "host" && (mappedHost === undefined || ownHosts.has(mappedHost)) ? "direct" : "reflexive"
}

/** The higher the better: direct 3, reflexive 2, one relay 1, two relays 0. */
export const rankOf = ({ kind, relays }: Pick<LinkPath, "kind" | "relays">): number =>
  kind === "direct" ? 3 : kind === "reflexive" ? 2 : 2 - relays

/** RFC 8445 section 5.1.2.2. */
const typePreferences: Readonly<Record<LinkCandidateKind, number>> = {
  host: 126,
  peerReflexive: 110,
  serverReflexive: 100,
  relayed: 0
}

/**
 * Through a relay the surest comes first: from our socket to the peer's allocation; from ours to where the internet
 * reaches the peer; from one allocation to the other. An address inside a network is rarely within reach of a relay.
 */
const relayedPreference = (base: LinkBase, remoteKind: LinkCandidateKind, host: string): number => {
  if (base === "udp") return 3
  if (remoteKind === "relayed") return 1
  return scopeOf(host) === "public" ? 2 : 0
}

/**
 * The order in which new paths are checked, the highest first: without a relay by the type preference of the candidate
 * (RFC 8445 section 6.1.2.3; ours is a host candidate, which never is the lower one), then in the peer's own order.
 */
export const pairPriority = (base: LinkBase, remoteKind: LinkCandidateKind, host: string, index: number): number => {
  const isRelayed = relaysOf(base, remoteKind) > 0
  const preference = isRelayed ? relayedPreference(base, remoteKind, host) : typePreferences[remoteKind]
  return preference * 0x1_0000 + (0xffff - Math.min(index, 0xffff))
}

/**
 * The PRIORITY of checks from a base: what a peer-reflexive candidate that they reveal would have (RFC 8445 section
 * 7.1.1). Unlike there, a check through a relay says so by the type preference of relayed candidates: an allocation
 * that the peer has not been told of yet must not pass for an address without a relay.
 */
export const checkPriority = (base: LinkBase): number =>
  typePreferences[base === "relay" ? "relayed" : "peerReflexive"] * 0x100_0000 + 0xffff_ff

/** What a check from an unknown address reveals. */
export const revealedKind = (priority: number): LinkCandidateKind =>
  priority < 0x100_0000 ? "relayed" : "peerReflexive"
