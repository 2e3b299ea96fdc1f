/**
 * What members' nodes say to each other about their cooperative (`/icn/coop/1`). Each stream carries one question and
 * one answer, each a frame of JSON, read strictly; who asks is proven by the session.
 *
 *   Join {coop, secret}        Joined {genesis, entries, roster, key}     by whoever was invited
 *   Pull {coop, epoch, keyId}  Roster {roster, key}, or Current           when a session begins, and now and then
 *   Push {coop, roster, key}   Taken                                      by who has a new roster, to who is in session
 *   Leave {coop}               Left                                       to a steward
 *
 * Any of them is answered with Refused {reason} where it is not granted.
 */
import { Result, Schema, SchemaTransformation } from "effect"
import { groupKeyBytes, groupKeyIdBytes } from "../domain/coopGroupKey.ts"
import { inviteSecretBytes } from "../domain/coopInvite.ts"
import { epochMax } from "../domain/coopRoster.ts"
import { signatureLength } from "../domain/ed25519.ts"
import { entryBytesMax } from "../domain/ledgerLimits.ts"
import { rosterBytesMax } from "./coopRoster.ts"
import { frameBytesMax } from "./frames.ts"

export const coopProtocol = "/icn/coop/1"

/** Entries in the answer to a join, which let the new member write at once; what is missing comes by replication. */
export const joinEntriesMax = 256
/** Bytes of those entries' bodies, so that the answer fits into a frame as text. */
export const joinEntriesBytesMax = 500_000
/** The longest question: a roster of the largest size, as text. */
export const requestBytesMax = 131_072

/** Bytes as base64url without padding, in their one spelling. */
export const base64url = (bytesMin: number, bytesMax: number): Schema.Codec<Uint8Array, string> =>
  Schema.String.check(
    Schema.isMaxLength(Math.ceil((bytesMax * 4) / 3)),
    Schema.makeFilter((text) => Buffer.from(text, "base64url").toString("base64url") === text || "not base64url")
  ).pipe(
    Schema.decodeTo(
      Schema.Uint8Array.check(
        Schema.makeFilter(({ length }) => (length >= bytesMin && length <= bytesMax) || "of a wrong length")
      ),
      SchemaTransformation.transform({
        decode: (text): Uint8Array => Uint8Array.from(Buffer.from(text, "base64url")),
        encode: (bytes) => Buffer.from(bytes).toString("base64url")
      })
    )
  )

/** So many bytes as lower-case hex. */
export const hexText = (bytes: number) => Schema.String.check(Schema.isPattern(new RegExp(`^[0-9a-f]{${bytes * 2}}$`)))

const Id = hexText(32)
const Signature = base64url(signatureLength, signatureLength)
const Sealed = Schema.Struct({ body: base64url(1, entryBytesMax), signature: Signature })
/** A roster with the key that it puts in force. */
const KeyedRoster = {
  roster: Schema.Struct({ body: base64url(1, rosterBytesMax), signature: Signature }),
  key: base64url(groupKeyBytes, groupKeyBytes)
}

const Join = Schema.TaggedStruct("Join", { coop: Id, secret: base64url(inviteSecretBytes, inviteSecretBytes) })
const Pull = Schema.TaggedStruct("Pull", {
  coop: Id,
  /** Of the roster that the asking node has; 0 and an empty key id without one. */
  epoch: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: epochMax })),
  keyId: Schema.Union([Schema.Literal(""), hexText(groupKeyIdBytes)])
})
const Push = Schema.TaggedStruct("Push", { coop: Id, ...KeyedRoster })
const Leave = Schema.TaggedStruct("Leave", { coop: Id })

/** Why a question is not granted; `busy` passes by itself. */
export const coopRefusals = [
  "wrongSecret",
  "expired",
  "usedUp",
  "notSteward",
  "otherCooperative",
  "notMember",
  "excluded",
  "invalid",
  "steward",
  "busy",
  "cannotWrite"
] as const
export type CoopRefusal = (typeof coopRefusals)[number]

const Joined = Schema.TaggedStruct("Joined", {
  genesis: Sealed,
  /** In an order in which each can be admitted after those before it, as far as there is room. */
  entries: Schema.Array(Sealed).check(Schema.isMaxLength(joinEntriesMax)),
  ...KeyedRoster
})
const Roster = Schema.TaggedStruct("Roster", KeyedRoster)
const Current = Schema.TaggedStruct("Current", {})
const Taken = Schema.TaggedStruct("Taken", {})
const Left = Schema.TaggedStruct("Left", {})
const Refused = Schema.TaggedStruct("Refused", { reason: Schema.Literals(coopRefusals) })

export const CoopRequest = Schema.Union([Join, Pull, Push, Leave])
export type CoopRequest = typeof CoopRequest.Type
export const CoopAnswer = Schema.Union([Joined, Roster, Current, Taken, Left, Refused])
export type CoopAnswer = typeof CoopAnswer.Type

const utf8Encoder = new TextEncoder()
const utf8Decoder = new TextDecoder("utf-8", { fatal: true })

const makeCodec = <A, I>(schema: Schema.Codec<A, I>, bytesMax: number) => {
  const codec = Schema.fromJsonString(schema)
  const encode = Schema.encodeSync(codec)
  const decode = Schema.decodeUnknownResult(codec, { onExcessProperty: "error" })
  return {
    encode: (message: A): Uint8Array => utf8Encoder.encode(encode(message)),
    /** The failure says why a frame is no message, and nothing of its content. */
    decode: (frame: Uint8Array): Result.Result<A, string> => {
      if (frame.length > bytesMax) return Result.fail(`a message of ${frame.length} bytes is too long`)
      const text = Result.try({ try: () => utf8Decoder.decode(frame), catch: () => "a message is not UTF-8" })
      return Result.flatMap(text, (text) => Result.mapError(decode(text), () => "a message is not of this protocol"))
    }
  }
}

/** Questions: bytes and back. */
export const coopRequest = makeCodec(CoopRequest, requestBytesMax)
/** Answers. */
export const coopAnswer = makeCodec(CoopAnswer, frameBytesMax)
