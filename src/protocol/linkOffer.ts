/**
 * Link offers as bytes, before they are sealed: JSON in UTF-8, followed by spaces up to a multiple of `paddingBytes`,
 * so that whoever passes them on learns little of how many addresses are in there. Read strictly.
 */
import { Result, Schema } from "effect"
import { LinkOffer } from "../domain/linkOffer.ts"

/** Two or three candidates more or less make no difference. */
export const paddingBytes = 256
/** The longest offer: 32 candidates of the longest addresses, and the longest secrets. */
export const linkOfferBytesMax = 5120

const codec = Schema.fromJsonString(LinkOffer)
const encodeText = Schema.encodeSync(codec)
const decodeText = Schema.decodeUnknownResult(codec)
const utf8Encoder = new TextEncoder()
const utf8Decoder = new TextDecoder("utf-8", { fatal: true })
const space = 0x20

export const encodeLinkOffer = (offer: LinkOffer): Uint8Array => {
  const text = utf8Encoder.encode(encodeText(offer))
  const padded = new Uint8Array(Math.ceil(text.length / paddingBytes) * paddingBytes).fill(space)
  padded.set(text)
  return padded
}

/** Reads an offer; the failure says why it is none. */
export const decodeLinkOffer = (bytes: Uint8Array): Result.Result<LinkOffer, string> => {
  if (bytes.length > linkOfferBytesMax) return Result.fail(`${bytes.length} bytes are too long`)
  if (bytes.length % paddingBytes !== 0) return Result.fail(`${bytes.length} bytes are not padded`)
  const text = Result.try({ try: () => utf8Decoder.decode(bytes), catch: () => "it is not UTF-8" })
  return Result.flatMap(text, (text) => Result.mapError(decodeText(text), ({ message }) => message))
}
