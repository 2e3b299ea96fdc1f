/**
 * Where a member of a link may be reached: its candidates (RFC 8445 section 5.1), as an offer carries them. One
 * component, UDP only, IP literals only. Also says which of them may be checked at all: whoever names an address makes
 * this node send there.
 */
import { Schema } from "effect"
import { type AddressScope, scopeOf } from "./addressScope.ts"
import { canonical } from "./ipAddress.ts"
import { format, isPort, type TransportAddress } from "./transportAddress.ts"

/** Candidates of one member: its interfaces in two families, what servers saw, a relayed address; and an end. */
export const linkCandidatesMax = 32

/** From the nearest to the farthest. */
export const linkCandidateKinds = ["host", "peerReflexive", "serverReflexive", "relayed"] as const

/**
 * `host`: of an interface; `serverReflexive`: as a server saw it; `peerReflexive`: as the peer saw it in a check;
 * `relayed`: of an allocation on a TURN server.
 */
export type LinkCandidateKind = (typeof linkCandidateKinds)[number]

export interface LinkCandidate {
  readonly kind: LinkCandidateKind
  /** An IP literal in its one spelling, and a port of 1..65535. */
  readonly address: TransportAddress
}

/** The longest spelling of an IPv6 address, with a dotted quad at its end. */
const hostLengthMax = 45

const address: Schema.Codec<TransportAddress> = Schema.Struct({
  host: Schema.String.check(
    Schema.isMaxLength(hostLengthMax),
    Schema.makeFilter((host) => canonical(host) === host || "the host of a candidate is a canonical IP literal")
  ),
  port: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 0xffff }))
})

/** One candidate as plain data, which JSON and CBOR can carry. */
export const LinkCandidate: Schema.Codec<LinkCandidate> = Schema.Struct({
  kind: Schema.Literals(linkCandidateKinds),
  address
})

/** All candidates of a member, in its order of preference. */
export const LinkCandidates: Schema.Codec<ReadonlyArray<LinkCandidate>> = Schema.Array(LinkCandidate).check(
  Schema.isMaxLength(linkCandidatesMax)
)

const nearer = (a: LinkCandidate, b: LinkCandidate): LinkCandidate =>
  linkCandidateKinds.indexOf(b.kind) < linkCandidateKinds.indexOf(a.kind) ? b : a

/**
 * Each address once, in the one spelling, as the nearest kind it was named as (an address that a server saw and that
 * is of an interface is a host's: there is no NAT), at the place where it was named first; no more than
 * `linkCandidatesMax`. What is no address is left out.
 */
export const distinctCandidates = (candidates: Iterable<LinkCandidate>): ReadonlyArray<LinkCandidate> => {
  const found = new Map<string, LinkCandidate>()
  for (const { address, kind } of candidates) {
    const host = canonical(address.host)
    if (host === undefined || !isPort(address.port)) continue
    const candidate = { kind, address: { host, port: address.port } }
    const key = format(candidate.address)
    const present = found.get(key)
    if (present === undefined && found.size === linkCandidatesMax) continue
    found.set(key, present === undefined ? candidate : nearer(present, candidate))
  }
  return [...found.values()]
}

/** What the agent asks before it sends a check anywhere. */
export type MayCheck = (base: "udp" | "relay", address: TransportAddress) => boolean

/**
 * A rule by scope: unspecified, multicast, broadcast and reserved addresses never, loopback and addresses that need a
 * zone (link-local ones) unless `scopes` says so. Names are unusable by scope, so they are never checked.
 */
export const mayCheckScopes =
  (scopes: ReadonlyArray<AddressScope>): MayCheck =>
  (_, { host, port }) => {
    const scope = scopeOf(host)
    return scope !== "unusable" && isPort(port) && scopes.includes(scope)
  }

/** Networks and the internet, not this machine: a peer that names loopback would knock at local doors. */
export const mayCheckByDefault: MayCheck = mayCheckScopes(["private", "public"])
