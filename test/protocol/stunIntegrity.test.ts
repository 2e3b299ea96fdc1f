import { assert, describe, it } from "@effect/vitest"
import { Redacted, Result } from "effect"
import { createHmac } from "node:crypto"
import { inspect } from "node:util"
import { crc32 } from "node:zlib"
import * as Stun from "../../src/protocol/stun.ts"
import * as Attribute from "../../src/protocol/stunAttributes.ts"
import {
  fingerprintValue,
  type IntegrityKey,
  longTermKey,
  shortTermKey,
  verifyIntegrity
} from "../../src/protocol/stunIntegrity.ts"
import { bytes, thorough } from "../fixtures/arbitraries.ts"
import * as Rfc5769 from "../fixtures/rfc5769.ts"
import * as Rfc8489 from "../fixtures/rfc8489.ts"

const decode = (datagram: Uint8Array): Stun.DecodedStun => Result.getOrThrow(Stun.decode(datagram))
const short = (password: string): IntegrityKey => Result.getOrThrow(shortTermKey(Redacted.make(password)))
const long = (
  credentials: { readonly username: string; readonly realm: string; readonly password: string },
  options: { readonly algorithm?: "MD5" | "SHA-256"; readonly profile?: "SASLprep" | "OpaqueString" } = {}
) => longTermKey({ ...credentials, ...options, password: Redacted.make(credentials.password) })

const keyFor = (realm: string, profile: "SASLprep" | "OpaqueString") =>
  long({ username: "u", realm, password: "p" }, { profile })

const vectorKey = short(Rfc5769.shortTermPassword)
const mappedAddress = (message: Stun.DecodedStun) =>
  Result.getOrThrow(Attribute.required(message, Attribute.xorMappedAddress))
const textOf = (message: Stun.DecodedStun, kind: Attribute.AttributeKind<string>) =>
  Result.getOrThrow(Attribute.required(message, kind))

/**
 * A vector of sections 2.1 to 2.3 with its space padding turned to the zeros that this codec writes, and with the HMAC
 * and the CRC that follow from it, computed without the codec: both attributes are at the end, 24 and 8 bytes long.
 */
const zeroPadded = (vector: Uint8Array): Uint8Array => {
  const copy = vector.slice()
  for (let offset = Stun.headerLength; offset < copy.length;) {
    const end = offset + 4 + ((copy[offset + 2] ?? 0) << 8) + (copy[offset + 3] ?? 0)
    const next = (end + 3) & ~3
    copy.fill(0, end, next)
    offset = next
  }
  const view = new DataView(copy.buffer)
  const length = view.getUint16(2)
  view.setUint16(2, length - 8)
  copy.set(createHmac("sha1", Rfc5769.shortTermPassword).update(copy.subarray(0, -32)).digest(), copy.length - 28)
  view.setUint16(2, length)
  view.setUint32(copy.length - 4, (crc32(copy.subarray(0, -8)) ^ 0x5354554e) >>> 0)
  return copy
}

const fingerprint = (value: Uint8Array) => ({ type: Stun.fingerprintType, value })

describe("the vectors of RFC 5769", () => {
  it("2.1: a request with short-term credentials", () => {
    const message = decode(Rfc5769.request)
    assert.deepStrictEqual([message.class, message.method], ["request", 1])
    assert.strictEqual(textOf(message, Attribute.software), "STUN test client")
    assert.strictEqual(textOf(message, Attribute.username), "evtj:h6vY")
    assert.deepStrictEqual(Stun.find(message, 0x0024), Uint8Array.of(0x6e, 0x00, 0x01, 0xff))
    assert.strictEqual(message.fingerprint, "valid")
    assert.strictEqual(verifyIntegrity(message, vectorKey), "valid")
    assert.strictEqual(verifyIntegrity(message, short("another")), "invalid")
  })

  it("2.2: a response over IPv4", () => {
    const message = decode(Rfc5769.responseIPv4)
    assert.deepStrictEqual([message.class, message.method], ["success", 1])
    assert.strictEqual(textOf(message, Attribute.software), "test vector")
    assert.deepStrictEqual(mappedAddress(message), { host: "192.0.2.1", port: 32853 })
    assert.strictEqual(message.fingerprint, "valid")
    assert.strictEqual(verifyIntegrity(message, vectorKey), "valid")
  })

  it("2.3: a response over IPv6", () => {
    const message = decode(Rfc5769.responseIPv6)
    assert.deepStrictEqual(mappedAddress(message), { host: "2001:db8:1234:5678:11:2233:4455:6677", port: 32853 })
    assert.strictEqual(message.fingerprint, "valid")
    assert.strictEqual(verifyIntegrity(message, vectorKey), "valid")
  })

  it("2.4: a request with long-term credentials that SASLprep changes", () => {
    const message = decode(Rfc5769.requestLongTerm)
    const key = Result.getOrThrow(long(Rfc5769.longTerm))
    assert.strictEqual(textOf(message, Attribute.username), Rfc5769.longTerm.username)
    assert.strictEqual(textOf(message, Attribute.realm), Rfc5769.longTerm.realm)
    assert.strictEqual(message.fingerprint, "absent")
    assert.strictEqual(verifyIntegrity(message, key), "valid")
    assert.strictEqual(
      verifyIntegrity(message, Result.getOrThrow(long({ ...Rfc5769.longTerm, password: "TheMatrix" }))),
      "invalid"
    )
  })

  it("2.4 is written byte for byte", () => {
    const { nonce, realm, username } = Rfc5769.longTerm
    const { transactionId } = decode(Rfc5769.requestLongTerm)
    const attributes = [
      Attribute.make(Attribute.username, username, transactionId),
      Attribute.make(Attribute.nonce, new TextEncoder().encode(nonce), transactionId),
      Attribute.make(Attribute.realm, realm, transactionId)
    ]
    const encoded = Stun.encode(
      { class: "request", method: 1, transactionId, attributes },
      { key: Result.getOrThrow(long(Rfc5769.longTerm)) }
    )
    assert.deepStrictEqual(encoded, Rfc5769.requestLongTerm)
  })

  it("2.1 to 2.3 are written byte for byte but for the padding and what is computed from it", () => {
    for (const vector of [Rfc5769.request, Rfc5769.responseIPv4, Rfc5769.responseIPv6]) {
      const { attributes, class: messageClass, method, transactionId } = decode(vector)
      const encoded = Stun.encode(
        { class: messageClass, method, transactionId, attributes },
        { key: vectorKey, fingerprint: true }
      )
      assert.deepStrictEqual(encoded, zeroPadded(vector))
    }
  })
})

describe("the vector of RFC 8489 appendix B.1", () => {
  const key = Result.getOrThrow(long(Rfc8489.credentials, { algorithm: "SHA-256", profile: "OpaqueString" }))

  it("verifies with MESSAGE-INTEGRITY-SHA256 and a SHA-256 key", () => {
    const message = decode(Rfc8489.request)
    assert.isUndefined(message.integrityOffset)
    assert.strictEqual(verifyIntegrity(message, key), "valid")
    assert.strictEqual(verifyIntegrity(message, Result.getOrThrow(long(Rfc8489.credentials))), "invalid")
  })

  it("is written byte for byte", () => {
    const encoded = Stun.encode(decode(Rfc8489.request), { key, hash: "SHA-256" })
    assert.deepStrictEqual(encoded, Rfc8489.request)
  })
})

describe("keys", () => {
  it("are not made of a password that cannot be prepared", () => {
    const bad = { username: "u", realm: "r", password: "a\u{7}" }
    assert.isTrue(Result.isFailure(long(bad)))
    assert.isTrue(Result.isFailure(long({ ...bad, password: "p", username: "\u{7}" })))
    assert.isTrue(Result.isFailure(shortTermKey(Redacted.make("\u{7}"))))
    // The soft hyphen of RFC 5769: SASLprep drops it, OpaqueString refuses it.
    assert.isTrue(Result.isFailure(long(Rfc5769.longTerm, { profile: "OpaqueString" })))
  })

  it("take the realm as it came, but prepare it for servers of RFC 8489", () => {
    const message = { class: "request", method: 1, transactionId: new Uint8Array(12), attributes: [] } as const
    const same = (left: ReturnType<typeof long>, right: ReturnType<typeof long>) =>
      verifyIntegrity(decode(Stun.encode(message, { key: Result.getOrThrow(left) })), Result.getOrThrow(right)) ===
      "valid"
    assert.isFalse(same(keyFor("e\u{301}", "SASLprep"), keyFor("\u{e9}", "SASLprep")))
    assert.isTrue(same(keyFor("e\u{301}", "OpaqueString"), keyFor("\u{e9}", "OpaqueString")))
    assert.isTrue(Result.isSuccess(keyFor("", "SASLprep")))
    assert.isTrue(Result.isFailure(keyFor("", "OpaqueString")))
  })

  it("do not show themselves when printed", () => {
    const key = Result.getOrThrow(long({ username: "u", realm: "r", password: "p" }))
    assert.notMatch(inspect(key, { depth: 5, showHidden: true }), /Buffer|Uint8Array|[\da-f]{16}/)
    assert.strictEqual(JSON.stringify(key), `{"secret":{}}`)
  })
})

describe("message integrity", () => {
  const id = new Uint8Array(12).fill(7)
  const key = short("k")
  const message: Stun.StunMessage = {
    class: "success",
    method: 4,
    transactionId: id,
    attributes: [{ type: 0x000d, value: Uint8Array.of(0, 0, 2, 88) }]
  }

  it("is absent when there is none", () => {
    assert.strictEqual(verifyIntegrity(decode(Stun.encode(message, { fingerprint: true })), key), "absent")
  })

  it("fails when any covered byte changes", () => {
    for (const hash of ["SHA-1", "SHA-256"] as const) {
      const datagram = Stun.encode(message, { key, hash })
      for (let offset = 0; offset < datagram.length; offset++) {
        const copy = datagram.slice()
        copy[offset] = (copy[offset] ?? 0) ^ 1
        const decoded = Stun.decode(copy)
        const state = Result.isSuccess(decoded) ? verifyIntegrity(decoded.success, key) : "refused"
        assert.notStrictEqual(state, "valid", `${hash}, byte ${offset}`)
      }
    }
  })

  it("must match in both kinds when both are there", () => {
    const sha1 = decode(Stun.encode(message, { key }))
    const value = sha1.bytes.subarray((sha1.integrityOffset ?? 0) + 4)
    const both = (first: Uint8Array, second: IntegrityKey) =>
      decode(
        Stun.encode(
          { ...message, attributes: [...message.attributes, { type: Stun.messageIntegrityType, value: first }] },
          { key: second, hash: "SHA-256", fingerprint: true }
        )
      )
    assert.strictEqual(verifyIntegrity(both(value, key), key), "valid")
    assert.strictEqual(verifyIntegrity(both(new Uint8Array(20), key), key), "invalid")
    assert.strictEqual(verifyIntegrity(both(value, short("other")), key), "invalid")
  })

  it("is refused in any other length than its hash has", () => {
    for (const type of [Stun.messageIntegrityType, Stun.messageIntegritySha256Type]) {
      for (const length of [0, 4, 16, 19, 21, 24, 31, 33]) {
        const attributes = [{ type, value: new Uint8Array(length) }]
        const error = Result.getOrThrow(Result.flip(Stun.decode(Stun.encode({ ...message, attributes }))))
        assert.deepStrictEqual([error.reason, error.attribute], ["attributeLength", type])
      }
    }
  })
})

describe("the fingerprint", () => {
  const message: Stun.StunMessage = {
    class: "request",
    method: 1,
    transactionId: new Uint8Array(12),
    attributes: []
  }

  it.prop(
    "is the CRC-32 of what precedes it, XORed with STUN",
    [bytes(0, 300)],
    ([input]) => {
      assert.strictEqual(fingerprintValue(input, input.length), (crc32(input) ^ 0x5354554e) >>> 0)
    },
    thorough
  )

  it("is invalid when it does not match or is not the last attribute", () => {
    const valid = Stun.encode(message, { fingerprint: true })
    assert.strictEqual(decode(valid).fingerprint, "valid")
    const value = valid.subarray(24)
    const misplaced = Stun.encode({
      ...message,
      attributes: [fingerprint(new Uint8Array(4)), { type: 0x8022, value: new Uint8Array(4) }]
    })
    // The CRC is right for the bytes before it: only its place is wrong.
    new DataView(misplaced.buffer).setUint32(24, fingerprintValue(misplaced, 20))
    assert.strictEqual(decode(misplaced).fingerprint, "invalid")
    const twice = Stun.encode({ ...message, attributes: [fingerprint(value)] }, { fingerprint: true })
    assert.strictEqual(decode(twice).fingerprint, "invalid")
    const wrong = Stun.encode({ ...message, attributes: [fingerprint(new Uint8Array(4))] })
    assert.strictEqual(decode(wrong).fingerprint, "invalid")
  })

  it("is refused in any other length than four bytes", () => {
    for (const length of [0, 3, 5, 8]) {
      const datagram = Stun.encode({ ...message, attributes: [fingerprint(new Uint8Array(length))] })
      assert.strictEqual(Result.getOrThrow(Result.flip(Stun.decode(datagram))).reason, "attributeLength")
    }
  })
})
