/**
 * The part of CBOR that entries are made of: integers, byte strings, text and arrays in the deterministic form of RFC
 * 8949 section 4.2.1, where every value has one encoding. Written for speed, since every entry is read several times on
 * its way into the books; whatever else there is in CBOR is left to a whole codec (entry.ts). Pure.
 */

export type CborValue = number | string | Uint8Array | ReadonlyArray<CborValue>

/** Of arrays in arrays; entries have four. */
const depthMax = 8
const two32 = 2 ** 32

// Major types (RFC 8949 section 3.1), in the upper three bits.
const natural = 0
const negative = 1
const bytesOf = 2
const textOf = 3
const arrayOf = 4

const headSize = (argument: number): number =>
  argument < 24 ? 1 : argument < 0x100 ? 2 : argument < 0x1_0000 ? 3 : argument < two32 ? 5 : 9

/** Bytes of an encoded value; not a number where this codec does not write it. */
const sizeOf = (value: unknown): number => {
  if (typeof value === "number") {
    return Number.isSafeInteger(value) ? headSize(value < 0 ? -1 - value : value) : Number.NaN
  }
  if (typeof value === "string") {
    const length = Buffer.byteLength(value, "utf8")
    return headSize(length) + length
  }
  if (value instanceof Uint8Array) return headSize(value.length) + value.length
  if (!Array.isArray(value)) return Number.NaN
  let size = headSize(value.length)
  for (const item of value) size += sizeOf(item)
  return size
}

class Writer {
  readonly bytes: Buffer
  #at = 0

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafeSlow(size)
  }

  value(value: CborValue): void {
    if (typeof value === "number") this.#head(value < 0 ? negative : natural, value < 0 ? -1 - value : value)
    else if (typeof value === "string") this.#text(value)
    else if (value instanceof Uint8Array) {
      this.#head(bytesOf, value.length)
      this.bytes.set(value, this.#at)
      this.#at += value.length
    } else {
      this.#head(arrayOf, value.length)
      for (const item of value) this.value(item)
    }
  }

  #text(text: string): void {
    const length = Buffer.byteLength(text, "utf8")
    this.#head(textOf, length)
    this.#at += this.bytes.write(text, this.#at, "utf8")
  }

  #head(major: number, argument: number): void {
    const { bytes } = this
    const type = major << 5
    if (argument < 24) bytes[this.#at++] = type | argument
    else if (argument < 0x100) {
      bytes[this.#at++] = type | 24
      bytes[this.#at++] = argument
    } else if (argument < 0x1_0000) {
      bytes[this.#at++] = type | 25
      this.#at = bytes.writeUInt16BE(argument, this.#at)
    } else if (argument < two32) {
      bytes[this.#at++] = type | 26
      this.#at = bytes.writeUInt32BE(argument, this.#at)
    } else {
      bytes[this.#at++] = type | 27
      this.#at = bytes.writeUInt32BE(Math.floor(argument / two32), this.#at)
      this.#at = bytes.writeUInt32BE(argument % two32, this.#at)
    }
  }
}

/** The encoding of a value; `undefined` for one with anything in it that is not a `CborValue` with exact integers. */
export const encodeCbor = (value: CborValue): Uint8Array | undefined => {
  const size = sizeOf(value)
  if (Number.isNaN(size)) return undefined
  const writer = new Writer(size)
  writer.value(value)
  return new Uint8Array(writer.bytes.buffer, writer.bytes.byteOffset, size)
}

/** Not in the form that this codec reads. */
const unread = Symbol("unread")

class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  value(depth: number): CborValue | typeof unread {
    const first = this.#bytes[this.#at++] ?? 0xff
    const argument = this.#argument(first & 31)
    if (argument === undefined) return unread
    switch (first >> 5) {
      case natural:
        return argument
      case negative:
        return argument < Number.MAX_SAFE_INTEGER ? -1 - argument : unread
      case bytesOf: {
        const from = this.#at
        this.#at += argument
        return this.#at > this.#bytes.length ? unread : this.#bytes.subarray(from, this.#at)
      }
      case textOf:
        return this.#text(argument)
      case arrayOf:
        return depth === 0 ? unread : this.#array(argument, depth - 1)
      default:
        return unread
    }
  }

  /** The number in a head, in its shortest form and exact. */
  #argument(info: number): number | undefined {
    if (info < 24) return info
    const size = info === 24 ? 1 : info === 25 ? 2 : info === 26 ? 4 : info === 27 ? 8 : Infinity
    const from = this.#at
    this.#at += size
    if (this.#at > this.#bytes.length) return undefined
    const argument =
      size === 8
        ? this.#bytes.readUInt32BE(from) * two32 + this.#bytes.readUInt32BE(from + 4)
        : this.#bytes.readUIntBE(from, size)
    return headSize(argument) === 1 + size && argument <= Number.MAX_SAFE_INTEGER ? argument : undefined
  }

  #text(length: number): string | typeof unread {
    const from = this.#at
    this.#at += length
    if (this.#at > this.#bytes.length) return unread
    const text = this.#bytes.toString("utf8", from, this.#at)
    // What is not UTF-8 is read as a character that is written differently.
    return this.#isAscii(from) || Buffer.from(text, "utf8").equals(this.#bytes.subarray(from, this.#at)) ? text : unread
  }

  /** Whether it is from there to here. */
  #isAscii(from: number): boolean {
    for (let at = from; at < this.#at; at++) if ((this.#bytes[at] ?? 0) >= 0x80) return false
    return true
  }

  #array(length: number, depth: number): ReadonlyArray<CborValue> | typeof unread {
    // Each item has a byte at least.
    if (length > this.#bytes.length - this.#at) return unread
    const items: Array<CborValue> = []
    for (let index = 0; index < length; index++) {
      const item = this.value(depth)
      if (item === unread) return unread
      items.push(item)
    }
    return items
  }
}

/**
 * The value that these bytes are the one encoding of; `undefined` for all other bytes. Byte strings are views into the
 * bytes.
 */
export const decodeCbor = (bytes: Uint8Array): CborValue | undefined => {
  const reader = new Reader(bytes)
  const value = reader.value(depthMax)
  return value === unread || !reader.isAtEnd ? undefined : value
}
