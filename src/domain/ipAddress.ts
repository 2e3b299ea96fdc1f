/**
 * IP literals and their bytes: strict parsing and the canonical text of RFC 5952, so that one address has one spelling
 * and addresses can be compared as strings. Leaves out prefixes, and knows
 * zones (`%eth0`) only to cut them off.
 */
const decimalOctet = /^(?:0|[1-9]\d{0,2})$/

/** The four bytes of a dotted quad; leading zeros are refused, since some readers take them for octal. */
export const parseIPv4 = (text: string): Uint8Array | undefined => {
  const parts = text.split(".")
  if (parts.length !== 4) return undefined
  const bytes = new Uint8Array(4)
  for (const [index, part] of parts.entries()) {
    if (!decimalOctet.test(part) || Number(part) > 255) return undefined
    bytes[index] = Number(part)
  }
  return bytes
}

/** The 16-bit groups on one side of "::"; only the last group of the whole text may be a dotted quad. */
const groups = (text: string, quadAllowed: boolean): Array<number> | undefined => {
  if (text === "") return []
  const out: Array<number> = []
  const parts = text.split(":")
  for (const [index, part] of parts.entries()) {
    if (part.includes(".")) {
      const quad = quadAllowed && index === parts.length - 1 ? parseIPv4(part) : undefined
      if (quad === undefined) return undefined
      const view = new DataView(quad.buffer)
      out.push(view.getUint16(0), view.getUint16(2))
    } else {
      if (!/^[\da-f]{1,4}$/i.test(part)) return undefined
      out.push(Number.parseInt(part, 16))
    }
  }
  return out
}

/** The sixteen bytes of an IPv6 literal in any form of RFC 4291 section 2.2. */
export const parseIPv6 = (text: string): Uint8Array | undefined => {
  const halves = text.split("::")
  if (halves.length > 2 || text.length > 45) return undefined
  const head = groups(halves[0] ?? "", halves.length === 1)
  const tail = groups(halves[1] ?? "", true)
  if (head === undefined || tail === undefined) return undefined
  const missing = 8 - head.length - tail.length
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined
  const words = [...head, ...Array.from({ length: missing }, () => 0), ...tail]
  const bytes = new Uint8Array(16)
  const view = new DataView(bytes.buffer)
  words.forEach((word, index) => view.setUint16(index * 2, word))
  return bytes
}

/** Whether a text is an IPv4 literal. */
export const isIPv4 = (text: string): boolean => parseIPv4(text) !== undefined
/** Whether a text is an IPv6 literal. */
export const isIPv6 = (text: string): boolean => parseIPv6(text) !== undefined

const hex = (words: ReadonlyArray<number>): string => words.map((word) => word.toString(16)).join(":")

/** Dotted quad for 4 bytes, RFC 5952 text for 16; any other length is a caller's mistake. */
export const formatBytes = (bytes: Uint8Array): string => {
  if (bytes.length === 4) return bytes.join(".")
  if (bytes.length !== 16) throw new RangeError(`an IP address has 4 or 16 bytes, not ${bytes.length}`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16)
  const words = Array.from({ length: 8 }, (_, index) => view.getUint16(index * 2))
  // The longest run of at least two zero groups becomes "::"; the first wins a tie (RFC 5952 section 4.2).
  let best = { start: 0, length: 1 }
  for (let start = 0; start < 8;) {
    let end = start
    while (end < 8 && words[end] === 0) end++
    if (end - start > best.length) best = { start, length: end - start }
    start = end + 1
  }
  // IPv4-mapped addresses (::ffff:0:0/96) keep their dotted quad (RFC 5952 section 5).
  if (best.start === 0 && best.length === 5 && words[5] === 0xffff) return `::ffff:${bytes.subarray(12).join(".")}`
  if (best.length < 2) return hex(words)
  return `${hex(words.slice(0, best.start))}::${hex(words.slice(best.start + best.length))}`
}

/** The one spelling of an IP literal, or `undefined` when it is none. */
export const canonical = (text: string): string | undefined => {
  const bytes = parseIPv4(text) ?? parseIPv6(text)
  return bytes === undefined ? undefined : formatBytes(bytes)
}

const mappedPrefix = "::ffff:"

/** The IPv4 literal inside a canonical IPv4-mapped one (RFC 4291 section 2.5.5.2); other literals as they are. */
export const unmapped = (host: string): string =>
  host.startsWith(mappedPrefix) && host.includes(".") ? host.slice(mappedPrefix.length) : host

/** A literal without its zone, which means something on this machine only (RFC 4007 section 11). */
export const withoutZone = (host: string): string => {
  const at = host.indexOf("%")
  return at < 0 ? host : host.slice(0, at)
}
