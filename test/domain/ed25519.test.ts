import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { domainTags, frame, publicKeyProblem, SigningKey, VerificationKey } from "../../src/domain/ed25519.ts"
import { bytes, thorough } from "../fixtures/arbitraries.ts"
import { encodings, littleEndian, smallOrderPoints } from "../fixtures/ed25519Curve.ts"
import { rfc8032Vectors, speccheckVectors } from "../fixtures/ed25519Vectors.ts"

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"))
const toHex = (value: Uint8Array): string => Buffer.from(value).toString("hex")
const groupOrder = 2n ** 252n + 27742317777372353535851937790883648493n

/** The whole decision about a signature: the checks of the key, then those of the signature. */
const accepts = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean =>
  VerificationKey.fromBytes(publicKey).pipe(
    Result.map((key) => key.verify(message, signature)),
    Result.getOrElse(() => false)
  )

const pair = (fill: number) => {
  const key = SigningKey.fromSeed(new Uint8Array(32).fill(fill))
  return { key, verification: Result.getOrThrow(VerificationKey.fromBytes(key.publicKey)) }
}

describe("published vectors", () => {
  it.each(rfc8032Vectors)("signs and verifies RFC 8032 $name", ({ message, publicKey, seed, signature }) => {
    const key = SigningKey.fromSeed(hex(seed))
    assert.strictEqual(toHex(key.publicKey), publicKey)
    assert.strictEqual(toHex(key.sign(hex(message))), signature)
    assert.isTrue(accepts(hex(publicKey), hex(message), hex(signature)))
    assert.isFalse(accepts(hex(publicKey), Buffer.concat([hex(message), Uint8Array.of(0)]), hex(signature)))
  })

  it.each(speccheckVectors)(
    "decides as documented on edge case $name",
    ({ accepted, message, publicKey, signature }) => {
      assert.strictEqual(accepts(hex(publicKey), hex(message), hex(signature)), accepted)
    }
  )
})

describe("public keys", () => {
  it("refuses every encoding of the eight points of small order", () => {
    const points = smallOrderPoints()
    assert.strictEqual(points.length, 8)
    const all = points.flatMap(encodings)
    assert.strictEqual(new Set(all.map(toHex)).size, 14)
    const problems = all.map(publicKeyProblem)
    assert.strictEqual(problems.filter((problem) => problem === "smallOrder").length, 10)
    assert.strictEqual(problems.filter((problem) => problem === "nonCanonical").length, 4)
  })

  it("refuses every y that is not below the prime", () => {
    const prime = 2n ** 255n - 19n
    for (let y = prime; y < 2n ** 255n; y++) {
      assert.strictEqual(publicKeyProblem(littleEndian(y)), "nonCanonical")
      assert.strictEqual(publicKeyProblem(littleEndian(y + 2n ** 255n)), "nonCanonical")
    }
  })

  it("refuses a y at which the curve has no point", () => {
    assert.strictEqual(publicKeyProblem(littleEndian(2n)), "notOnCurve")
  })

  it("refuses any other length", () => {
    for (const length of [0, 31, 33, 64])
      assert.strictEqual(publicKeyProblem(new Uint8Array(length).fill(5)), "wrongLength")
  })

  it.prop(
    "accepts the public key of every seed",
    [bytes(32, 32)],
    ([seed]) => assert.isUndefined(publicKeyProblem(SigningKey.fromSeed(seed).publicKey)),
    { arbitrary: { runs: 200 } }
  )
})

describe("signatures", () => {
  const message = Buffer.from("message")

  it("refuses S + L, which satisfies the same equation", () => {
    const { key, verification } = pair(1)
    const signature = key.sign(message)
    const s = BigInt(`0x${toHex(signature.slice(32).toReversed())}`)
    const malleated = Uint8Array.from([...signature.subarray(0, 32), ...littleEndian(s + groupOrder)])
    assert.isTrue(verification.verify(message, signature))
    assert.isFalse(verification.verify(message, malleated))
  })

  it("refuses a signature that is cut short or continued", () => {
    const { key, verification } = pair(1)
    const signature = key.sign(message)
    for (const length of [0, 32, 63]) assert.isFalse(verification.verify(message, signature.subarray(0, length)))
    assert.isFalse(verification.verify(message, Uint8Array.from([...signature, 0])))
  })

  it("refuses a signature with any one bit changed", () => {
    const { key, verification } = pair(2)
    const signature = key.sign(message)
    for (let bit = 0; bit < 512; bit++) {
      const changed = Uint8Array.from(signature)
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      assert.isFalse(verification.verify(message, changed), `bit ${bit}`)
    }
  })

  it.prop(
    "answers any bytes at all without throwing",
    [bytes(0, 100), bytes(0, 100), bytes(0, 100)],
    ([publicKey, message, signature]) => assert.isFalse(accepts(publicKey, message, signature)),
    thorough
  )

  it("is not made with a seed of the wrong length", () => {
    assert.throws(() => SigningKey.fromSeed(new Uint8Array(31)), RangeError)
  })
})

describe("frames", () => {
  const tag = domainTags[0]

  it("has the documented bytes", () => {
    const bytes = Buffer.from(frame(tag, Uint8Array.of(1, 2, 3)))
    assert.strictEqual(bytes.toString("latin1"), `icn-node signature v1\u{1a}${tag}\u0001\u0002\u0003`)
  })

  it("keeps every tag short enough for its length byte, and printable ASCII", () => {
    for (const one of domainTags) assert.match(one, /^[\u0021-\u007e]{1,255}$/)
    assert.strictEqual(new Set(domainTags).size, domainTags.length)
  })

  it("is never what a bare signature of the message covers", () => {
    const { key, verification } = pair(3)
    const message = Buffer.from("message")
    assert.isFalse(verification.verify(frame(tag, message), key.sign(message)))
    assert.isFalse(verification.verify(message, key.sign(frame(tag, message))))
  })
})
