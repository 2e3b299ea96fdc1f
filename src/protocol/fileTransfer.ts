/**
 * How a file goes from one member to another, on a stream of its own:
 *
 *   sender                          receiver
 *   Offer {name, bytes, sha256} ->
 *                               <-  Accept {offset, sha256 of what it has}, or Refuse {reason}
 *   Begin {offset}              ->  the accepted one, or 0 when what the receiver has is not the file's beginning
 *   the file from there on      ->  each frame is a chunk of 1 to `chunkBytesMax` bytes
 *                               <-  Done {sha256} or Failed {reason}
 *   end of the direction        ->
 *                               <-  end of the direction
 *
 * Messages are frames of JSON. `Working` may come before any of them, from a side that computes for
 * long. Nothing in a message is meant to be shown to a person except the name, which is untrusted.
 */
import { Result, Schema } from "effect"

export const fileTransferProtocol = "/icn/file/1"

/** Longer chunks are refused. */
export const chunkBytesMax = 262_144
/** Longer messages are refused; an offer with the longest name has about 3 KiB. */
export const messageBytesMax = 8192
/** Characters of an offered name; it is cut to what a file system holds anyway. */
const nameLengthMax = 1024

const Sha256 = Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/))
const Bytes = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))

const Working = Schema.TaggedStruct("Working", {})
const Offer = Schema.TaggedStruct("Offer", {
  /** Chosen by the sender once for a file and a command, so that its next try is known from another transfer. */
  transfer: Schema.String.check(Schema.isPattern(/^[0-9a-f]{32}$/)),
  /** Untrusted: see domain/fileTransferName.ts. */
  name: Schema.String.check(Schema.isMaxLength(nameLengthMax)),
  bytes: Bytes,
  sha256: Sha256
})
const Begin = Schema.TaggedStruct("Begin", { offset: Bytes })

/** Why a file is not taken; `busy` passes by itself. */
export const refusals = ["notWanted", "tooLarge", "noSpace", "busy", "cannotWrite"] as const
export type Refusal = (typeof refusals)[number]
/** Why a file that was taken did not come to its end. */
export const failures = ["checksum", "malformed", "noSpace", "cannotWrite"] as const
export type Failure = (typeof failures)[number]

const Accept = Schema.TaggedStruct("Accept", {
  /** How much of the file the receiver has, and its checksum. */
  offset: Bytes,
  sha256: Sha256
})
const Refuse = Schema.TaggedStruct("Refuse", {
  reason: Schema.Literals(refusals),
  /** With `tooLarge`: how many bytes the receiver takes. */
  bytesMax: Schema.NullOr(Bytes)
})
const Done = Schema.TaggedStruct("Done", { sha256: Sha256 })
const Failed = Schema.TaggedStruct("Failed", { reason: Schema.Literals(failures) })

export const SenderMessage = Schema.Union([Offer, Begin, Working])
export type SenderMessage = typeof SenderMessage.Type
export type FileOffer = typeof Offer.Type
export const ReceiverMessage = Schema.Union([Accept, Refuse, Done, Failed, Working])
export type ReceiverMessage = typeof ReceiverMessage.Type

const utf8Encoder = new TextEncoder()
const utf8Decoder = new TextDecoder("utf-8", { fatal: true })

const makeCodec = <A, I>(schema: Schema.Codec<A, I>) => {
  const codec = Schema.fromJsonString(schema)
  const encode = Schema.encodeSync(codec)
  const decode = Schema.decodeUnknownResult(codec)
  return {
    encode: (message: A): Uint8Array => utf8Encoder.encode(encode(message)),
    decode: (frame: Uint8Array): Result.Result<A, string> => {
      if (frame.length > messageBytesMax) return Result.fail(`a message of ${frame.length} bytes is too long`)
      const text = Result.try({ try: () => utf8Decoder.decode(frame), catch: () => "a message is not UTF-8" })
      return Result.flatMap(text, (text) => Result.mapError(decode(text), ({ message }) => message))
    }
  }
}

/** What a sender says: bytes and back; the failure says why a frame is no message. */
export const sender = makeCodec(SenderMessage)
/** What a receiver says. */
export const receiver = makeCodec(ReceiverMessage)
