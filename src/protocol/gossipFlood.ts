/**
 * What neighbours tell each other where gossip floods over sessions (`/icn/gossip/1`), one message per frame. Kind
 * (1 byte), then either the topics that the sender wants, all of them, as a JSON array, which replaces what it said
 * before; or a message: length of the topic (1), topic, public key of the author (32), signature (64), envelope.
 *
 * The parts of a decoded message are views of the frame.
 */
import { Result, Schema } from "effect"
import { publicKeyLength, signatureLength } from "../domain/ed25519.ts"
import { gossipMessageBytesMax } from "../domain/gossipLimits.ts"
import { gossipTopicsMax, isTopicName, topicNameLengthMax } from "../domain/gossipTopic.ts"

/** The protocol of the streams, one in each direction. */
export const gossipProtocol = "/icn/gossip/1"

const kinds = { topics: 1, message: 2 } as const

/** The longest frame in bytes. */
export const floodFrameBytesMax = 2 + topicNameLengthMax + publicKeyLength + signatureLength + gossipMessageBytesMax

/** A message on its way. */
export interface FloodMessage {
  readonly topic: string
  readonly author: Uint8Array
  /** Of the author, over `floodSignedBytes`. */
  readonly signature: Uint8Array
  readonly envelope: Uint8Array
}

export type FloodFrame =
  | { readonly _tag: "Topics"; readonly topics: ReadonlyArray<string> }
  | { readonly _tag: "Message"; readonly message: FloodMessage }

const TopicList = Schema.fromJsonString(
  Schema.Array(Schema.String.check(Schema.makeFilter(isTopicName))).check(Schema.isMaxLength(gossipTopicsMax))
)
const decodeTopicList = Schema.decodeUnknownResult(TopicList)
const utf8Encoder = new TextEncoder()
const utf8Decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

export const encodeTopics = (topics: ReadonlyArray<string>): Uint8Array =>
  Buffer.concat([Uint8Array.of(kinds.topics), utf8Encoder.encode(JSON.stringify(topics))])

const prefixed = (topic: string): Uint8Array => {
  const name = utf8Encoder.encode(topic)
  return Buffer.concat([Uint8Array.of(name.length), name])
}

/** What the author signs: the topic, so that a message is not carried into another one, and the envelope. */
export const floodSignedBytes = (topic: string, envelope: Uint8Array): Uint8Array =>
  Buffer.concat([prefixed(topic), envelope])

export const encodeFloodMessage = ({ author, envelope, signature, topic }: FloodMessage): Uint8Array =>
  Buffer.concat([Uint8Array.of(kinds.message), prefixed(topic), author, signature, envelope])

const text = (bytes: Uint8Array): Result.Result<string, string> =>
  Result.try({ try: () => utf8Decoder.decode(bytes), catch: () => "it is not UTF-8" })

const decodeMessage = (bytes: Uint8Array): Result.Result<FloodFrame, string> => {
  const authorAt = 1 + (bytes[0] ?? 0)
  const signatureAt = authorAt + publicKeyLength
  const envelopeAt = signatureAt + signatureLength
  if (bytes.length < envelopeAt) return Result.fail("it is cut short")
  return Result.flatMap(text(bytes.subarray(1, authorAt)), (topic): Result.Result<FloodFrame, string> => {
    if (!isTopicName(topic)) return Result.fail("it has no topic")
    const author = bytes.subarray(authorAt, signatureAt)
    const signature = bytes.subarray(signatureAt, envelopeAt)
    const message = { topic, author, signature, envelope: bytes.subarray(envelopeAt) }
    return Result.succeed({ _tag: "Message", message })
  })
}

const decodeTopics = (bytes: Uint8Array): Result.Result<FloodFrame, string> =>
  Result.flatMap(text(bytes), (json) =>
    Result.mapBoth(decodeTopicList(json), {
      onFailure: ({ message }) => message,
      onSuccess: (topics): FloodFrame => ({ _tag: "Topics", topics })
    })
  )

/** Reads a frame; the failure says what is wrong with it. */
export const decodeFloodFrame = (frame: Uint8Array): Result.Result<FloodFrame, string> => {
  if (frame.length > floodFrameBytesMax) return Result.fail("it is too long")
  if (frame[0] === kinds.topics) return decodeTopics(frame.subarray(1))
  if (frame[0] === kinds.message) return decodeMessage(frame.subarray(1))
  return Result.fail("it is of no known kind")
}
