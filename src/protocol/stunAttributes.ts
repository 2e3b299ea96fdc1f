/**
 * Typed values of STUN and TURN attributes (RFC 8489 section 14, RFC 8656 section 18): one `AttributeKind` each, with
 * its number, lengths, encoder and decoder. Only those that a relay client, connectivity checks (RFC 8445 section 16.1)
 * and the discovery of NATs (RFC 5780 section 7) use, or a server to test them with. Encoders throw a RangeError for
 * what the attribute cannot hold, a mistake of the caller; decoders never throw.
 */
import { Result } from "effect"
import { formatBytes, parseIPv4, parseIPv6 } from "../domain/ipAddress.ts"
import type { TransportAddress } from "../domain/transportAddress.ts"
import { channelMax, channelMin } from "./channelData.ts"
import {
  decodeFailure,
  find,
  findAll,
  fingerprintType,
  magicCookie,
  messageIntegritySha256Type,
  messageIntegrityType,
  type StunAttribute,
  type StunDecodeError,
  type StunMessage
} from "./stun.ts"

/** How one attribute's value is written and read; the transaction id takes part in XORed IPv6 addresses. */
export interface AttributeKind<A extends {}> {
  readonly type: number
  /** Bounds of the value's length in bytes, without padding. */
  readonly length: readonly [min: number, max: number]
  readonly encode: (value: A, transactionId: Uint8Array) => Uint8Array
  /** `undefined` when the value is out of its range; the length has been checked. */
  readonly decode: (value: Uint8Array, transactionId: Uint8Array) => A | undefined
}

/** An attribute of this kind for a message with this transaction id. */
export const make = <A extends {}>(kind: AttributeKind<A>, value: A, transactionId: Uint8Array): StunAttribute => {
  const bytes = kind.encode(value, transactionId)
  const [min, max] = kind.length
  if (bytes.length < min || bytes.length > max) {
    throw new RangeError(`attribute 0x${kind.type.toString(16)} cannot hold ${bytes.length} bytes`)
  }
  return { type: kind.type, value: bytes }
}

const read = <A extends {}>(
  kind: AttributeKind<A>,
  bytes: Uint8Array,
  transactionId: Uint8Array
): Result.Result<A, StunDecodeError> => {
  const [min, max] = kind.length
  if (bytes.length < min || bytes.length > max) return decodeFailure("attributeLength", 0, kind.type)
  const value = kind.decode(bytes, transactionId)
  return value === undefined ? decodeFailure("attributeValue", 0, kind.type) : Result.succeed(value)
}

/** The message's first attribute of a kind, or `undefined` when it has none. */
export const optional = <A extends {}>(
  message: StunMessage,
  kind: AttributeKind<A>
): Result.Result<A | undefined, StunDecodeError> => {
  const bytes = find(message, kind.type)
  return bytes === undefined ? Result.succeed(undefined) : read(kind, bytes, message.transactionId)
}

/** The message's first attribute of a kind, which it must have. */
export const required = <A extends {}>(
  message: StunMessage,
  kind: AttributeKind<A>
): Result.Result<A, StunDecodeError> => {
  const bytes = find(message, kind.type)
  return bytes === undefined
    ? decodeFailure("attributeMissing", 0, kind.type)
    : read(kind, bytes, message.transactionId)
}

/** All attributes of a kind that may be repeated, such as XOR-PEER-ADDRESS in CreatePermission. */
export const repeated = <A extends {}>(
  message: StunMessage,
  kind: AttributeKind<A>
): Result.Result<ReadonlyArray<A>, StunDecodeError> =>
  Result.all(findAll(message, kind.type).map((bytes) => read(kind, bytes, message.transactionId)))

const bigEndian = (length: number, write: (view: DataView) => void): Uint8Array => {
  const bytes = new Uint8Array(length)
  write(new DataView(bytes.buffer))
  return bytes
}
const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

const uint32 = (type: number): AttributeKind<number> => ({
  type,
  length: [4, 4],
  encode: (value) => {
    if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) throw new RangeError(`${value} is no 32-bit count`)
    return bigEndian(4, (out) => out.setUint32(0, value))
  },
  decode: (bytes) => view(bytes).getUint32(0)
})

const uint64 = (type: number): AttributeKind<bigint> => ({
  type,
  length: [8, 8],
  encode: (value) => {
    if (BigInt.asUintN(64, value) !== value) throw new RangeError(`${value} is no 64-bit count`)
    return bigEndian(8, (out) => out.setBigUint64(0, value))
  },
  decode: (bytes) => view(bytes).getBigUint64(0)
})

/** An attribute whose presence says everything. */
const flag = (type: number): AttributeKind<true> => ({
  type,
  length: [0, 0],
  encode: () => new Uint8Array(0),
  decode: () => true
})

const opaque = (type: number, min: number, max: number): AttributeKind<Uint8Array> => ({
  type,
  length: [min, max],
  encode: (value) => value,
  decode: (bytes) => bytes
})

// `ignoreBOM` keeps a leading U+FEFF, so that text goes back to the server byte for byte.
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
const utf8 = new TextEncoder()

const decodeUtf8 = (bytes: Uint8Array): string | undefined => {
  try {
    return strictUtf8.decode(bytes)
  } catch {
    // The one way in which the platform says "not UTF-8".
    return undefined
  }
}

const text = (type: number, max: number): AttributeKind<string> => ({
  type,
  length: [0, max],
  encode: (value) => utf8.encode(value),
  decode: decodeUtf8
})

const familyIPv4 = 1
const familyIPv6 = 2
const cookieBytes = bigEndian(4, (out) => out.setUint32(0, magicCookie))

/** XORs port and address in place with the cookie and the transaction id (RFC 8489 section 14.2); its own inverse. */
const xorAddress = (value: Uint8Array, transactionId: Uint8Array): Uint8Array => {
  for (let index = 2; index < value.length; index++) {
    // The port is XORed with the cookie's first half, the address with the cookie and then the transaction id.
    const position = index < 4 ? index - 2 : index - 4
    const mask = position < 4 ? cookieBytes[position] : transactionId[position - 4]
    value[index] = (value[index] ?? 0) ^ (mask ?? 0)
  }
  return value
}

const encodeAddress = ({ host, port }: TransportAddress): Uint8Array => {
  const address = parseIPv4(host) ?? parseIPv6(host)
  if (address === undefined) throw new RangeError(`"${host}" is no IP literal`)
  if (!Number.isInteger(port) || port < 0 || port > 0xffff) throw new RangeError(`${port} is no port`)
  const value = new Uint8Array(4 + address.length)
  value[1] = address.length === 4 ? familyIPv4 : familyIPv6
  value[2] = port >>> 8
  value[3] = port & 0xff
  value.set(address, 4)
  return value
}

const decodeAddress = (value: Uint8Array): TransportAddress | undefined => {
  const family = value[1]
  // The first byte is reserved and ignored.
  if (value.length !== (family === familyIPv4 ? 8 : family === familyIPv6 ? 20 : -1)) return undefined
  return { host: formatBytes(value.subarray(4)), port: ((value[2] ?? 0) << 8) | (value[3] ?? 0) }
}

const plainAddress = (type: number): AttributeKind<TransportAddress> => ({
  type,
  length: [8, 20],
  encode: encodeAddress,
  decode: decodeAddress
})

const xoredAddress = (type: number): AttributeKind<TransportAddress> => ({
  type,
  length: [8, 20],
  encode: (value, transactionId) => xorAddress(encodeAddress(value), transactionId),
  // A copy: the datagram stays as it was, since its integrity may be verified later.
  decode: (bytes, transactionId) => decodeAddress(xorAddress(bytes.slice(), transactionId))
})

/** RFC 8489 section 14.1; only servers of RFC 3489 send it instead of the XORed form. */
export const mappedAddress = plainAddress(0x0001)
/** RFC 8489 section 14.3: fewer than 509 bytes. */
export const usernameLengthMax = 508
/** RFC 8489 section 14.3: the prepared user name. */
export const username = text(0x0006, usernameLengthMax)
/** RFC 8656 section 18.2: the seconds that an allocation lives. */
export const lifetime = uint32(0x000d)
/** RFC 8656 section 18.3: the peer as the server sees it. */
export const xorPeerAddress = xoredAddress(0x0012)
/** RFC 8656 section 18.4: the relayed datagram. */
export const data = opaque(0x0013, 0, 0xffff)
/** RFC 8489 section 14.9; 763 bytes hold the 127 characters that are allowed. */
export const realm = text(0x0014, 763)
/** RFC 8489 section 14.10: goes back to the server as it came, so its bytes are not taken for text. */
export const nonce = opaque(0x0015, 0, 763)
/** RFC 8656 section 18.5: where peers reach the client. */
export const xorRelayedAddress = xoredAddress(0x0016)
/** RFC 8489 section 14.2: the client as the server sees it. */
export const xorMappedAddress = xoredAddress(0x0020)
/** RFC 8489 section 14.14: what kind of program the sender is. */
export const software = text(0x8022, 763)
/** RFC 8489 section 14.15: whom to ask instead, with 300. */
export const alternateServer = plainAddress(0x8023)

/** RFC 8445 section 16.1: the priority that a candidate found by this check would have. */
export const priority = uint32(0x0024)
/** RFC 8445 section 16.1: the checked pair is the one to use. */
export const useCandidate = flag(0x0025)
/** RFC 8445 section 16.1: the sender follows; its number for a conflict of roles. */
export const iceControlled = uint64(0x8029)
/** RFC 8445 section 16.1: the sender leads; its number for a conflict of roles. */
export const iceControlling = uint64(0x802a)
/** RFC 5780 section 7.3: where the response was sent from. */
export const responseOrigin = plainAddress(0x802b)
/** RFC 5780 section 7.4: the server's other address, with another port, where it has one. */
export const otherAddress = plainAddress(0x802c)

/** From where a response is asked for: the server's other IP address, its other port, or both. */
export interface ChangeRequest {
  readonly ip: boolean
  readonly port: boolean
}

/** RFC 5780 section 7.2: asks a server with two addresses to answer from elsewhere. */
export const changeRequest: AttributeKind<ChangeRequest> = {
  type: 0x0003,
  length: [4, 4],
  encode: ({ ip, port }) => Uint8Array.of(0, 0, 0, (ip ? 4 : 0) | (port ? 2 : 0)),
  decode: (bytes) => ({ ip: ((bytes[3] ?? 0) & 4) !== 0, port: ((bytes[3] ?? 0) & 2) !== 0 })
}

/** RFC 8656 section 18.1: the channel of ChannelBind. */
export const channelNumber: AttributeKind<number> = {
  type: 0x000c,
  length: [4, 4],
  encode: (channel) => {
    if (channel < channelMin || channel > channelMax) throw new RangeError(`0x${channel.toString(16)} is no channel`)
    return bigEndian(4, (out) => out.setUint16(0, channel))
  },
  decode: (bytes) => {
    const channel = view(bytes).getUint16(0)
    return channel < channelMin || channel > channelMax ? undefined : channel
  }
}

/** RFC 8656 section 18.8: the IP protocol between relay and peer; 17 is UDP. */
export const requestedTransport: AttributeKind<number> = {
  type: 0x0019,
  length: [4, 4],
  encode: (protocol) => {
    if (!Number.isInteger(protocol) || protocol < 0 || protocol > 0xff)
      throw new RangeError(`${protocol} is no protocol`)
    return Uint8Array.of(protocol, 0, 0, 0)
  },
  decode: (bytes) => bytes[0]
}

/** RFC 8656 section 18.6: the address family of the relayed address. */
export const requestedAddressFamily: AttributeKind<4 | 6> = {
  type: 0x0017,
  length: [4, 4],
  encode: (family) => Uint8Array.of(family === 4 ? familyIPv4 : familyIPv6, 0, 0, 0),
  decode: ([family]) => (family === familyIPv4 ? 4 : family === familyIPv6 ? 6 : undefined)
}

/** Text of a server for people: what could steer a terminal or break a line of a log is replaced. */
export const printable = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "\u{fffd}")

/** What an error response says (RFC 8489 section 14.8). */
export interface ErrorCode {
  /** 300..699. */
  readonly code: number
  /** For people, and made printable, since it ends up in logs. */
  readonly reason: string
}

/** RFC 8489 section 14.8: class and number of the error, and a reason phrase. */
export const errorCode: AttributeKind<ErrorCode> = {
  type: 0x0009,
  length: [4, 4 + 763],
  encode: ({ code, reason }) => {
    if (!Number.isInteger(code) || code < 300 || code > 699) throw new RangeError(`${code} is no STUN error code`)
    return Uint8Array.of(0, 0, Math.floor(code / 100), code % 100, ...utf8.encode(reason))
  },
  decode: (bytes) => {
    const hundreds = (bytes[2] ?? 0) & 7
    const rest = bytes[3] ?? 0
    if (hundreds < 3 || hundreds > 6 || rest > 99) return undefined
    const reason = printable(new TextDecoder().decode(bytes.subarray(4)))
    return { code: hundreds * 100 + rest, reason }
  }
}

/** RFC 8489 section 14.13: the attribute types that a server refused with 420. */
export const unknownAttributes: AttributeKind<ReadonlyArray<number>> = {
  type: 0x000a,
  length: [0, 512],
  encode: (types) =>
    bigEndian(types.length * 2, (out) => types.forEach((type, index) => out.setUint16(index * 2, type))),
  decode: (bytes) =>
    bytes.length % 2 === 0
      ? Array.from({ length: bytes.length / 2 }, (_, index) => view(bytes).getUint16(index * 2))
      : undefined
}

const kinds: ReadonlyArray<{ readonly type: number }> = [
  mappedAddress,
  username,
  errorCode,
  unknownAttributes,
  channelNumber,
  lifetime,
  xorPeerAddress,
  data,
  realm,
  nonce,
  xorRelayedAddress,
  requestedAddressFamily,
  requestedTransport,
  xorMappedAddress
]
const known = new Set([
  messageIntegrityType,
  messageIntegritySha256Type,
  fingerprintType,
  ...kinds.map(({ type }) => type)
])

/**
 * The types below 0x8000, which a receiver must understand, that this node does not (RFC 8489 section 6.3); those that
 * a relay client knows unless said.
 */
export const unknownRequired = (message: StunMessage, understood: ReadonlySet<number> = known): ReadonlyArray<number> =>
  message.attributes.map(({ type }) => type).filter((type) => type < 0x8000 && !understood.has(type))
