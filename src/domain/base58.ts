/**
 * Base58 in the Bitcoin alphabet ("base58btc" of multibase): one text for every sequence of bytes, without the letters
 * that look alike. Leaves out the multibase prefix and any checksum. The cost grows with the square of the length, so
 * decoding takes a limit; it is meant for keys, not for bulk data.
 */
const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
const digitOf: ReadonlyMap<string, number> = new Map(Array.from(alphabet, (character, digit) => [character, digit]))

/** log(256) / log(58), rounded up: how many characters a byte can take. */
const charactersPerByte = 1.3658

/** Writes a big-endian number, given in one base, in another; leading zeros are the caller's business. */
const convert = (digits: Iterable<number>, from: number, to: number): Array<number> => {
  const out: Array<number> = []
  for (const digit of digits) {
    let carry = digit
    for (let index = 0; index < out.length; index++) {
      carry += (out[index] ?? 0) * from
      out[index] = carry % to
      carry = Math.floor(carry / to)
    }
    for (; carry > 0; carry = Math.floor(carry / to)) out.push(carry % to)
  }
  return out.toReversed()
}

const leadingZeros = (digits: ReadonlyArray<number> | Uint8Array): number => {
  const first = digits.findIndex((digit) => digit !== 0)
  return first === -1 ? digits.length : first
}

/** The text of some bytes; each leading zero byte becomes a leading "1". */
export const encode = (bytes: Uint8Array): string =>
  "1".repeat(leadingZeros(bytes)) +
  convert(bytes, 256, 58)
    .map((digit) => alphabet.charAt(digit))
    .join("")

/**
 * The bytes of a text, or `undefined` when a character is not of the alphabet or the text stands for more than
 * `lengthMax` bytes; a text that is too long is refused before any work is done on it.
 */
export const decode = (text: string, lengthMax: number): Uint8Array | undefined => {
  if (text.length > Math.ceil(lengthMax * charactersPerByte)) return undefined
  const digits: Array<number> = []
  for (const character of text) {
    const digit = digitOf.get(character)
    if (digit === undefined) return undefined
    digits.push(digit)
  }
  const zeros = leadingZeros(digits)
  const significant = convert(digits, 58, 256)
  if (zeros + significant.length > lengthMax) return undefined
  const bytes = new Uint8Array(zeros + significant.length)
  bytes.set(significant, zeros)
  return bytes
}
