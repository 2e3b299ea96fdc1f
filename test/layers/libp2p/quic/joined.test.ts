import { Uint8ArrayList } from "uint8arraylist"
import { assert, describe, it } from "vitest"
import { joined, joinedBytesMax } from "../../../../src/layers/libp2p/quic/joined.ts"
import { pattern } from "../../../fixtures/quicNode.ts"

const list = (from: number, parts: number, length: number): Uint8ArrayList =>
  new Uint8ArrayList(...Array.from({ length: parts }, (_, index) => pattern(from + index * length, length)))

describe("joined", () => {
  it("gives a single buffer as it is", () => {
    const bytes = pattern(0, 100_000)
    assert.strictEqual(joined(new Uint8ArrayList(bytes)).bytes.buffer, bytes.buffer)
  })

  it("puts parts together, short ones and long ones", () => {
    for (const length of [10, 2000, 60_000, 600_000]) {
      const { bytes, release } = joined(list(length, 3, length))
      assert.deepStrictEqual(Buffer.from(bytes), Buffer.from(pattern(length, 3 * length)))
      release()
    }
  })

  it("uses memory again after it was released, and not before", () => {
    const first = joined(list(0, 3, 20_000))
    const second = joined(list(7, 2, 30_000))
    assert.notStrictEqual(second.bytes.buffer, first.bytes.buffer)
    assert.deepStrictEqual(Buffer.from(first.bytes), Buffer.from(pattern(0, 60_000)))
    first.release()
    const third = joined(list(9, 2, 25_000))
    assert.strictEqual(third.bytes.buffer, first.bytes.buffer)
    assert.deepStrictEqual(Buffer.from(third.bytes), Buffer.from(pattern(9, 50_000)))
    second.release()
    third.release()
  })

  it("keeps no more than a few", () => {
    const many = Array.from({ length: 20 }, () => joined(list(0, 2, joinedBytesMax / 2)))
    const buffers = new Set(many.map(({ bytes }) => bytes.buffer))
    for (const { release } of many) release()
    const again = Array.from({ length: 20 }, () => joined(list(0, 2, joinedBytesMax / 2)))
    assert.lengthOf(
      again.filter(({ bytes }) => buffers.has(bytes.buffer)),
      4
    )
    for (const { release } of again) release()
  })
})
