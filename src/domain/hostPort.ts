/**
 * Hosts and ports as people write them: host names by the letters of RFC 1123, IP literals in their one spelling, IPv6
 * in brackets. Shared by everything that says where something listens. Failures are sentences that say what is allowed.
 */
import { Result } from "effect"
import { canonical, isIPv4, isIPv6 } from "./ipAddress.ts"

/** The longest name that DNS can hold, in its text form without the final dot (RFC 1035 section 2.3.4). */
const hostNameLengthMax = 253

/** One label of RFC 1123 section 2.1: letters, digits and inner hyphens, at most 63 of them. */
const label = /^[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?$/

const refuse = (why: string) => Result.fail(why)

/** A host name, given back in lower case. */
export const parseHostName = (text: string): Result.Result<string, string> => {
  const name = text.toLowerCase()
  const labels = name.replace(/\.$/, "").split(".")
  // oxlint-disable-next-line no-control-regex -- the range is ASCII as a whole
  if (/[^\u0000-\u007f]/.test(name)) return refuse("write an international host name in its xn-- form")
  if (name.length > hostNameLengthMax || !labels.every((part) => label.test(part))) {
    return refuse("the host is no IP address and no host name of letters, digits, hyphens and dots")
  }
  // Resolvers read a name that ends in a number as an IPv4 address, often not the one that was meant.
  if (/^\d+$/.test(labels.at(-1) ?? "")) return refuse("the host looks like an IPv4 address but is none")
  return Result.succeed(name)
}

/** A host name, a dotted quad, or an IPv6 literal in brackets; the brackets are taken off. */
export const parseHost = (text: string): Result.Result<string, string> => {
  if (text.startsWith("[")) {
    const literal = text.slice(1, -1)
    return text.endsWith("]") && isIPv6(literal)
      ? Result.succeed(canonical(literal) ?? literal)
      : refuse(`brackets hold an IPv6 address without a zone`)
  }
  return isIPv4(text) ? Result.succeed(text) : parseHostName(text)
}

/** A port to send to: 1 to 65535, in digits without zeros in front. */
export const parsePort = (text: string): Result.Result<number, string> => {
  const port = /^[1-9]\d{0,4}$/.test(text) ? Number(text) : 0
  return port >= 1 && port <= 65_535 ? Result.succeed(port) : refuse("the port is a number from 1 to 65535")
}
