import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { gossipMessageBytesMax } from "../../src/domain/gossipLimits.ts"
import { gossipTopicsMax } from "../../src/domain/gossipTopic.ts"
import {
  decodeFloodFrame,
  encodeFloodMessage,
  encodeTopics,
  floodFrameBytesMax,
  floodSignedBytes
} from "../../src/protocol/gossipFlood.ts"
import { bytes, thorough } from "../fixtures/arbitraries.ts"

const message = {
  topic: "a:b",
  author: new Uint8Array(32).fill(1),
  signature: new Uint8Array(64).fill(2),
  envelope: Uint8Array.of(3, 4)
}

const plain = (frame: Uint8Array) => {
  const decoded = Result.getOrThrow(decodeFloodFrame(frame))
  assert.strictEqual(decoded._tag, "Message")
  if (decoded._tag !== "Message") throw new Error("unreachable")
  const { author, envelope, signature, topic } = decoded.message
  return { topic, author: [...author], signature: [...signature], envelope: [...envelope] }
}

describe("gossipFlood", () => {
  it("carries topics and messages", () => {
    const topics = ["network:candidates", "x"]
    assert.deepStrictEqual(decodeFloodFrame(encodeTopics(topics)), Result.succeed({ _tag: "Topics", topics }))
    assert.deepStrictEqual(plain(encodeFloodMessage(message)), {
      topic: "a:b",
      author: [...message.author],
      signature: [...message.signature],
      envelope: [3, 4]
    })
  })

  it("signs topic and envelope so that neither can be shifted into the other", () => {
    const one = floodSignedBytes("ab", Uint8Array.of(0x63))
    const other = floodSignedBytes("a", Uint8Array.of(0x62, 0x63))
    assert.notDeepEqual([...one], [...other])
  })

  it("carries the longest message with the longest topic", () => {
    const topic = "t".repeat(128)
    const frame = encodeFloodMessage({ ...message, topic, envelope: new Uint8Array(gossipMessageBytesMax) })
    assert.strictEqual(frame.length, floodFrameBytesMax)
    assert.strictEqual(plain(frame).envelope.length, gossipMessageBytesMax)
    assert.isTrue(Result.isFailure(decodeFloodFrame(Buffer.concat([frame, Uint8Array.of(0)]))))
  })

  it("refuses what is cut short, of no kind, without a topic, or a list that is none", () => {
    const frame = encodeFloodMessage(message)
    const bad = [
      new Uint8Array(0),
      Uint8Array.of(9),
      frame.subarray(0, 50),
      encodeFloodMessage({ ...message, topic: "" }),
      encodeFloodMessage({ ...message, topic: "a b" }),
      encodeTopics(["a b"]),
      encodeTopics(Array.from({ length: gossipTopicsMax + 1 }, (_, index) => `t${index}`)),
      Uint8Array.of(1, ...Buffer.from("{}")),
      Uint8Array.of(1, 0xff)
    ]
    for (const one of bad) assert.isTrue(Result.isFailure(decodeFloodFrame(one)), Buffer.from(one).toString("hex"))
  })

  it.prop(
    "never throws",
    { content: bytes(0, 200) },
    ({ content }) => {
      for (const kind of [1, 2, 3]) assert.isTrue(Result.isResult(decodeFloodFrame(Uint8Array.of(kind, ...content))))
    },
    thorough
  )
})
