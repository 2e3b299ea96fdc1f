import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { GossipAdmission, type GossipArrival } from "../../src/domain/gossipAdmission.ts"
import { defaultGossipLimits, gossipMessageBytesMax } from "../../src/domain/gossipLimits.ts"
import { messageCodec } from "../../src/domain/gossipTopic.ts"
import { decodeEnvelope, encodeEnvelope } from "../../src/protocol/gossipEnvelope.ts"

const now = 1_800_000_000_000
const codec = messageCodec(Schema.Struct({ text: Schema.String }))

const admission = () => new GossipAdmission(defaultGossipLimits, "self", decodeEnvelope)

const arrival = (stampMillis: number, over: Partial<GossipArrival<{ readonly text: string }>> = {}) => ({
  author: "a",
  topic: "t",
  bytes: encodeEnvelope({ stampMillis, json: '{"text":"hello"}' }),
  bytesMax: gossipMessageBytesMax,
  decode: codec.decode,
  ...over
})

const withJson = (stampMillis: number, json: string) =>
  arrival(stampMillis, { bytes: encodeEnvelope({ stampMillis, json }) })

describe("GossipAdmission", () => {
  it("accepts a good message once", () => {
    const table = admission()
    const accepted = { _tag: "Accept" as const, stampMillis: now, message: { text: "hello" } }
    assert.deepStrictEqual(table.admit(arrival(now), now), accepted)
    assert.deepStrictEqual(table.admit(arrival(now), now), { _tag: "Ignore", reason: "seen" })
  })

  it("blames the bearer for what it could have seen, and for nothing else", () => {
    const table = admission()
    const verdict = (one: GossipArrival<unknown>) => {
      const { _tag, ...rest } = table.admit(one, now)
      return [_tag, "reason" in rest ? rest.reason : undefined]
    }
    assert.deepStrictEqual(verdict(arrival(now, { bytesMax: 10 })), ["Reject", "too_long"])
    assert.deepStrictEqual(verdict(arrival(now, { bytes: Uint8Array.of(7) })), ["Reject", "envelope"])
    assert.deepStrictEqual(verdict(withJson(now, '{"text":1}')), ["Reject", "schema"])
    assert.deepStrictEqual(verdict(withJson(now + 1, "{")), ["Reject", "schema"])
    assert.deepStrictEqual(verdict(withJson(now + 2, "[".repeat(60_000))), ["Reject", "schema"])
    assert.deepStrictEqual(verdict(arrival(now - 300_001)), ["Ignore", "old"])
    assert.deepStrictEqual(verdict(arrival(now + 30_001)), ["Ignore", "future"])
    assert.deepStrictEqual(verdict(arrival(now, { author: "self" })), ["Ignore", "own"])
    // What was refused is not taken for having been there.
    assert.deepStrictEqual(verdict(arrival(now)), ["Accept", undefined])
  })

  it("limits an author on each topic apart, and others not at all", () => {
    const table = admission()
    const burst = defaultGossipLimits.fallback.burstCapacity
    const tags = Array.from({ length: burst + 5 }, (_, index) => table.admit(arrival(now + index), now)._tag)
    assert.strictEqual(tags.filter((tag) => tag === "Accept").length, burst)
    assert.deepStrictEqual(table.admit(arrival(now + 100), now), { _tag: "Ignore", reason: "author_rate" })
    assert.strictEqual(table.admit(arrival(now + 101, { topic: "u" }), now)._tag, "Accept")
    assert.strictEqual(table.admit(arrival(now + 100, { author: "b" }), now)._tag, "Accept")
    assert.strictEqual(table.admit(arrival(now + 102), now + 10)._tag, "Accept")
  })

  it("lets a neighbour bring eight times what one author may send, and then ignores it", () => {
    const table = admission()
    const burst = 8 * defaultGossipLimits.fallback.burstCapacity
    const admitted = Array.from({ length: burst + 5 }, () => table.admitsBearer("b", 100, now))
    assert.strictEqual(admitted.filter(Boolean).length, burst)
    assert.isTrue(table.admitsBearer("c", 100, now))
    assert.isTrue(table.admitsBearer("b", 100, now + 10))
  })

  it("limits nobody when that is switched off", () => {
    const table = new GossipAdmission({ ...defaultGossipLimits, enabled: false }, "self", decodeEnvelope)
    for (let message = 0; message < 10_000; message++) {
      assert.isTrue(table.admitsBearer("b", 65_536, now))
      assert.strictEqual(table.admit(arrival(now + message), now)._tag, "Accept")
    }
  })
})

const failure = (schema: Schema.Codec<unknown, unknown>, value: unknown) =>
  Result.isFailure(messageCodec(schema).encode(value))

describe("messageCodec", () => {
  it("skips keys that it does not know, so that schemas can grow", () => {
    assert.deepStrictEqual(codec.decode('{"text":"a","more":1}'), Result.succeed({ text: "a" }))
  })

  it("refuses to send what nobody could read", () => {
    assert.isTrue(failure(Schema.BigInt, 1n))
    assert.isTrue(failure(Schema.Undefined, undefined))
    assert.isTrue(failure(Schema.Uint8Array, Uint8Array.of(1)))
    assert.isTrue(failure(Schema.Struct({ text: Schema.String }), { text: 1 }))
    assert.isFalse(failure(Schema.Struct({ text: Schema.String }), { text: "1" }))
  })
})
