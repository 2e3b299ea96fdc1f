/**
 * What a node tells about itself to whoever is interested: its software, where that runs, since when, and its part in
 * the network. Signed by the node, so that others can tell it on. Profiles are for people and for choosing neighbours;
 * nothing that matters may rest on one, since a node can claim in it what it likes.
 */
import { Schema, SchemaTransformation } from "effect"
import { type Did, DidFromString } from "./did.ts"
import { signatureLength } from "./ed25519.ts"

/** How long a profile holds, in milliseconds: nodes tell it again well before. */
export const profileTtlMillis = 3_600_000
/** How far the teller's clock may be ahead: what NTP leaves and then some. */
export const profileFutureMaxMillis = 30_000
/** Profiles kept: more members than meet on one node, at half a KiB each. */
export const profilesMax = 1024

/** The purpose of the signature (domain/ed25519.ts). */
export const profileTag = "icn-node/node-profile/v1"

const Label = Schema.String.check(Schema.isPattern(/^[\x20-\x7e]{1,64}$/))
const Time = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))

/** Without padding 64 bytes are 86 characters, of which the last has four idle bits that must be zero. */
const Signature = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9_-]{85}[AQgw]$/)).pipe(
  Schema.decodeTo(
    Schema.Uint8Array.check(Schema.makeFilter((bytes) => bytes.length === signatureLength)),
    SchemaTransformation.transform({
      decode: (text): Uint8Array => Uint8Array.from(Buffer.from(text, "base64url")),
      encode: (bytes) => Buffer.from(bytes).toString("base64url")
    })
  )
)

/** The codec of profiles as JSON. A decoded profile is well-formed, but its signature is not checked. */
export const NodeProfile = Schema.Struct({
  version: Schema.Literal(1),
  did: DidFromString,
  /** Name and version, such as `icn-node/0.1.0`. */
  software: Label,
  /** Operating system and processor, such as `linux/x64`; absent when the node keeps that to itself. */
  platform: Schema.optionalKey(Label),
  /** When the node started, in milliseconds since the epoch. */
  startedAt: Schema.optionalKey(Time),
  /** Its part in the network; `edge` is the ordinary one. Others may come, so it is a text. */
  role: Label,
  /** When it was signed. */
  timestamp: Time,
  /** Of `did`, over `profileSignedBytes` with the tag `profileTag`. */
  signature: Signature
})
export type NodeProfile = typeof NodeProfile.Type
export type UnsignedProfile = Omit<NodeProfile, "signature">

/** What is signed: the JSON of all values in this order, which has one spelling for each profile. */
export const profileSignedBytes = (profile: UnsignedProfile): Uint8Array => {
  const { did, platform, role, software, startedAt, timestamp, version } = profile
  return Buffer.from(
    JSON.stringify([version, did.text, software, platform ?? null, startedAt ?? null, role, timestamp]),
    "utf8"
  )
}

/** What members say on the topic of profiles. */
export const ProfileMessage = Schema.Union([
  /** A node tells its own. */
  Schema.TaggedStruct("Announce", { profile: NodeProfile }),
  /** Asks for a member's. */
  Schema.TaggedStruct("Query", { did: DidFromString }),
  /** Answers a question, by the member itself or by whoever knows; none from a member that tells nothing of itself. */
  Schema.TaggedStruct("Response", { did: DidFromString, profile: Schema.NullOr(NodeProfile) })
])
export type ProfileMessage = typeof ProfileMessage.Type

export type ProfileVerdict = "newer" | "older" | "expired" | "future"

/**
 * The newest profile of each member while it holds; the one that was signed first gives way when there are too many.
 */
export class ProfileCache {
  readonly #limit: number
  readonly #profiles = new Map<string, NodeProfile>()

  constructor(limit = profilesMax) {
    this.#limit = limit
  }

  get size(): number {
    return this.#profiles.size
  }

  /** What `store` would make of a profile; to be asked before the signature is checked. */
  verdict({ did, timestamp }: Pick<NodeProfile, "did" | "timestamp">, nowMillis: number): ProfileVerdict {
    if (timestamp - nowMillis > profileFutureMaxMillis) return "future"
    if (nowMillis - timestamp > profileTtlMillis) return "expired"
    const present = this.#profiles.get(did.text)
    return present === undefined || timestamp > present.timestamp ? "newer" : "older"
  }

  /** Keeps a profile whose signature is good, if it is newer than the one at hand. */
  store(profile: NodeProfile, nowMillis: number): ProfileVerdict {
    const verdict = this.verdict(profile, nowMillis)
    if (verdict !== "newer") return verdict
    this.#profiles.set(profile.did.text, profile)
    if (this.#profiles.size > this.#limit) this.#dropOldest()
    return verdict
  }

  get(did: Did, nowMillis: number): NodeProfile | undefined {
    const profile = this.#profiles.get(did.text)
    return profile !== undefined && nowMillis - profile.timestamp <= profileTtlMillis ? profile : undefined
  }

  /** All that hold, in no particular order. */
  all(nowMillis: number): ReadonlyArray<NodeProfile> {
    return [...this.#profiles.values()].filter(({ timestamp }) => nowMillis - timestamp <= profileTtlMillis)
  }

  #dropOldest(): void {
    let oldest: NodeProfile | undefined
    for (const profile of this.#profiles.values()) {
      if (oldest === undefined || profile.timestamp < oldest.timestamp) oldest = profile
    }
    if (oldest !== undefined) this.#profiles.delete(oldest.did.text)
  }
}
