import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Result, Schema } from "effect"
import { gossipMessageBytesMax } from "../../src/domain/gossipLimits.ts"
import { decodeEnvelope, encodeEnvelope, envelopeHeaderBytes, peekStamp } from "../../src/protocol/gossipEnvelope.ts"
import { bytes, integer, thorough } from "../fixtures/arbitraries.ts"

const problem = (bytes: Uint8Array) => Result.getOrUndefined(Result.flip(decodeEnvelope(bytes)))

describe("gossipEnvelope", () => {
  it("is version, stamp and JSON", () => {
    const encoded = encodeEnvelope({ stampMillis: 0x01_02_03_04_05_06, json: '{"a":"ü"}' })
    assert.strictEqual(Buffer.from(encoded).toString("hex"), "0100000102030405067b2261223a22c3bc227d")
  })

  it.prop(
    "reads what was written",
    { stampMillis: integer(0, Number.MAX_SAFE_INTEGER), json: Arbitrary.schema(Schema.String) },
    ({ json, stampMillis }) => {
      // Half of a surrogate pair has no UTF-8; JSON.stringify escapes it.
      const envelope = { stampMillis, json: JSON.stringify(json) }
      assert.deepStrictEqual(decodeEnvelope(encodeEnvelope(envelope)), Result.succeed(envelope))
      assert.deepStrictEqual(peekStamp(encodeEnvelope(envelope)), Result.succeed(stampMillis))
    },
    thorough
  )

  it("refuses other versions, what is cut short, stamps that are no time, and text that is no UTF-8", () => {
    const good = encodeEnvelope({ stampMillis: 1, json: "1" })
    assert.strictEqual(problem(good.subarray(0, envelopeHeaderBytes - 1)), "tooShort")
    assert.strictEqual(problem(Uint8Array.of(2, ...good.subarray(1))), "unknownVersion")
    assert.strictEqual(problem(Uint8Array.of(1, 0, 0x20, 0, 0, 0, 0, 0, 0, 0x31)), "stampTooLarge")
    assert.strictEqual(problem(Uint8Array.of(...good, 0xff)), "notUtf8")
    assert.throws(() => encodeEnvelope({ stampMillis: -1, json: "" }))
    assert.throws(() => encodeEnvelope({ stampMillis: 0.5, json: "" }))
  })

  it("takes 64 KiB and not a byte more", () => {
    const json = "x".repeat(gossipMessageBytesMax - envelopeHeaderBytes)
    assert.isTrue(Result.isSuccess(decodeEnvelope(encodeEnvelope({ stampMillis: 1, json }))))
    assert.strictEqual(problem(encodeEnvelope({ stampMillis: 1, json: `${json}x` })), "tooLong")
  })

  it.prop(
    "never throws",
    { content: bytes(0, 40) },
    ({ content }) => {
      assert.isTrue(Result.isResult(decodeEnvelope(content)))
      assert.isTrue(Result.isResult(decodeEnvelope(Uint8Array.of(1, ...content))))
    },
    thorough
  )
})
