/**
 * What the NAT in front of this machine does, inferred from what servers said (RFC 4787 sections 4 and 5, RFC 5780
 * section 4): how it maps an inside address to an outside one, and from whom it lets packets in. Pure; questions are
 * asked by layers/session/link/. What RFC 5780's tests find is "measured", what follows from comparing servers is
 * "inferred". A NAT may treat other sockets, or the next hour, differently: this is advice to people and never a reason
 * not to try.
 */
import { type AddressScope, addressScopes, scopeOf } from "./addressScope.ts"
import { equals, family, type TransportAddress } from "./transportAddress.ts"

/** How a mapping or a filter depends on the other end (RFC 4787). `dependent`: on its address, perhaps on its port. */
export const natDependences = [
  "endpointIndependent",
  "addressDependent",
  "addressAndPortDependent",
  "dependent"
] as const
export type NatDependence = (typeof natDependences)[number]
export const natConfidences = ["measured", "inferred", "unknown"] as const
export type NatConfidence = (typeof natConfidences)[number]

export interface NatFinding {
  readonly behaviour: NatDependence | "unknown"
  readonly confidence: NatConfidence
}

/** The names that people know. */
export const natKinds = [
  "none",
  "full cone",
  "restricted cone",
  "port-restricted cone",
  "cone",
  "symmetric",
  "udp blocked",
  "unknown"
] as const
export type NatKind = (typeof natKinds)[number]

/** What one server said. */
export interface NatObservation {
  readonly server: TransportAddress
  /** This machine's socket as the server sees it. */
  readonly mapped: TransportAddress
}

export interface NatEvidence {
  /** One socket's answers. */
  readonly observations: ReadonlyArray<NatObservation>
  /** Servers were asked, and none answered anything at all. */
  readonly isSilent: boolean
  /** The IP literals of this machine's interfaces. */
  readonly ownHosts: ReadonlyArray<string>
  /** What RFC 5780's tests found, where a server offers them. */
  readonly measuredMapping?: NatFinding | undefined
  readonly measuredFiltering?: NatFinding | undefined
}

export interface NatBehaviour {
  readonly mapping: NatFinding
  readonly filtering: NatFinding
  readonly kind: NatKind
  /** What that means, for people. */
  readonly sentence: string
}

export const unknownFinding: NatFinding = { behaviour: "unknown", confidence: "unknown" }

const measured = (behaviour: NatDependence): NatFinding => ({ behaviour, confidence: "measured" })
const inferred = (behaviour: NatDependence): NatFinding => ({ behaviour, confidence: "inferred" })

/** The mapped addresses that RFC 5780 section 4.3 compares, all of one socket; `undefined` for no answer. */
export interface MappingTests {
  /** Seen by the server's first address. */
  readonly first: TransportAddress
  /** Seen by its other address, at the first port. */
  readonly otherHost: TransportAddress | undefined
  /** Seen by its other address, at the other port. */
  readonly otherHostAndPort: TransportAddress | undefined
}

/** What the tests of RFC 5780 section 4.3 say about the mapping. */
export const mappingOfTests = ({ first, otherHost, otherHostAndPort }: MappingTests): NatFinding => {
  if (otherHost === undefined) return unknownFinding
  if (equals(first, otherHost)) return measured("endpointIndependent")
  if (otherHostAndPort === undefined) return measured("dependent")
  return measured(equals(otherHost, otherHostAndPort) ? "addressDependent" : "addressAndPortDependent")
}

/** Which answers of RFC 5780 section 4.4 came through. */
export interface FilteringTests {
  /** From the server's other address and port. */
  readonly otherHostAndPort: boolean
  /** From its first address and the other port. */
  readonly otherPort: boolean
}

/** What the tests of RFC 5780 section 4.4 say about the filter. */
export const filteringOfTests = ({ otherHostAndPort, otherPort }: FilteringTests): NatFinding =>
  measured(otherHostAndPort ? "endpointIndependent" : otherPort ? "addressDependent" : "addressAndPortDependent")

const widest = (observations: ReadonlyArray<NatObservation>): AddressScope | undefined =>
  addressScopes.toReversed().find((scope) => observations.some(({ server }) => scopeOf(server.host) === scope))

/**
 * The answers that can be compared: of servers that are equally far away, since there may be no NAT on the way to one
 * in this network, and of the family that most of them saw, IPv4 in doubt, since that is where NATs are.
 */
const comparable = (observations: ReadonlyArray<NatObservation>): ReadonlyArray<NatObservation> => {
  const of = (wanted: 4 | 6) => {
    const some = observations.filter(({ mapped }) => family(mapped.host) === wanted)
    const scope = widest(some)
    return some.filter(({ server }) => scopeOf(server.host) === scope)
  }
  const [four, six] = [of(4), of(6)]
  return six.length > four.length ? six : four
}

/** Every two of them; a node asks few servers. */
const pairs = <A>(values: ReadonlyArray<A>): ReadonlyArray<readonly [A, A]> =>
  values.flatMap((one, index) => values.slice(index + 1).map((other) => [one, other] as const))

/** What several servers' answers on one socket say about the mapping. */
export const mappingOfObservations = (observations: ReadonlyArray<NatObservation>): NatFinding => {
  const all = pairs(comparable(observations)).filter(([a, b]) => !equals(a.server, b.server))
  const sameHost = all.filter(([a, b]) => a.server.host === b.server.host)
  const otherHost = all.filter(([a, b]) => a.server.host !== b.server.host)
  const agree = ([a, b]: readonly [NatObservation, NatObservation]): boolean => equals(a.mapped, b.mapped)
  if (!sameHost.every(agree)) return inferred("addressAndPortDependent")
  if (otherHost.length === 0) return unknownFinding
  if (otherHost.every(agree)) return inferred("endpointIndependent")
  return inferred(sameHost.length > 0 ? "addressDependent" : "dependent")
}

const coneOf = ({ behaviour }: NatFinding): NatKind => {
  switch (behaviour) {
    case "endpointIndependent":
      return "full cone"
    case "addressDependent":
      return "restricted cone"
    case "addressAndPortDependent":
      return "port-restricted cone"
    case "dependent":
    case "unknown":
      return "cone"
  }
}

const sentenceOf = (kind: NatKind, filtering: NatFinding): string => {
  switch (kind) {
    case "none":
      return filtering.behaviour === "endpointIndependent" || filtering.behaviour === "unknown"
        ? "No NAT: members reach this node at its own address, unless a firewall keeps them out."
        : "No NAT, but a firewall: members reach this node once it has sent them something, which it does by itself."
    case "full cone":
      return "Everybody can reach this node at its mapped address for as long as it keeps the mapping alive."
    case "restricted cone":
    case "port-restricted cone":
    case "cone":
      return "Direct connections work with most members: both sides send at the same time, which opens the NAT."
    case "symmetric":
      return "Direct connections work only with members whose NAT lets in unknown ports; others need a relay."
    case "udp blocked":
      return "No server answered over UDP: this network blocks it, or no server is reachable; only TCP may work."
    case "unknown":
      return "Not known yet: two STUN servers at different addresses, or one that offers RFC 5780, would tell."
  }
}

const kindOf = (evidence: NatEvidence, mapping: NatFinding, filtering: NatFinding): NatKind => {
  const { isSilent, observations, ownHosts } = evidence
  if (observations.length === 0) return isSilent ? "udp blocked" : "unknown"
  // The far servers decide: one in this network says nothing about the way out of it.
  if (comparable(observations).every(({ mapped }) => ownHosts.includes(mapped.host))) return "none"
  switch (mapping.behaviour) {
    case "endpointIndependent":
      return coneOf(filtering)
    case "addressDependent":
    case "addressAndPortDependent":
    case "dependent":
      return "symmetric"
    case "unknown":
      return "unknown"
  }
}

/** What all the evidence comes to; what was measured counts more than what was inferred. */
export const natBehaviour = (evidence: NatEvidence): NatBehaviour => {
  const { measuredFiltering = unknownFinding, measuredMapping = unknownFinding, observations } = evidence
  const mapping = measuredMapping.behaviour === "unknown" ? mappingOfObservations(observations) : measuredMapping
  const kind = kindOf(evidence, mapping, measuredFiltering)
  return { mapping, filtering: measuredFiltering, kind, sentence: sentenceOf(kind, measuredFiltering) }
}
