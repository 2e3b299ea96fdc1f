/**
 * What a member says of where it can be reached now: its own addresses and those that others see it at, signed with its
 * key, so that it may travel through anybody's hands. It holds for five minutes. Relayed addresses are left out: they
 * admit nobody who was not let in before, and are told to one peer at a time.
 */
import { Equal, Schema, SchemaTransformation } from "effect"
import { type AddressScope, addressScopes, scopeOf } from "./addressScope.ts"
import { DidFromString } from "./did.ts"
import { signatureLength } from "./ed25519.ts"
import { canonical, parseIPv4, parseIPv6 } from "./ipAddress.ts"
import { addressKey, type PeerAddress, PeerAddressFromString } from "./peerAddress.ts"

/** How long a candidate holds, in milliseconds: mappings of NATs and leases change on about this scale. */
export const candidateTtlMillis = 300_000
/** How far its clock may be ahead of ours: what NTP leaves and then some; more would outlive the rest by much. */
export const candidateFutureMaxMillis = 30_000
/** Addresses in one candidate: a machine's interfaces in two families and transports, and an end to what we'd dial. */
export const candidateAddressesMax = 16
/** The longest JSON of a candidate in bytes: sixteen of the longest addresses fit, with the signature and the DID. */
export const candidateJsonBytesMax = 2048

/** The purpose of the signature (domain/ed25519.ts). */
export const candidateTag = "icn-node/connection-candidate/v1"

const literalAddress = PeerAddressFromString.check(
  Schema.makeFilter(({ host }) => canonical(host) !== undefined || "the host of a candidate is an IP literal")
)

/** Without padding 64 bytes are 86 characters, of which the last has four idle bits that must be zero. */
const signatureText = /^[A-Za-z0-9_-]{85}[AQgw]$/

const Signature = Schema.String.check(Schema.isPattern(signatureText)).pipe(
  Schema.decodeTo(
    Schema.Uint8Array.check(Schema.makeFilter((bytes) => bytes.length === signatureLength)),
    SchemaTransformation.transform({
      decode: (text): Uint8Array => Uint8Array.from(Buffer.from(text, "base64url")),
      encode: (bytes) => Buffer.from(bytes).toString("base64url")
    })
  )
)

const candidateAddress = Schema.Struct({
  /** `host`: of an interface of the member; `reflexive`: as others see it through a NAT. */
  kind: Schema.Literals(["host", "reflexive"]),
  /** An IP literal, never a name: a name could be pointed anywhere after it was checked. */
  address: literalAddress
})
export type CandidateAddress = typeof candidateAddress.Type

const eachOnce = Schema.makeFilter<ReadonlyArray<CandidateAddress>>(
  (addresses) =>
    new Set(addresses.map(({ address }) => addressKey(address))).size === addresses.length ||
    "an address occurs more than once"
)

/**
 * The codec of candidates as JSON, with texts for DID, addresses and signature. A decoded candidate is well-formed, but
 * its signature is not checked.
 */
export const ConnectionCandidate = Schema.Struct({
  version: Schema.Literal(1),
  did: DidFromString,
  /** Each once. */
  addresses: Schema.Array(candidateAddress).check(Schema.isMaxLength(candidateAddressesMax), eachOnce),
  /** When it was signed, in milliseconds since the epoch. */
  timestamp: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
  /** Of `did`, over `signedBytes` with the tag `candidateTag`. */
  signature: Signature
})
export type ConnectionCandidate = typeof ConnectionCandidate.Type
export type UnsignedCandidate = Omit<ConnectionCandidate, "signature">

const kindCodes = { host: 0, reflexive: 1 } as const
const transportCodes = { any: 0, quic: 1, tcp: 2 } as const

const addressBytes = ({ address, kind }: CandidateAddress): Uint8Array => {
  const host = parseIPv4(address.host) ?? parseIPv6(address.host)
  if (host === undefined) throw new RangeError(`${address.host} is no IP literal`)
  const port = [address.port >> 8, address.port & 0xff]
  return Uint8Array.of(kindCodes[kind], transportCodes[address.transport], host.length, ...host, ...port)
}

/**
 * What is signed, the same for every spelling: version (1 byte), key (32), timestamp (8, big-endian), number of
 * addresses (1), and for each its kind, transport and length of the host (1 each), the host (4 or 16), the port (2).
 */
export const signedBytes = ({ addresses, did, timestamp, version }: UnsignedCandidate): Uint8Array => {
  const time = new Uint8Array(8)
  new DataView(time.buffer).setBigUint64(0, BigInt(timestamp))
  return Buffer.concat([
    Uint8Array.of(version),
    did.publicKey,
    time,
    Uint8Array.of(addresses.length),
    ...addresses.map(addressBytes)
  ])
}

/** Whether both are the same statement; the signature says it all when both were verified. */
export const isSame = (a: ConnectionCandidate, b: ConnectionCandidate): boolean =>
  a.timestamp === b.timestamp && Equal.equals(a.did, b.did) && Buffer.compare(a.signature, b.signature) === 0

/**
 * Where its member listens. What a NAT maps to the member's link socket is no place to dial: it says that the member is
 * there, for a link.
 */
export const dialable = ({ addresses }: Pick<ConnectionCandidate, "addresses">): ReadonlyArray<PeerAddress> =>
  addresses.flatMap(({ address, kind }) => (kind === "host" ? [address] : []))

/** Whether a candidate holds now, no longer, or not yet (its clock is too far ahead to be believed). */
export const timeVerdict = (
  { timestamp }: Pick<UnsignedCandidate, "timestamp">,
  nowMillis: number
): "fresh" | "expired" | "future" => {
  if (timestamp - nowMillis > candidateFutureMaxMillis) return "future"
  return nowMillis - timestamp > candidateTtlMillis ? "expired" : "fresh"
}

/** What a member tells of itself: everything that can be dialled, what the internet reaches, or nothing. */
export type AnnouncePolicy = "all" | "public" | "none"

const widestFirst = (a: CandidateAddress, b: CandidateAddress): number =>
  addressScopes.indexOf(reach(b)) - addressScopes.indexOf(reach(a))

const reach = ({ address }: CandidateAddress): AddressScope => scopeOf(address.host)

/** The addresses that go into a candidate under a policy: each once, widest scope first, as many as one may hold. */
export const announced = (
  addresses: ReadonlyArray<CandidateAddress>,
  policy: AnnouncePolicy
): ReadonlyArray<CandidateAddress> => {
  if (policy === "none") return []
  const unique = new Map<string, CandidateAddress>()
  for (const one of addresses) {
    const wanted = policy === "public" ? reach(one) === "public" : reach(one) !== "unusable"
    const key = addressKey(one.address)
    if (wanted && !unique.has(key)) unique.set(key, one)
  }
  return Array.from(unique.values()).toSorted(widestFirst).slice(0, candidateAddressesMax)
}
