/**
 * What protects a whole STUN message: MESSAGE-INTEGRITY (HMAC-SHA1) and MESSAGE-INTEGRITY-SHA256 with short-term and
 * long-term keys (RFC 8489 sections 9, 14.5, 14.6), and the CRC-32 of FINGERPRINT (section 14.7). Knows where the
 * attributes are, not what the others mean; the layout of messages is in stun.ts.
 */
import { createHash, createHmac, createSecretKey, type KeyObject, timingSafeEqual } from "node:crypto"
import { Redacted, Result } from "effect"
import { opaqueString } from "./opaqueString.ts"
import { type PreparationError, saslprep } from "./saslprep.ts"

/**
 * How credentials become bytes: SASLprep for servers of RFC 5389, OpaqueString for those of RFC 8489, and verbatim for
 * those that prepare nothing.
 */
export type PreparationProfile = PreparationError["profile"] | "Verbatim"

/** The form in which a user name, realm or password goes into a key. */
export const prepare = (profile: PreparationProfile, text: string): Result.Result<string, PreparationError> => {
  switch (profile) {
    case "SASLprep":
      return saslprep(text)
    case "OpaqueString":
      return opaqueString(text)
    case "Verbatim":
      return Result.succeed(text)
  }
}

/** The hash of MESSAGE-INTEGRITY and of MESSAGE-INTEGRITY-SHA256. */
export type IntegrityHash = "SHA-1" | "SHA-256"

/** The layout of stun.ts, which imports this module: a message's header, and an attribute's type and length. */
const messageHeaderLength = 20
const attributeHeaderLength = 4
/** FINGERPRINT is the CRC-32 XORed with "STUN" in ASCII (RFC 8489 section 14.7). */
const fingerprintMask = 0x5354554e

/** A key for message integrity. The bytes sit in a KeyObject, which prints nothing of them. */
export interface IntegrityKey {
  readonly secret: KeyObject
}

/** A decoded message as far as its integrity goes: its bytes, and where the attributes that protect it begin. */
export interface ProtectedBytes {
  readonly bytes: Uint8Array
  readonly integrityOffset: number | undefined
  readonly integritySha256Offset: number | undefined
}

/** The long-term credentials that a key is made of (RFC 8489 section 9.2.2). */
export interface LongTermCredentials {
  readonly username: string
  readonly realm: string
  readonly password: Redacted.Redacted
  /** MD5 unless the server and the client agreed on SHA-256 (RFC 8489 section 18.5). */
  readonly algorithm?: "MD5" | "SHA-256"
  /** SASLprep unless said. */
  readonly profile?: PreparationProfile
}

const keyOf = (bytes: Uint8Array): IntegrityKey => ({ secret: createSecretKey(bytes) })

/** The key of long-term credentials: the digest of the prepared `username:realm:password`. */
export const longTermKey = ({
  algorithm = "MD5",
  password,
  profile = "SASLprep",
  realm,
  username
}: LongTermCredentials): Result.Result<IntegrityKey, PreparationError> =>
  Result.gen(function* () {
    const user = yield* prepare(profile, username)
    // RFC 5389 section 15.4 takes the realm as the server sent it.
    const group = profile === "OpaqueString" ? yield* prepare(profile, realm) : realm
    const secret = yield* prepare(profile, Redacted.value(password))
    const digest = createHash(algorithm === "MD5" ? "md5" : "sha256").update(`${user}:${group}:${secret}`, "utf8")
    return keyOf(digest.digest())
  })

/** The key of a short-term password (RFC 8489 section 9.1.1): its prepared bytes. */
export const shortTermKey = (
  password: Redacted.Redacted,
  profile: PreparationProfile = "SASLprep"
): Result.Result<IntegrityKey, PreparationError> =>
  Result.map(prepare(profile, Redacted.value(password)), (secret) => keyOf(new TextEncoder().encode(secret)))

/** The length of each hash's attribute value in bytes. */
export const integrityLength = { "SHA-1": 20, "SHA-256": 32 } as const

/** The HMAC of a message up to its integrity attribute; `header` already holds the length that covers the attribute. */
export const integrityValue = (
  key: IntegrityKey,
  hash: IntegrityHash,
  header: Uint8Array,
  attributes: Uint8Array
): Uint8Array =>
  createHmac(hash === "SHA-1" ? "sha1" : "sha256", key.secret)
    .update(header)
    .update(attributes)
    .digest()

const matches = (bytes: Uint8Array, offset: number, hash: IntegrityHash, key: IntegrityKey): boolean => {
  const valueOffset = offset + attributeHeaderLength
  const end = valueOffset + integrityLength[hash]
  // The sender computed the HMAC with a length that ends at this attribute; what follows it was added later.
  const header = bytes.slice(0, messageHeaderLength)
  const covered = end - messageHeaderLength
  header[2] = covered >>> 8
  header[3] = covered & 0xff
  const computed = integrityValue(key, hash, header, bytes.subarray(messageHeaderLength, offset))
  // Decoding has checked that the value is as long as the hash.
  return timingSafeEqual(computed, bytes.subarray(valueOffset, end))
}

/** Whether a message carries valid integrity; with both kinds present, both must match. */
export const verifyIntegrity = (message: ProtectedBytes, key: IntegrityKey): "valid" | "invalid" | "absent" => {
  const { bytes, integrityOffset, integritySha256Offset } = message
  if (integrityOffset === undefined && integritySha256Offset === undefined) return "absent"
  const sha1 = integrityOffset === undefined || matches(bytes, integrityOffset, "SHA-1", key)
  const sha256 = integritySha256Offset === undefined || matches(bytes, integritySha256Offset, "SHA-256", key)
  return sha1 && sha256 ? "valid" : "invalid"
}

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  return crc
})

/** The FINGERPRINT value of a message whose first `end` bytes precede the attribute. */
export const fingerprintValue = (bytes: Uint8Array, end: number): number => {
  let crc = 0xffffffff
  for (let index = 0; index < end; index++) crc = (crcTable[(crc ^ (bytes[index] ?? 0)) & 0xff] ?? 0) ^ (crc >>> 8)
  return (crc ^ 0xffffffff ^ fingerprintMask) >>> 0
}
