import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Redacted, Result } from "effect"
import * as Stun from "../../src/protocol/stun.ts"
import { shortTermKey, verifyIntegrity } from "../../src/protocol/stunIntegrity.ts"
import { boolean, bytes, integer, thorough, transactionId } from "../fixtures/arbitraries.ts"
import * as Rfc5769 from "../fixtures/rfc5769.ts"

const key = Result.getOrThrow(shortTermKey(Redacted.make("secret")))
const id = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
const classes = ["request", "indication", "success", "error"] as const

const message = (attributes: ReadonlyArray<Stun.StunAttribute> = []): Stun.StunMessage => ({
  class: "request",
  method: 3,
  transactionId: id,
  attributes
})

const decode = (datagram: Uint8Array): Stun.DecodedStun => Result.getOrThrow(Stun.decode(datagram))

/** The reason for which decoding fails; the test fails when it succeeds. */
const reasonOf = (datagram: Uint8Array): Stun.StunDecodeReason =>
  Result.getOrThrow(Result.flip(Stun.decode(datagram))).reason

const changed = (datagram: Uint8Array, offset: number, ...values: ReadonlyArray<number>): Uint8Array => {
  const copy = datagram.slice()
  copy.set(values, offset)
  return copy
}

const withAttributes = (count: number): Uint8Array =>
  Stun.encode(message(Array.from({ length: count }, () => ({ type: 0x8022, value: new Uint8Array(0) }))))

describe("the STUN header", () => {
  it("interleaves class and method (RFC 8489 figure 3)", () => {
    const types = classes.map((messageClass) =>
      Stun.encode({ ...message(), class: messageClass, method: 0x001 }).subarray(0, 2)
    )
    assert.deepStrictEqual(types, [
      Uint8Array.of(0x00, 0x01),
      Uint8Array.of(0x00, 0x11),
      Uint8Array.of(0x01, 0x01),
      Uint8Array.of(0x01, 0x11)
    ])
    assert.deepStrictEqual(Stun.encode({ ...message(), method: 0xfff }).subarray(0, 2), Uint8Array.of(0x3e, 0xef))
  })

  it("holds every method in every class", () => {
    for (const messageClass of classes) {
      for (let method = 0; method <= 0xfff; method++) {
        const decoded = decode(Stun.encode({ ...message(), class: messageClass, method }))
        assert.deepStrictEqual([decoded.class, decoded.method], [messageClass, method])
      }
    }
  })

  it("is refused when it is too short, of another protocol, or of another length than the datagram", () => {
    const datagram = Stun.encode(message([{ type: 0x8022, value: new Uint8Array(4) }]))
    for (let length = 0; length < Stun.headerLength; length++) {
      assert.strictEqual(reasonOf(datagram.subarray(0, length)), "tooShort")
    }
    assert.strictEqual(reasonOf(changed(datagram, 0, 0x40)), "notStun")
    assert.strictEqual(reasonOf(changed(datagram, 0, 0x80)), "notStun")
    assert.strictEqual(reasonOf(changed(datagram, 7, 0x43)), "notStun")
    assert.strictEqual(reasonOf(datagram.subarray(0, datagram.length - 4)), "messageLength")
    assert.strictEqual(reasonOf(Uint8Array.of(...datagram, 0)), "messageLength")
    assert.strictEqual(reasonOf(changed(datagram, 2, 0, 7)), "messageLength")
    assert.strictEqual(reasonOf(changed(datagram, 2, 0xff, 0xfc)), "messageLength")
  })

  it("tells STUN from everything else", () => {
    assert.isTrue(Stun.isStun(Rfc5769.request))
    assert.isFalse(Stun.isStun(changed(Rfc5769.request, 0, 0x40)))
    assert.isFalse(Stun.isStun(Rfc5769.request.subarray(1)))
    assert.isFalse(Stun.isStun(new Uint8Array(0)))
  })
})

describe("STUN attributes", () => {
  it("are padded with zeros, which their length does not count", () => {
    const datagram = Stun.encode(message([{ type: 0x8022, value: Uint8Array.of(1, 2, 3, 4, 5) }]))
    assert.deepStrictEqual(datagram.subarray(20), Uint8Array.of(0x80, 0x22, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0))
  })

  it("are refused when they reach over the end of the message", () => {
    const datagram = Stun.encode(message([{ type: 0x8022, value: new Uint8Array(4) }]))
    for (const length of [5, 8, 0xfffd, 0xffff]) {
      const error = Result.getOrThrow(Result.flip(Stun.decode(changed(datagram, 22, length >> 8, length & 0xff))))
      assert.deepStrictEqual(error, {
        _tag: "StunDecodeError",
        reason: "attributeBounds",
        offset: 20,
        attribute: 0x8022
      })
    }
  })

  it("are found by type, the first one counts, and all are there for types that repeat", () => {
    const decoded = decode(Stun.encode(message([1, 2].map((byte) => ({ type: 0x0012, value: Uint8Array.of(byte) })))))
    assert.deepStrictEqual(Stun.find(decoded, 0x0012), Uint8Array.of(1))
    assert.deepStrictEqual(Stun.findAll(decoded, 0x0012), [Uint8Array.of(1), Uint8Array.of(2)])
    assert.isUndefined(Stun.find(decoded, 0x0013))
    assert.deepStrictEqual(Stun.findAll(decoded, 0x0013), [])
  })

  it("are limited in number", () => {
    assert.strictEqual(decode(withAttributes(Stun.attributesMax)).attributes.length, Stun.attributesMax)
    assert.strictEqual(reasonOf(withAttributes(Stun.attributesMax + 1)), "tooManyAttributes")
  })

  it("are views into the datagram, at whatever offset that lies in its buffer", () => {
    const datagram = Stun.encode(message([{ type: 0x8022, value: Uint8Array.of(9) }]), { key, fingerprint: true })
    const buffer = new Uint8Array(datagram.length + 7)
    buffer.set(datagram, 3)
    const decoded = decode(buffer.subarray(3, 3 + datagram.length))
    assert.deepStrictEqual(Stun.find(decoded, 0x8022), Uint8Array.of(9))
    assert.strictEqual(Stun.find(decoded, 0x8022)?.buffer, buffer.buffer)
    assert.strictEqual(decoded.fingerprint, "valid")
    assert.strictEqual(verifyIntegrity(decoded, key), "valid")
  })

  it("do not count when they follow the message integrity", () => {
    const signed = Stun.encode(message([{ type: 0x0006, value: Uint8Array.of(1) }]), { key })
    // Somebody on the way adds a second USERNAME and the length that makes it fit.
    const forged = Uint8Array.of(...signed, 0x00, 0x06, 0, 1, 2, 0, 0, 0, 0x00, 0x0d, 0, 0)
    const decoded = decode(changed(forged, 2, 0, forged.length - 20))
    assert.deepStrictEqual(decoded.attributes, [{ type: 0x0006, value: Uint8Array.of(1) }])
    assert.isUndefined(Stun.find(decoded, 0x000d))
    assert.strictEqual(verifyIntegrity(decoded, key), "valid")
  })
})

describe("a STUN message", () => {
  const attribute = Arbitrary.map(Arbitrary.all([integer(0, 0xffff), bytes(0, 64)]), ([type, value]) => ({
    type,
    value
  }))
  const ordinary = Arbitrary.filter(
    attribute,
    ({ type }) => ![Stun.messageIntegrityType, Stun.messageIntegritySha256Type, Stun.fingerprintType].includes(type)
  )
  const options = Arbitrary.all({
    fingerprint: boolean,
    key: Arbitrary.map(boolean, (signed) => (signed ? key : undefined)),
    hash: Arbitrary.map(boolean, (sha256) => (sha256 ? ("SHA-256" as const) : ("SHA-1" as const)))
  })

  it.prop(
    "decodes to what was encoded, with or without integrity and fingerprint",
    [integer(0, 3), integer(0, 0xfff), transactionId, Arbitrary.array(ordinary, { maxLength: 20 }), options],
    ([classIndex, method, transactionId, attributes, options]) => {
      const encoded = { class: classes[classIndex] ?? "request", method, transactionId, attributes }
      const datagram = Stun.encode(encoded, options)
      assert.isTrue(Stun.isStun(datagram))
      const decoded = decode(datagram)
      assert.deepStrictEqual(
        {
          class: decoded.class,
          method: decoded.method,
          transactionId: decoded.transactionId,
          attributes: decoded.attributes
        },
        encoded
      )
      assert.strictEqual(decoded.fingerprint, options.fingerprint ? "valid" : "absent")
      assert.strictEqual(verifyIntegrity(decoded, key), options.key === undefined ? "absent" : "valid")
    },
    thorough
  )

  it("cannot be made of a wrong transaction id or of more than a message holds", () => {
    assert.throws(() => Stun.encode({ ...message(), transactionId: new Uint8Array(11) }), RangeError)
    assert.throws(() => Stun.encode({ ...message(), method: 0x1000 }), RangeError)
    assert.throws(() => Stun.encode(message([{ type: 0x0013, value: new Uint8Array(0x10000) }])), RangeError)
    const largest = Stun.encode(message([{ type: 0x0013, value: new Uint8Array(0xfffc - 4) }]))
    assert.strictEqual(decode(largest).attributes[0]?.value.length, 0xfffc - 4)
  })

  it("says in words why it was refused", () => {
    const error = { _tag: "StunDecodeError", reason: "attributeBounds", offset: 20, attribute: 0x0d } as const
    assert.strictEqual(Stun.describeDecodeError(error), "attributeBounds in attribute 0x000d at byte 20")
    assert.strictEqual(
      Stun.describeDecodeError({ ...error, reason: "tooShort", attribute: undefined }),
      "tooShort at byte 20"
    )
  })
})
