import { assert, describe, it } from "@effect/vitest"
import { answersQuicProbe, connectionIdLength, encodeQuicProbe } from "../../src/protocol/quicProbe.ts"
import { bytes, thorough } from "../fixtures/arbitraries.ts"

const destinationId = Uint8Array.from({ length: connectionIdLength }, (_, index) => index + 1)
const sourceId = Uint8Array.from({ length: connectionIdLength }, (_, index) => 0xf0 + index)
const probe = { destinationId, sourceId }
/** As RFC 9000 section 17.2.1 has it, with version 1 on offer. */
const answer = Uint8Array.of(0x80, 0, 0, 0, 0, 8, ...sourceId, 8, ...destinationId, 0, 0, 0, 1)

describe("quicProbe", () => {
  it("is a long header of a reserved version in a datagram that no server ignores", () => {
    const sent = encodeQuicProbe(probe)
    assert.strictEqual(sent.length, 1200)
    assert.deepStrictEqual(
      [...sent.subarray(0, 23)],
      [0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 8, ...destinationId, 8, ...sourceId]
    )
  })

  it("takes the answer to itself only", () => {
    assert.isTrue(answersQuicProbe(answer, probe))
    assert.isFalse(answersQuicProbe(encodeQuicProbe(probe), probe))
    assert.isFalse(answersQuicProbe(answer, { destinationId: sourceId, sourceId: destinationId }))
    for (let at = 1; at < 23; at++) {
      const other = answer.slice()
      other[at] = (other[at] ?? 0) ^ 1
      assert.isFalse(answersQuicProbe(other, probe), `byte ${at}`)
    }
    for (let length = 0; length < 23; length++) assert.isFalse(answersQuicProbe(answer.subarray(0, length), probe))
  })

  it.prop(
    "takes no other datagram",
    [bytes(0, 64)],
    ([datagram]) => assert.isFalse(answersQuicProbe(datagram, probe)),
    thorough
  )
})
