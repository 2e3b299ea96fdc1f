/**
 * What a gossip message carries: version (1 byte), stamp (8 bytes, big-endian, milliseconds since the epoch), and the
 * message as UTF-8 JSON. Whoever carries it signs it together with the topic; that is not part of the envelope.
 *
 * The decoded JSON text is a copy; the bytes are only read.
 */
import { Result } from "effect"
import type { GossipEnvelope } from "../domain/gossipAdmission.ts"
import { gossipMessageBytesMax } from "../domain/gossipLimits.ts"

/** The only version there is. */
const version = 1
/** Bytes in front of the JSON. */
export const envelopeHeaderBytes = 9

/** Why bytes are no envelope. */
export type EnvelopeProblem = "tooLong" | "tooShort" | "unknownVersion" | "stampTooLarge" | "notUtf8"

const utf8Encoder = new TextEncoder()
const utf8Decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Writes an envelope; a stamp that is no time is a mistake of the caller. */
export const encodeEnvelope = ({ json, stampMillis }: GossipEnvelope): Uint8Array => {
  if (!Number.isSafeInteger(stampMillis) || stampMillis < 0) throw new RangeError(`${stampMillis} is no stamp`)
  const text = utf8Encoder.encode(json)
  const bytes = new Uint8Array(envelopeHeaderBytes + text.length)
  bytes[0] = version
  new DataView(bytes.buffer).setBigUint64(1, BigInt(stampMillis))
  bytes.set(text, envelopeHeaderBytes)
  return bytes
}

/** The stamp of an envelope whose rest is not looked at, for telling copies apart before anything costly. */
export const peekStamp = (bytes: Uint8Array): Result.Result<number, EnvelopeProblem> => {
  if (bytes.length < envelopeHeaderBytes) return Result.fail("tooShort")
  if (bytes[0] !== version) return Result.fail("unknownVersion")
  const stamp = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(1)
  return stamp > BigInt(Number.MAX_SAFE_INTEGER) ? Result.fail("stampTooLarge") : Result.succeed(Number(stamp))
}

/** Reads an envelope of at most `bytesMax` bytes, strictly. */
export const decodeEnvelope = (
  bytes: Uint8Array,
  bytesMax: number = gossipMessageBytesMax
): Result.Result<GossipEnvelope, EnvelopeProblem> => {
  if (bytes.length > bytesMax) return Result.fail("tooLong")
  return Result.flatMap(peekStamp(bytes), (stampMillis) =>
    Result.try({
      try: (): GossipEnvelope => ({ stampMillis, json: utf8Decoder.decode(bytes.subarray(envelopeHeaderBytes)) }),
      catch: () => "notUtf8" as const
    })
  )
}
