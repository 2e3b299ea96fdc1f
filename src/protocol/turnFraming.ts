/**
 * Messages of a TURN stream over TCP: STUN messages and ChannelData one after the other, each as long as its own header
 * says (RFC 8489 section 6.2.2); ChannelData is padded to four bytes there (RFC 8656 section 12.5).
 *
 * `TurnFramer` keeps what arrives until a message is whole. Messages are views of the chunks where they lie within one,
 * so a chunk must not be written to after it was pushed. Each byte is copied at most twice, however the stream is cut.
 */
import * as ChannelData from "./channelData.ts"
import * as Stun from "./stun.ts"

/** The longest message: a STUN header and 65,532 bytes; ChannelData with its padding is a little shorter. */
export const messageBytesMax = Stun.headerLength + 0xfffc

/** What tells kind, length and the magic cookie of a STUN message. */
const prefixBytes = 8

/** Why bytes are no sequence of messages; nothing after them can be told apart any more. */
export type TurnStreamProblem =
  /** The first byte belongs neither to a STUN message nor to a channel number. */
  | "notTurn"
  /** A STUN message without its magic cookie. */
  | "noCookie"
  /** A STUN message whose length is no multiple of four. */
  | "messageLength"

/** How many bytes follow ChannelData of this payload length in a stream, to reach a multiple of four. */
export const paddingOf = (payloadLength: number): number => -payloadLength & 3

const at = (bytes: Uint8Array, offset: number): number => bytes[offset] ?? 0

/** The length of the message that begins here, or 0 when more has to be read to tell. */
const lengthOf = (bytes: Uint8Array, offset: number, available: number): number | TurnStreamProblem => {
  if (available === 0) return 0
  const first = at(bytes, offset)
  if (first > 0x4f) return "notTurn"
  if (available < ChannelData.headerLength) return 0
  const length = (at(bytes, offset + 2) << 8) | at(bytes, offset + 3)
  if (first >= 0x40) return (ChannelData.headerLength + length + 3) & ~3
  if (length % 4 !== 0) return "messageLength"
  if (available < prefixBytes) return 0
  const cookie =
    ((at(bytes, offset + 4) << 24) |
      (at(bytes, offset + 5) << 16) |
      (at(bytes, offset + 6) << 8) |
      at(bytes, offset + 7)) >>>
    0
  return cookie === Stun.magicCookie ? Stun.headerLength + length : "noCookie"
}

/** Cuts the chunks of one connection into messages. After a problem it must not be used any more. */
export class TurnFramer {
  readonly #prefix = new Uint8Array(prefixBytes)
  #prefixFilled = 0
  /** The message that is being filled; `undefined` while its prefix is. */
  #message: Uint8Array | undefined
  #messageFilled = 0

  /** Bytes that belong to a message which is not whole yet. */
  get pendingBytes(): number {
    return this.#message === undefined ? this.#prefixFilled : this.#messageFilled
  }

  /** Hands out each message that this chunk completes, ChannelData with its padding; a problem ends the stream. */
  push(chunk: Uint8Array, emit: (message: Uint8Array) => void): TurnStreamProblem | undefined {
    let offset = this.pendingBytes === 0 ? 0 : this.#complete(chunk, emit)
    if (typeof offset === "string") return offset
    while (offset < chunk.length) {
      const available = chunk.length - offset
      const length = lengthOf(chunk, offset, available)
      if (typeof length === "string") return length
      if (length === 0 || length > available) {
        this.#keep(chunk.subarray(offset), length)
        return undefined
      }
      emit(chunk.subarray(offset, offset + length))
      offset += length
    }
    return undefined
  }

  /** Begins a message of which this chunk has the first bytes; a length of 0 is not known yet. */
  #keep(bytes: Uint8Array, length: number): void {
    if (length === 0) {
      this.#prefix.set(bytes)
      this.#prefixFilled = bytes.length
      return
    }
    this.#message = new Uint8Array(length)
    this.#message.set(bytes)
    this.#messageFilled = bytes.length
  }

  /** Goes on with the message that was begun; returns how much of the chunk went into it. */
  #complete(chunk: Uint8Array, emit: (message: Uint8Array) => void): number | TurnStreamProblem {
    let offset = 0
    while (this.#message === undefined) {
      if (offset === chunk.length) return offset
      this.#prefix[this.#prefixFilled++] = at(chunk, offset++)
      const length = lengthOf(this.#prefix, 0, this.#prefixFilled)
      if (typeof length === "string") return length
      if (length === 0) continue
      const prefix = this.#prefix.subarray(0, this.#prefixFilled)
      this.#prefixFilled = 0
      this.#keep(prefix, length)
    }
    const message = this.#message
    const taken = Math.min(message.length - this.#messageFilled, chunk.length - offset)
    message.set(chunk.subarray(offset, offset + taken), this.#messageFilled)
    this.#messageFilled += taken
    if (this.#messageFilled < message.length) return offset + taken
    this.#message = undefined
    this.#messageFilled = 0
    emit(message)
    return offset + taken
  }
}
