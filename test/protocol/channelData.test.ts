import { assert, describe, it } from "@effect/vitest"
import * as ChannelData from "../../src/protocol/channelData.ts"
import * as Stun from "../../src/protocol/stun.ts"
import { bytes, integer, thorough } from "../fixtures/arbitraries.ts"
import * as Rfc5769 from "../fixtures/rfc5769.ts"

const datagram = (channel: number, payload: Uint8Array, padding = 0): Uint8Array => {
  const out = new Uint8Array(ChannelData.headerLength + payload.length + padding)
  ChannelData.encodeHeader(out, 0, channel, payload.length)
  out.set(payload, ChannelData.headerLength)
  return out
}

describe("ChannelData", () => {
  it("has a header of channel number and length, big-endian", () => {
    assert.deepStrictEqual(datagram(0x4abc, Uint8Array.of(7, 8)), Uint8Array.of(0x4a, 0xbc, 0, 2, 7, 8))
  })

  it("is written at an offset without touching the bytes around it", () => {
    const buffer = new Uint8Array(8).fill(0xee)
    ChannelData.encodeHeader(buffer, 2, 0x4001, 0x1234)
    assert.deepStrictEqual(buffer, Uint8Array.of(0xee, 0xee, 0x40, 0x01, 0x12, 0x34, 0xee, 0xee))
  })

  it.prop(
    "comes back as it was sent",
    [integer(0x4000, 0x4fff), bytes(0, 1500)],
    ([channel, payload]) => {
      assert.deepStrictEqual(ChannelData.decode(datagram(channel, payload)), { channel, payload })
    },
    thorough
  )

  it("may be padded to four bytes, and no further", () => {
    for (let length = 0; length <= 8; length++) {
      const payload = new Uint8Array(length).fill(1)
      const padding = (4 - (length % 4)) % 4
      for (let extra = 0; extra <= 8; extra++) {
        const decoded = ChannelData.decode(datagram(0x4000, payload, extra))
        assert.strictEqual(decoded !== undefined, extra === 0 || extra === padding, `${length} + ${extra}`)
      }
    }
  })

  it("is refused when it is shorter than it says", () => {
    const whole = datagram(0x4000, new Uint8Array(9))
    for (let length = 0; length < whole.length; length++) {
      assert.isUndefined(ChannelData.decode(whole.subarray(0, length)), `${length} bytes`)
    }
  })

  it("is refused outside the channel numbers 0x4000 to 0x4fff", () => {
    for (const channel of [0x0000, 0x3fff, 0x5000, 0x7fff, 0x8000, 0xffff]) {
      const bytes = datagram(channel, new Uint8Array(4))
      assert.isFalse(ChannelData.isChannelData(bytes))
      assert.isUndefined(ChannelData.decode(bytes))
    }
    for (const channel of [0x4000, 0x4fff]) assert.isDefined(ChannelData.decode(datagram(channel, new Uint8Array(4))))
  })

  it("gives a view into the datagram, at whatever offset that lies in its buffer", () => {
    const buffer = new Uint8Array(20)
    buffer.set(datagram(0x4000, Uint8Array.of(1, 2, 3)), 9)
    const decoded = ChannelData.decode(buffer.subarray(9, 16))
    assert.deepStrictEqual(decoded?.payload, Uint8Array.of(1, 2, 3))
    assert.strictEqual(decoded?.payload.buffer, buffer.buffer)
  })

  it("is told from STUN by its first byte", () => {
    assert.isFalse(ChannelData.isChannelData(Rfc5769.request))
    assert.isFalse(ChannelData.isChannelData(new Uint8Array(0)))
    assert.isFalse(Stun.isStun(datagram(0x4000, new Uint8Array(16))))
  })
})
