/**
 * Ed25519 (RFC 8032) with one set of acceptance rules, so that every node on every platform says the same about every
 * signature. OpenSSL does the arithmetic; what libraries disagree about is decided here before it is asked:
 *
 * - keys and R are canonical (y < p) and not of small order, and a key is a point of the curve;
 * - S < L (RFC 8032 section 5.1.7);
 * - the equation is checked without the cofactor, [S]B = R + [k]A, by comparing the bytes of R. A verifier that
 *   multiplies by 8 first accepts a few signatures that this one refuses; never mix the two (docs/identity.md).
 *
 * These are the rules that other implementations call "strict". Mixed-order keys are keys.
 */
import {
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign as signBytes,
  verify as verifyBytes
} from "node:crypto"
import * as Result from "effect/Result"

/** Lengths in bytes (RFC 8032 section 5.1). */
export const publicKeyLength = 32
export const seedLength = 32
export const signatureLength = 64

/** What a signature, or a seal, can be for. A new purpose is a new entry; an entry is never reused for another one. */
export const domainTags = [
  "icn-node/identity-proof/v1",
  "icn-node/connection-candidate/v1",
  "icn-node/gossip/v1",
  "icn-node/node-profile/v1",
  "icn-node/link-offer/v1",
  "icn-node/ledger-entry/v1",
  "icn-node/ledger-checkpoint/v1",
  "icn-node/coop-roster/v1"
] as const
export type DomainTag = (typeof domainTags)[number]

/** Why bytes are not a public key. */
export type PublicKeyProblem = "wrongLength" | "nonCanonical" | "smallOrder" | "notOnCurve"

const fieldPrime = 2n ** 255n - 19n
const groupOrder = 2n ** 252n + 27742317777372353535851937790883648493n
/** d of the curve -x² + y² = 1 + d x² y². */
const curveD = 37095705934669439343138083508754565189542113879843219016388785533085940283555n
/** y of the eight points whose order divides 8 (each y serves both signs of x). */
const smallOrderYs: ReadonlySet<bigint> = new Set([
  0n,
  1n,
  fieldPrime - 1n,
  0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
  0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n
])

const littleEndian = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes.toReversed()).toString("hex")}`)

/** Whether x² = (y² - 1) / (d y² + 1) has a solution (RFC 8032 section 5.1.3). */
const isOnCurve = (y: bigint): boolean => {
  const numerator = y * y - 1n
  const denominator = curveD * y * y + 1n
  // A quotient is a square exactly when the product is; a is one exactly when a^((p-1)/2) = a^(2^254 - 10) is 1.
  const a = (((numerator * denominator) % fieldPrime) + fieldPrime) % fieldPrime
  let power = a
  for (let squarings = 0; squarings < 254; squarings++) power = (power * power) % fieldPrime
  return power === a ** 10n % fieldPrime
}

const encodingProblem = (point: Uint8Array): PublicKeyProblem | undefined => {
  // The highest bit is the sign of x and says nothing about y.
  const y = BigInt.asUintN(255, littleEndian(point))
  if (y >= fieldPrime) return "nonCanonical"
  return smallOrderYs.has(y) ? "smallOrder" : undefined
}

/** Why these bytes are not a public key, or `undefined` when they are. Costs about as much as verifying a signature. */
export const publicKeyProblem = (bytes: Uint8Array): PublicKeyProblem | undefined => {
  if (bytes.length !== publicKeyLength) return "wrongLength"
  return encodingProblem(bytes) ?? (isOnCurve(BigInt.asUintN(255, littleEndian(bytes))) ? undefined : "notOnCurve")
}

// SubjectPublicKeyInfo and PKCS #8 of RFC 8410 up to the 32 bytes of the key.
const publicKeyHeader = Buffer.from("302a300506032b6570032100", "hex")
const privateKeyHeader = Buffer.from("302e020100300506032b657004220420", "hex")

/** A public key that passed every check, in the form in which signatures are verified. Worth caching. */
export class VerificationKey {
  readonly #key: KeyObject

  private constructor(key: KeyObject) {
    this.#key = key
  }

  /** Checks and prepares 32 bytes. */
  static fromBytes(bytes: Uint8Array): Result.Result<VerificationKey, PublicKeyProblem> {
    const problem = publicKeyProblem(bytes)
    if (problem !== undefined) return Result.fail(problem)
    const key = createPublicKey({ key: Buffer.concat([publicKeyHeader, bytes]), format: "der", type: "spki" })
    return Result.succeed(new VerificationKey(key))
  }

  /** Whether `signature` over exactly these bytes is this key's, by the rules at the top. Never throws. */
  verify(bytes: Uint8Array, signature: Uint8Array): boolean {
    if (signature.length !== signatureLength) return false
    if (encodingProblem(signature.subarray(0, 32)) !== undefined) return false
    if (littleEndian(signature.subarray(32)) >= groupOrder) return false
    return verifyBytes(null, bytes, this.#key, signature)
  }
}

/** The private half of a key pair; it signs and says its public key, and nothing gets the secret out of it again. */
export class SigningKey {
  readonly #key: KeyObject
  readonly publicKey: Uint8Array

  private constructor(key: KeyObject, publicKey: Uint8Array) {
    this.#key = key
    this.publicKey = publicKey
  }

  /** The key pair of a 32-byte seed (the private key of RFC 8032), which is copied; wiping it is the caller's part. */
  static fromSeed(seed: Uint8Array): SigningKey {
    if (seed.length !== seedLength) throw new RangeError(`an Ed25519 seed has ${seedLength} bytes, not ${seed.length}`)
    const der = Buffer.concat([privateKeyHeader, seed])
    const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" })
    der.fill(0)
    const spki = createPublicKey(key).export({ format: "der", type: "spki" })
    return new SigningKey(key, Uint8Array.from(spki.subarray(publicKeyHeader.length)))
  }

  /** The 64-byte signature over exactly these bytes. */
  sign(bytes: Uint8Array): Uint8Array {
    return new Uint8Array(signBytes(null, bytes, this.#key))
  }
}

const framePrefix = Buffer.from("icn-node signature v1", "ascii")

/**
 * What is really signed for a message with a purpose: prefix, length of the tag (1 byte), tag, message. The length
 * makes the frame unambiguous; the prefix keeps it apart from what other software may sign with the same key.
 */
export const frame = (tag: DomainTag, message: Uint8Array): Uint8Array => Buffer.concat([headOf(tag), message])

const heads = new Map<DomainTag, Uint8Array>()

const headOf = (tag: DomainTag): Uint8Array => {
  const known = heads.get(tag)
  if (known !== undefined) return known
  const tagBytes = Buffer.from(tag, "ascii")
  const head = Buffer.concat([framePrefix, Uint8Array.of(tagBytes.length), tagBytes])
  heads.set(tag, head)
  return head
}
