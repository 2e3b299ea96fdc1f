/**
 * STUN messages between bytes and plain data (RFC 8489 section 5). Integers are big-endian; attribute values are padded
 * with zeros to four bytes, which their length does not count. Decoded values are views into the datagram, which the
 * message keeps: copy what has to outlive it. Typed attribute values are in stunAttributes.ts, integrity and
 * fingerprint in stunIntegrity.ts.
 */
import { Result } from "effect"
import {
  fingerprintValue,
  type IntegrityHash,
  type IntegrityKey,
  integrityLength,
  integrityValue,
  type ProtectedBytes
} from "./stunIntegrity.ts"

/** The fixed second word of every message (RFC 8489 section 5). */
export const magicCookie = 0x2112a442
/** Bytes of the header: type, length, cookie, transaction id. */
export const headerLength = 20
/** Bytes of a transaction id. */
export const transactionIdLength = 12
/** Bounds what one hostile datagram costs; a CreatePermission for 100 peers has 105 attributes. */
export const attributesMax = 256
/** The message length is a 16-bit count of whole words. */
const bodyLengthMax = 0xfffc

/** The three attributes that decoding itself handles. */
export const messageIntegrityType = 0x0008
export const messageIntegritySha256Type = 0x001c
export const fingerprintType = 0x8028

/** What a message is in its transaction (RFC 8489 section 5). */
export type StunClass = "request" | "indication" | "success" | "error"
const classes = ["request", "indication", "success", "error"] as const

/** One attribute as it is on the wire (RFC 8489 section 14). */
export interface StunAttribute {
  readonly type: number
  /** Without padding. */
  readonly value: Uint8Array
}

/** A message as plain data. */
export interface StunMessage {
  readonly class: StunClass
  /** 12 bits; the numbers are in turn.ts. */
  readonly method: number
  /** 12 bytes. */
  readonly transactionId: Uint8Array
  /** Without MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 and FINGERPRINT. */
  readonly attributes: ReadonlyArray<StunAttribute>
}

/**
 * A message as it was received. Its attributes are those that a receiver may act on: whatever follows the message
 * integrity is not covered by it and left out (RFC 8489 section 14.5).
 */
export interface DecodedStun extends StunMessage, ProtectedBytes {
  readonly fingerprint: "absent" | "valid" | "invalid"
}

/** What is wrong with bytes that should be a message. */
export type StunDecodeReason =
  /** Shorter than a header. */
  | "tooShort"
  /** The first two bits are not zero, or the magic cookie is not there. */
  | "notStun"
  /** The length field is no multiple of four or differs from the datagram's length. */
  | "messageLength"
  | "tooManyAttributes"
  /** An attribute reaches over the end of the message. */
  | "attributeBounds"
  /** An attribute's value does not have the length that its type asks for. */
  | "attributeLength"
  /** An attribute's value is out of its range or not UTF-8. */
  | "attributeValue"
  /** An attribute that the message must have is not there. */
  | "attributeMissing"

/** Why bytes are not the message they should be. A plain value: hostile input is cheap to refuse. */
export interface StunDecodeError {
  readonly _tag: "StunDecodeError"
  readonly reason: StunDecodeReason
  /** Where in the datagram, or in the attribute's value. */
  readonly offset: number
  /** The attribute's type, where one is to blame. */
  readonly attribute: number | undefined
}

/** A failed decoding as a result. */
export const decodeFailure = (
  reason: StunDecodeReason,
  offset: number,
  attribute?: number
): Result.Result<never, StunDecodeError> => Result.fail({ _tag: "StunDecodeError", reason, offset, attribute })

/** The error as text for logs and `detail` fields. */
export const describeDecodeError = ({ attribute, offset, reason }: StunDecodeError): string =>
  attribute === undefined
    ? `${reason} at byte ${offset}`
    : `${reason} in attribute 0x${attribute.toString(16).padStart(4, "0")} at byte ${offset}`

const uint16 = (bytes: Uint8Array, offset: number): number => ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0)
const uint32 = (bytes: Uint8Array, offset: number): number =>
  ((uint16(bytes, offset) << 16) | uint16(bytes, offset + 2)) >>> 0
const setUint16 = (bytes: Uint8Array, offset: number, value: number): void => {
  bytes[offset] = value >>> 8
  bytes[offset + 1] = value & 0xff
}
const setUint32 = (bytes: Uint8Array, offset: number, value: number): void => {
  setUint16(bytes, offset, value >>> 16)
  setUint16(bytes, offset + 2, value & 0xffff)
}
const padded = (length: number): number => (length + 3) & ~3

const headerProblem = (bytes: Uint8Array): readonly [reason: StunDecodeReason, offset: number] | undefined => {
  if (bytes.length < headerLength) return ["tooShort", bytes.length]
  if (((bytes[0] ?? 0) & 0xc0) !== 0) return ["notStun", 0]
  if (uint32(bytes, 4) !== magicCookie) return ["notStun", 4]
  const length = uint16(bytes, 2)
  return length % 4 === 0 && headerLength + length === bytes.length ? undefined : ["messageLength", 2]
}

/** Whether a datagram has a STUN header that fits it: tells STUN from ChannelData and from other protocols. */
export const isStun = (datagram: Uint8Array): boolean => headerProblem(datagram) === undefined

/** A method's and class's bits are interleaved (RFC 8489 figure 3): M11..M7 C1 M6..M4 C0 M3..M0. */
const messageType = (message: StunMessage): number => {
  const classBits = classes.indexOf(message.class)
  const { method } = message
  return (
    ((method & 0xf80) << 2) | ((classBits & 2) << 7) | ((method & 0x70) << 1) | ((classBits & 1) << 4) | (method & 0xf)
  )
}
const methodOf = (type: number): number => ((type & 0x3e00) >> 2) | ((type & 0xe0) >> 1) | (type & 0xf)
const classOf = (type: number): StunClass => classes[((type >> 7) & 2) | ((type >> 4) & 1)] ?? "request"

const fingerprintOf = (bytes: Uint8Array, offset: number): "valid" | "invalid" =>
  // It must be the last attribute, so what follows it makes it invalid.
  offset + 8 === bytes.length && uint32(bytes, offset + 4) === fingerprintValue(bytes, offset) ? "valid" : "invalid"

/** Reads one whole message; the bytes are kept, not copied. Never throws, whatever the bytes are. */
export const decode = (bytes: Uint8Array): Result.Result<DecodedStun, StunDecodeError> => {
  const problem = headerProblem(bytes)
  if (problem !== undefined) return decodeFailure(problem[0], problem[1])
  const attributes: Array<StunAttribute> = []
  let integrityOffset: number | undefined
  let integritySha256Offset: number | undefined
  let fingerprint: DecodedStun["fingerprint"] = "absent"
  let count = 0
  // The message length is a multiple of four, so that an attribute's header always fits.
  for (let offset = headerLength; offset < bytes.length;) {
    count++
    if (count > attributesMax) return decodeFailure("tooManyAttributes", offset)
    const type = uint16(bytes, offset)
    const length = uint16(bytes, offset + 2)
    const next = offset + 4 + padded(length)
    if (next > bytes.length) return decodeFailure("attributeBounds", offset, type)
    if (type === fingerprintType) {
      if (length !== 4) return decodeFailure("attributeLength", offset, type)
      fingerprint = fingerprint === "absent" ? fingerprintOf(bytes, offset) : "invalid"
    } else if (integritySha256Offset !== undefined) {
      // Not covered by the integrity: ignored.
    } else if (type === messageIntegritySha256Type) {
      // Truncated values are for usages that ask for them (RFC 8489 section 14.6); ours do not.
      if (length !== integrityLength["SHA-256"]) return decodeFailure("attributeLength", offset, type)
      integritySha256Offset = offset
    } else if (integrityOffset !== undefined) {
      // Likewise.
    } else if (type === messageIntegrityType) {
      if (length !== integrityLength["SHA-1"]) return decodeFailure("attributeLength", offset, type)
      integrityOffset = offset
    } else {
      attributes.push({ type, value: bytes.subarray(offset + 4, offset + 4 + length) })
    }
    offset = next
  }
  const type = uint16(bytes, 0)
  return Result.succeed({
    class: classOf(type),
    method: methodOf(type),
    transactionId: bytes.subarray(8, headerLength),
    attributes,
    bytes,
    integrityOffset,
    integritySha256Offset,
    fingerprint
  })
}

/** What is appended to a message. */
export interface EncodeOptions {
  /** Appends message integrity with this key. */
  readonly key?: IntegrityKey | undefined
  /** Which integrity; SHA-1 unless said, since that is what servers of RFC 5389 know. */
  readonly hash?: IntegrityHash
  readonly fingerprint?: boolean
}

const writeAttribute = (bytes: Uint8Array, offset: number, type: number, value: Uint8Array): number => {
  setUint16(bytes, offset, type)
  setUint16(bytes, offset + 2, value.length)
  bytes.set(value, offset + 4)
  return offset + 4 + padded(value.length)
}

/** Writes a message, then integrity and fingerprint where asked. Throws a RangeError for what no message can hold. */
export const encode = (message: StunMessage, options: EncodeOptions = {}): Uint8Array => {
  const { fingerprint = false, hash = "SHA-1", key } = options
  let length = (key === undefined ? 0 : 4 + integrityLength[hash]) + (fingerprint ? 8 : 0)
  for (const { value } of message.attributes) length += 4 + padded(value.length)
  if (length > bodyLengthMax) throw new RangeError(`a STUN message of ${length} bytes`)
  if (message.method < 0 || message.method > 0xfff) throw new RangeError(`${message.method} is no STUN method`)
  if (message.transactionId.length !== transactionIdLength) throw new RangeError("a transaction id has 12 bytes")
  const bytes = new Uint8Array(headerLength + length)
  setUint16(bytes, 0, messageType(message))
  setUint32(bytes, 4, magicCookie)
  bytes.set(message.transactionId, 8)
  let offset = headerLength
  for (const { type, value } of message.attributes) offset = writeAttribute(bytes, offset, type, value)
  if (key !== undefined) {
    // The HMAC covers a length that ends with this attribute, whatever follows it (RFC 8489 section 14.5).
    setUint16(bytes, 2, offset + 4 + integrityLength[hash] - headerLength)
    const type = hash === "SHA-1" ? messageIntegrityType : messageIntegritySha256Type
    const header = bytes.subarray(0, headerLength)
    const value = integrityValue(key, hash, header, bytes.subarray(headerLength, offset))
    offset = writeAttribute(bytes, offset, type, value)
  }
  setUint16(bytes, 2, length)
  if (fingerprint) {
    setUint16(bytes, offset, fingerprintType)
    setUint16(bytes, offset + 2, 4)
    setUint32(bytes, offset + 4, fingerprintValue(bytes, offset))
  }
  return bytes
}

/** The value of the first attribute of a type: later ones of the same type are ignored (RFC 8489 section 14). */
export const find = (message: StunMessage, type: number): Uint8Array | undefined => {
  for (const attribute of message.attributes) if (attribute.type === type) return attribute.value
  return undefined
}

/** The values of all attributes of a type, for the few that may be repeated (XOR-PEER-ADDRESS in CreatePermission). */
export const findAll = (message: StunMessage, type: number): ReadonlyArray<Uint8Array> =>
  message.attributes.filter((attribute) => attribute.type === type).map(({ value }) => value)
