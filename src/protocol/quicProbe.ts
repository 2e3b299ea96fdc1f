/**
 * Asks whether QUIC answers at an address, without a handshake: a packet of a version that nobody speaks, which every
 * server answers with the versions that it does (Version Negotiation, RFC 8999 section 6, RFC 9000 section 6.1).
 */

/** Reserved to force negotiation (RFC 9000 section 15: 0x?a?a?a?a). */
const version = [0x1a, 0x2a, 0x3a, 0x4a]
/** Connection ids of both sides, in bytes. */
export const connectionIdLength = 8
/** A server may ignore shorter datagrams (RFC 9000 section 14.1). */
const datagramBytes = 1200

export interface QuicProbe {
  /** Chosen at random, so that nobody else can answer. */
  readonly destinationId: Uint8Array
  readonly sourceId: Uint8Array
}

/** The datagram to send. */
export const encodeQuicProbe = ({ destinationId, sourceId }: QuicProbe): Uint8Array => {
  const bytes = new Uint8Array(datagramBytes)
  const header = [0xc0, ...version, destinationId.length, ...destinationId, sourceId.length, ...sourceId]
  bytes.set(header)
  return bytes
}

const isAt = (bytes: Uint8Array, offset: number, wanted: Uint8Array): boolean =>
  bytes[offset] === wanted.length && wanted.every((byte, index) => bytes[offset + 1 + index] === byte)

/** Whether a datagram is the answer: a long header of version 0 that returns both ids, each in the other's place. */
export const answersQuicProbe = (bytes: Uint8Array, { destinationId, sourceId }: QuicProbe): boolean =>
  ((bytes[0] ?? 0) & 0x80) !== 0 &&
  bytes.subarray(1, 5).every((byte) => byte === 0) &&
  isAt(bytes, 5, sourceId) &&
  isAt(bytes, 6 + sourceId.length, destinationId)
