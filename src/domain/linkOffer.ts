/**
 * What two members tell each other to find a way between them: where each may be reached now, and the secret of the
 * checks that try it (RFC 8445). Signed by its sender and meant for one receiver, for half a minute. It names addresses
 * that are nobody else's business, so it travels sealed (protocol/linkOffer.ts).
 */
import { Schema, SchemaTransformation } from "effect"
import { DidFromString } from "./did.ts"
import { signatureLength } from "./ed25519.ts"
import { parseIPv4, parseIPv6 } from "./ipAddress.ts"
import { type LinkCandidate, LinkCandidates } from "./linkCandidate.ts"

/** How old an offer may be, in milliseconds: it travels within three seconds, and clocks differ. */
export const offerAgeMaxMillis = 30_000
/** How far its sender's clock may be ahead of ours, in milliseconds: what NTP leaves and then some. */
export const offerFutureMaxMillis = 30_000
export const linkIdLength = 16

/** The purpose of the signature and of the seal (domain/ed25519.ts). */
export const linkOfferTag = "icn-node/link-offer/v1"

/**
 * Fixed lengths as RFC 8445 section 5.3 asks at least: 4 characters of 6 bits for 24 bits, 22 for 128. The most is ours
 * (256 there).
 */
const ufragText = /^[A-Za-z0-9+/]{4,32}$/
const passwordText = /^[A-Za-z0-9+/]{22,64}$/

/** Bytes as base64url without padding, in their only spelling. */
const bytesText = (length: number) =>
  Schema.String.check(
    Schema.makeFilter<string>((text) => {
      if (text.length !== Math.ceil((length * 4) / 3)) return `it has not ${length} bytes`
      return Buffer.from(text, "base64url").toString("base64url") === text || "it is no canonical base64url"
    })
  ).pipe(
    Schema.decodeTo(
      Schema.Uint8Array.check(Schema.makeFilter((bytes) => bytes.length === length)),
      SchemaTransformation.transform({
        decode: (text): Uint8Array => Uint8Array.from(Buffer.from(text, "base64url")),
        encode: (bytes) => Buffer.from(bytes).toString("base64url")
      })
    )
  )

/**
 * `offer` begins, `answer` accepts with the other side's candidates, `update` changes the sender's candidates of a link
 * that is there, and `refusal` says that there will be none.
 */
export const linkOfferKinds = ["offer", "answer", "update", "refusal"] as const
export type LinkOfferKind = (typeof linkOfferKinds)[number]

/** The codec as JSON. A decoded offer is well-formed, but its signature is not checked. */
export const LinkOffer = Schema.Struct({
  version: Schema.Literal(1),
  kind: Schema.Literals(linkOfferKinds),
  from: DidFromString,
  to: DidFromString,
  /** Random, chosen by who begins; the same in everything that follows about this link. */
  linkId: bytesText(linkIdLength),
  /** Of the sender, for the checks that come to it. */
  ufrag: Schema.String.check(Schema.isPattern(ufragText)),
  password: Schema.String.check(Schema.isPattern(passwordText)),
  candidates: LinkCandidates,
  /** When it was signed, in milliseconds since the epoch. */
  timestamp: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
  /** Of `from`, over `signedBytes` with the tag `linkOfferTag`. */
  signature: bytesText(signatureLength)
})
export type LinkOffer = typeof LinkOffer.Type
/** What is to be said; who says it, when, and the signature are added by who sends it. */
export type LinkOfferContent = Pick<LinkOffer, "kind" | "to" | "linkId" | "ufrag" | "password" | "candidates">
export type UnsignedLinkOffer = Omit<LinkOffer, "signature">

const candidateCodes = { host: 0, serverReflexive: 1, peerReflexive: 2, relayed: 3 } as const

const candidateBytes = ({ address, kind }: LinkCandidate): Uint8Array => {
  const host = parseIPv4(address.host) ?? parseIPv6(address.host)
  if (host === undefined) throw new RangeError(`${address.host} is no IP literal`)
  return Uint8Array.of(candidateCodes[kind], host.length, ...host, address.port >> 8, address.port & 0xff)
}

const withLength = (text: string): Uint8Array => Buffer.concat([Uint8Array.of(text.length), Buffer.from(text, "ascii")])

/**
 * What is signed, the same for every spelling: version and kind (1 byte each), both keys (32 each), the link (16), the
 * timestamp (8, big-endian), ufrag and password (length in 1 byte, then the characters), the number of candidates (1),
 * and for each its kind and the length of its host (1 each), the host (4 or 16), the port (2).
 */
export const signedBytes = (offer: UnsignedLinkOffer): Uint8Array => {
  const time = new Uint8Array(8)
  new DataView(time.buffer).setBigUint64(0, BigInt(offer.timestamp))
  return Buffer.concat([
    Uint8Array.of(offer.version, linkOfferKinds.indexOf(offer.kind)),
    offer.from.publicKey,
    offer.to.publicKey,
    offer.linkId,
    time,
    withLength(offer.ufrag),
    withLength(offer.password),
    Uint8Array.of(offer.candidates.length),
    ...offer.candidates.map(candidateBytes)
  ])
}

/** Whether an offer holds now, no longer, or not yet (its sender's clock is too far ahead to be believed). */
export const timeVerdict = (
  { timestamp }: Pick<LinkOffer, "timestamp">,
  nowMillis: number
): "fresh" | "expired" | "future" => {
  if (timestamp - nowMillis > offerFutureMaxMillis) return "future"
  return nowMillis - timestamp > offerAgeMaxMillis ? "expired" : "fresh"
}
