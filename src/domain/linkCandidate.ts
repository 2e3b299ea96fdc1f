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

const port = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 0xffff }))
const literalHost = Schema.String.check(
  Schema.makeFilter<string>((host) => canonical(host) === host || "the host is no IP literal in its canonical spelling")
)

/** From the nearest to the farthest. */
export const linkCandidateKinds = ["host", "peerReflexive", "serverReflexive", "relayed"] as const

/**
 * `host`: of an interface; `serverReflexive`: as a server saw it; `peerReflexive`: as a peer saw it in a check;
 * `relayed`: of an allocation on a TURN server. Plain data, which JSON can carry.
 */
export const LinkCandidate = Schema.Struct({
  kind: Schema.Literals(linkCandidateKinds),
  address: Schema.Struct({ host: literalHost, port })
})
export type LinkCandidate = typeof LinkCandidate.Type
export type LinkCandidateKind = LinkCandidate["kind"]

const isNearer = (a: LinkCandidateKind, b: LinkCandidateKind): boolean =>
  linkCandidateKinds.indexOf(a) < linkCandidateKinds.indexOf(b)

/** All candidates of a member, in its order of preference. */
export const LinkCandidates = Schema.Array(LinkCandidate).check(Schema.isMaxLength(linkCandidatesMax))

/**
 * Each address once, in its one spelling, as the nearest kind it was named as (what a server saw and an interface has
 * is a host's: there is no NAT), at the place where it was named first; as many as an offer may hold. What is no
 * address is left out.
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
    if (present === undefined || isNearer(kind, present.kind)) found.set(key, candidate)
  }
  return [...found.values()]
}

/** Hosts of one member that the relay lets in: it has room for 1024, and members of whom most are at one or two. */
export const permittedHostsMax = 8

/**
 * The hosts from which a member may come through the relay: relayed ones, those that servers saw, and those of its
 * interfaces that are of the internet, the first few in this order.
 */
export const permittedHosts = (candidates: ReadonlyArray<LinkCandidate>): ReadonlyArray<string> => {
  const reachable = candidates.filter(({ address, kind }) => kind !== "host" || scopeOf(address.host) === "public")
  const surest = reachable.toSorted((a, b) => linkCandidateKinds.indexOf(b.kind) - linkCandidateKinds.indexOf(a.kind))
  return [...new Set(surest.map(({ address }) => address.host))].slice(0, permittedHostsMax)
}

/** What the agent asks before it sends a check anywhere. */
export type MayCheck = (base: "udp" | "relay", address: TransportAddress) => boolean

/**
 * A rule by scope. Unspecified, multicast, broadcast and reserved addresses are never checked, whatever `scopes` says,
 * and neither are names, which have no scope.
 */
export const mayCheckScopes =
  (scopes: ReadonlyArray<AddressScope>): MayCheck =>
  (_, { host, port }) => {
    const scope = scopeOf(host)
    return scope !== "unusable" && isPort(port) && scopes.includes(scope)
  }

/**
 * Networks and the internet. Not this machine, or a peer could knock at local doors; not this wire, where an address
 * means nothing without the interface.
 */
export const mayCheckByDefault: MayCheck = mayCheckScopes(["private", "public"])
