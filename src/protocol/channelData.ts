/**
 * ChannelData (RFC 8656 section 12.4): channel number and length, two bytes each and big-endian, then the payload. The
 * hot path of a relay: plain functions that allocate nothing but a view of the datagram.
 */

/** Bytes in front of the payload. */
export const headerLength = 4
/** The range of channel numbers, both ends included (RFC 8656 section 12). */
export const channelMin = 0x4000
export const channelMax = 0x4fff

/** A received message. */
export interface ChannelData {
  readonly channel: number
  /** A view into the datagram. */
  readonly payload: Uint8Array
}

/** Whether a datagram's first byte is one of a channel number; STUN begins with 0x00..0x3f. */
export const isChannelData = (datagram: Uint8Array): boolean => {
  const first = datagram[0] ?? 0
  return first >= 0x40 && first <= 0x4f
}

/** Writes the four bytes of the header; the caller has checked channel and length. */
export const encodeHeader = (buffer: Uint8Array, offset: number, channel: number, length: number): void => {
  buffer[offset] = channel >>> 8
  buffer[offset + 1] = channel & 0xff
  buffer[offset + 2] = length >>> 8
  buffer[offset + 3] = length & 0xff
}

/** Reads a datagram; `undefined` when it is no ChannelData or not as long as it says (padding to four is allowed). */
export const decode = (datagram: Uint8Array): ChannelData | undefined => {
  if (datagram.length < headerLength || !isChannelData(datagram)) return undefined
  const channel = ((datagram[0] ?? 0) << 8) | (datagram[1] ?? 0)
  const length = ((datagram[2] ?? 0) << 8) | (datagram[3] ?? 0)
  const end = headerLength + length
  if (datagram.length !== end && datagram.length !== ((end + 3) & ~3)) return undefined
  return { channel, payload: datagram.subarray(headerLength, end) }
}
