/**
 * Topics: what they may be called, which names the node itself uses, and the JSON of their messages. Only the names of
 * the list appear in metrics; programs that embed the node add topics as they like.
 *
 * Members run different versions, and one that cannot read a message holds it to be wrong: a topic's schema may only
 * gain keys that may be absent, as unknown keys are skipped. Any other change is a new topic.
 */
import { Result, Schema } from "effect"

/** Topics of the node, in the spelling that members agree on. */
export const gossipTopics = [
  "network:candidates",
  "network:profiles",
  "trust:attestations",
  "compute:submit",
  "compute:claim",
  "compute:result",
  "compute:cancel"
] as const

/** The values that a topic can have in metrics. */
export const gossipTopicLabels = [...gossipTopics, "other"] as const
export type GossipTopicLabel = (typeof gossipTopicLabels)[number]

/** The longest name of a topic in characters: it travels with every message. */
export const topicNameLengthMax = 128
/** Topics that one node keeps up with, its own and those of what embeds it. */
export const gossipTopicsMax = 256

const topicName = /^[\x21-\x7e]+$/

/** Whether a topic can be called so: printable ASCII without spaces, so that a character is a byte. */
export const isTopicName = (name: string): boolean => name.length <= topicNameLengthMax && topicName.test(name)

/** What a topic is called in metrics. */
export const topicLabel = (name: string): GossipTopicLabel =>
  gossipTopicLabels.find((label) => label === name) ?? "other"

/** Writes and reads the messages of one topic; failures are texts for people. */
export interface MessageCodec<A> {
  readonly encode: (message: A) => Result.Result<string, string>
  readonly decode: (json: string) => Result.Result<A, string>
}

const describe = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown))

const guarded = <B>(run: () => Result.Result<B, unknown>): Result.Result<B, string> =>
  Result.mapError(
    Result.andThen(Result.try(run), (result) => result),
    describe
  )

/**
 * The codec of a schema whose encoded form is JSON and which decodes without waiting. Whatever the schema or the parser
 * throws (deep nesting ends in a full stack, say) is a failure of the message.
 */
export const messageCodec = <A>(schema: Schema.Codec<A, unknown>): MessageCodec<A> => {
  const decodeValue = Schema.decodeUnknownResult(schema)
  const encodeValue = Schema.encodeResult(schema)
  const decode = (json: string): Result.Result<A, string> => guarded(() => decodeValue(JSON.parse(json)))
  return {
    decode,
    encode: (message) =>
      Result.flatMap(
        guarded(() => encodeValue(message)),
        (encoded) => {
          const json = guarded(() => Result.succeed(JSON.stringify(encoded)))
          // A message that others could not read would make this node look bad: its encoded form is no JSON.
          return Result.flatMap(json, (text) =>
            typeof text === "string"
              ? Result.map(decode(text), () => text)
              : Result.fail("its encoded form has no representation in JSON")
          )
        }
      )
  }
}
