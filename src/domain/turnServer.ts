/**
 * Where a TURN server is: `host:port`, `[v6]:port`, or a `turn:` URI (RFC 7065). Host names stay names; they are
 * resolved at use, so that a changed DNS record is noticed. The default port is 3478 (RFC 8656 section 3.1). Lists,
 * TLS and TCP are recognised in order to be refused by name.
 */
import { Result, Schema } from "effect"
import { canonical, isIPv4, isIPv6 } from "./ipAddress.ts"

export interface TurnServer {
  /** A host name in lower case, or an IP literal in its one spelling, without brackets. */
  readonly host: string
  /** 1..65535 */
  readonly port: number
}

/** The decoded form; texts are read with `parse`. */
export const TurnServer: Schema.Codec<TurnServer> = Schema.Struct({ host: Schema.String, port: Schema.Int })

export const defaultPort = 3478

/** What can be written, for documentation and errors. */
export const allowed = '"host:port", "[v6]:port" or "turn:host:port" (port 3478 when left out)'

export { format } from "./transportAddress.ts"

/** The longest name that DNS can hold, in its text form without the final dot (RFC 1035 section 2.3.4). */
const hostNameLengthMax = 253

/** One label of RFC 1123 section 2.1: letters, digits and inner hyphens, at most 63 of them. */
const label = /^[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?$/

const refuse = (why: string) => Result.fail(why)

const parseHostName = (text: string): Result.Result<string, string> => {
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

const parseHost = (text: string): Result.Result<string, string> => {
  if (text.startsWith("[")) {
    const literal = text.slice(1, -1)
    return isIPv6(literal)
      ? Result.succeed(canonical(literal) ?? literal)
      : refuse(`brackets hold an IPv6 address without a zone`)
  }
  return isIPv4(text) ? Result.succeed(text) : parseHostName(text)
}

const parsePort = (text: string | undefined): Result.Result<number, string> => {
  if (text === undefined) return Result.succeed(defaultPort)
  const port = /^[1-9]\d{0,4}$/.test(text) ? Number(text) : 0
  return port >= 1 && port <= 65_535 ? Result.succeed(port) : refuse("the port is a number from 1 to 65535")
}

/** `host`, `host:port`, `[v6]` or `[v6]:port`. */
const parseHostPort = (text: string): Result.Result<TurnServer, string> => {
  if (isIPv6(text)) return refuse(`put an IPv6 address in brackets: [${canonical(text)}]`)
  const parts = /^(\[[^\]]*\]|[^:[\]]*)(?::(.*))?$/s.exec(text)
  if (parts === null || parts[1] === "") return refuse(`expected ${allowed}`)
  return Result.all({ host: parseHost(parts[1] ?? ""), port: parsePort(parts[2]) })
}

/** `turn:host[:port][?transport=udp]`, RFC 7065 section 3.1. */
const parseUri = (rest: string): Result.Result<TurnServer, string> => {
  if (rest.startsWith("//")) return refuse('a TURN URI has no "//": turn:host:port')
  const at = rest.indexOf("?")
  if (at < 0) return parseHostPort(rest)
  const transport = /^transport=(.*)$/is.exec(rest.slice(at + 1))?.[1]?.toLowerCase()
  if (transport === "tcp") return refuse("transport=tcp is not yet supported; use UDP")
  if (transport !== "udp") return refuse("the only parameter of a TURN URI is ?transport=udp")
  return parseHostPort(rest.slice(0, at))
}

/** Reads a server; the failure is a sentence that says what is allowed. */
export const parse = (text: string): Result.Result<TurnServer, string> => {
  if (/[\s,;]/.test(text.trim())) return refuse("lists of servers are not yet supported; name one server")
  if (text.includes("@")) return refuse("user name and password do not belong in the address")
  // A number alone after the colon is a port, and the host is a machine called "turn" or "stun".
  const scheme = /^(turn|turns|stun|stuns):(?!\d+$)/i.exec(text)?.[1]?.toLowerCase()
  if (scheme === undefined) return parseHostPort(text)
  if (scheme === "turn") return parseUri(text.slice("turn:".length))
  return scheme === "turns"
    ? refuse("turns: (TURN over TLS) is not yet supported; use turn: over UDP")
    : refuse("a STUN server relays nothing; name a TURN server")
}
