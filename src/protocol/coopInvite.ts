/**
 * The text of an invitation: "icn-coop:" and base64url (RFC 4648 section 5, no padding) of
 *
 *     version (1) ‖ length of the body (2) ‖ body ‖ checksum (4)
 *
 * with the checksum over everything before it, so that what was cut, typed or pasted wrong is told as such. This frame
 * is the same for all versions. The body of version 1, numbers big-endian:
 *
 *     coop (32) ‖ inviter (32) ‖ secret (32) ‖ expires at, milliseconds (8) ‖ number of addresses (1) ‖ addresses
 *
 * and an address is transport (1: 0 any, 1 QUIC, 2 TCP) ‖ length of the host (1: 4 or 16) ‖ host ‖ port (2). Blanks and
 * line breaks in the text mean nothing: mail programs add them.
 */
import { createHash } from "node:crypto"
import { Result } from "effect"
import { type CoopInvite, inviteAddressesMax, inviteSecretBytes } from "../domain/coopInvite.ts"
import { Did } from "../domain/did.ts"
import { formatBytes, parseIPv4, parseIPv6 } from "../domain/ipAddress.ts"
import type { PeerAddress, PeerTransport } from "../domain/peerAddress.ts"

export const invitePrefix = "icn-coop:"
const version = 1
const headerBytes = 3
const checksumBytes = 4
/** Ten addresses of 20 bytes, and what comes before them. */
const bodyBytesMax = 3 * 32 + 8 + 1 + inviteAddressesMax * 20
/** Longer texts are not looked at; room for a later version and for blanks. */
const textLengthMax = 8192

/** Why a text is no invitation; what each means for a person is in services/Cooperative.ts. */
export type InviteProblem = "notAnInvite" | "unknownVersion" | "cut" | "tooLong" | "mistyped" | "malformed"

const transports: ReadonlyArray<PeerTransport> = ["any", "quic", "tcp"]
const checksumPrefix = Buffer.from("icn-node/coop-invite/v1", "ascii")

const checksum = (bytes: Uint8Array): Buffer =>
  createHash("sha256").update(checksumPrefix).update(bytes).digest().subarray(0, checksumBytes)

const addressBytes = ({ host, port, transport }: PeerAddress): Uint8Array => {
  const bytes = parseIPv4(host) ?? parseIPv6(host)
  if (bytes === undefined) throw new RangeError(`${host} is no IP literal`)
  return Uint8Array.of(transports.indexOf(transport), bytes.length, ...bytes, port >> 8, port & 0xff)
}

const bodyOf = ({ addresses, coop, expiresAtMillis, inviter, secret }: CoopInvite): Uint8Array => {
  if (secret.length !== inviteSecretBytes) throw new RangeError(`a secret has ${inviteSecretBytes} bytes`)
  if (addresses.length > inviteAddressesMax) throw new RangeError(`${addresses.length} addresses are too many`)
  const time = Buffer.alloc(8)
  time.writeBigUInt64BE(BigInt(expiresAtMillis))
  return Buffer.concat([
    Buffer.from(coop, "hex"),
    inviter.publicKey,
    secret,
    time,
    Uint8Array.of(addresses.length),
    ...addresses.map(addressBytes)
  ])
}

/** The text of an invitation. Addresses that are no IP literals are a mistake of the caller and throw. */
export const formatInvite = (invite: CoopInvite): string => {
  const body = bodyOf(invite)
  const framed = Buffer.concat([Uint8Array.of(version, body.length >> 8, body.length & 0xff), body])
  return invitePrefix + Buffer.concat([framed, checksum(framed)]).toString("base64url")
}

/** Reads a body of version 1 from front to back; `undefined` when it is none. */
const readBody = (body: Buffer): CoopInvite | undefined => {
  if (body.length < 105 || body.length > bodyBytesMax) return undefined
  const inviter = Did.fromPublicKey(body.subarray(32, 64))
  const expiresAt = body.readBigUInt64BE(96)
  if (Result.isFailure(inviter) || expiresAt > BigInt(Number.MAX_SAFE_INTEGER)) return undefined
  const addresses: Array<PeerAddress> = []
  let at = 105
  for (let left = body.readUInt8(104); left > 0; left--) {
    const transport = transports[body[at] ?? transports.length]
    const length = body[at + 1]
    if (transport === undefined || (length !== 4 && length !== 16) || body.length < at + 4 + length) return undefined
    const port = body.readUInt16BE(at + 2 + length)
    if (port === 0) return undefined
    addresses.push({ host: formatBytes(body.subarray(at + 2, at + 2 + length)), port, transport })
    at += 4 + length
  }
  if (at !== body.length || addresses.length > inviteAddressesMax) return undefined
  return {
    coop: body.toString("hex", 0, 32),
    inviter: inviter.success,
    secret: Uint8Array.from(body.subarray(64, 96)),
    expiresAtMillis: Number(expiresAt),
    addresses
  }
}

/** The longest run of base64url at the beginning of a text, and its bytes. */
const readEncoded = (encoded: string) => {
  const clean = /^[\w-]*/.exec(encoded)?.[0] ?? ""
  const bytes = Buffer.from(clean, "base64url")
  // A cut inside a group of four characters leaves bits that belong to no byte.
  return { bytes, length: clean.length, hasOther: clean !== encoded, hasRest: bytes.toString("base64url") !== clean }
}

type Encoded = ReturnType<typeof readEncoded>

/** What is wrong with text whose checksum does not fit. */
const damageOf = ({ bytes, hasOther, length }: Encoded): InviteProblem => {
  if (bytes.length < headerBytes) return hasOther ? "mistyped" : "cut"
  const whole = headerBytes + bytes.readUInt16BE(1) + checksumBytes
  // A length that no invitation has was itself typed wrong.
  if (bytes[0] !== version || whole > headerBytes + bodyBytesMax + checksumBytes) return "mistyped"
  if (bytes.length < whole) return hasOther ? "mistyped" : "cut"
  const framed = bytes.subarray(0, whole - checksumBytes)
  const goesOn = hasOther || length > Math.ceil((whole * 4) / 3)
  return goesOn && checksum(framed).equals(bytes.subarray(framed.length, whole)) ? "tooLong" : "mistyped"
}

/** Reads the text of an invitation. */
export const parseInvite = (text: string): Result.Result<CoopInvite, InviteProblem> => {
  if (text.length > textLengthMax) return Result.fail("notAnInvite")
  const compact = text.replaceAll(/\s+/g, "")
  if (compact.slice(0, invitePrefix.length).toLowerCase() !== invitePrefix) return Result.fail("notAnInvite")
  const encoded = readEncoded(compact.slice(invitePrefix.length))
  const { bytes } = encoded
  const framed = bytes.subarray(0, Math.max(0, bytes.length - checksumBytes))
  const isWhole =
    !encoded.hasOther &&
    !encoded.hasRest &&
    framed.length >= headerBytes &&
    bytes.readUInt16BE(1) === framed.length - headerBytes &&
    checksum(framed).equals(bytes.subarray(framed.length))
  if (!isWhole) return Result.fail(damageOf(encoded))
  if (framed[0] !== version) return Result.fail("unknownVersion")
  return Result.fromNullishOr(readBody(framed.subarray(headerBytes)), () => "malformed" as const)
}
