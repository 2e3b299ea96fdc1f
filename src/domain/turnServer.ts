/**
 * Where a TURN server is: `host:port`, `[v6]:port`, or a `turn:` URI (RFC 7065). Host names stay names; they are
 * resolved at use, so that a changed DNS record is noticed. The default port is 3478 (RFC 8656 section 3.1). A URI may
 * name the transport as well (RFC 7065 section 3.1). Lists and TLS are recognised in order to be refused by name.
 */
import { Result, Schema } from "effect"
import { parseHost, parsePort } from "./hostPort.ts"
import { canonical, isIPv6 } from "./ipAddress.ts"
import * as TransportAddress from "./transportAddress.ts"

/** What carries messages between client and server (RFC 8656 section 3.1). */
export const turnTransports = ["udp", "tcp"] as const
export type TurnTransport = (typeof turnTransports)[number]

export interface TurnServer {
  /** A host name in lower case, or an IP literal in its one spelling, without brackets. */
  readonly host: string
  /** 1..65535 */
  readonly port: number
  /** The transport that a URI asks for; absent where the address leaves it open. */
  readonly transport?: TurnTransport
}

/** The decoded form; texts are read with `parse`. */
export const TurnServer: Schema.Codec<TurnServer> = Schema.Struct({
  host: Schema.String,
  port: Schema.Int,
  transport: Schema.optionalKey(Schema.Literals(turnTransports))
})

export const defaultPort = 3478

/** What can be written, for documentation and errors. */
export const allowed = '"host:port", "[v6]:port" or "turn:host:port" (port 3478 when left out)'

/** As `parse` reads it: `host:port`, or a URI where it names a transport. */
export const format = ({ transport, ...address }: TurnServer): string =>
  transport === undefined
    ? TransportAddress.format(address)
    : `turn:${TransportAddress.format(address)}?transport=${transport}`

const refuse = (why: string) => Result.fail(why)

const portOrDefault = (text: string | undefined): Result.Result<number, string> =>
  text === undefined ? Result.succeed(defaultPort) : parsePort(text)

/** `host`, `host:port`, `[v6]` or `[v6]:port`. */
const parseHostPort = (text: string): Result.Result<TurnServer, string> => {
  if (isIPv6(text)) return refuse(`put an IPv6 address in brackets: [${canonical(text)}]`)
  const parts = /^(\[[^\]]*\]|[^:[\]]*)(?::(.*))?$/s.exec(text)
  if (parts === null || parts[1] === "") return refuse(`expected ${allowed}`)
  return Result.all({ host: parseHost(parts[1] ?? ""), port: portOrDefault(parts[2]) })
}

/** `turn:host[:port][?transport=udp|tcp]`, RFC 7065 section 3.1. */
const parseUri = (rest: string): Result.Result<TurnServer, string> => {
  if (rest.startsWith("//")) return refuse('a TURN URI has no "//": turn:host:port')
  const at = rest.indexOf("?")
  if (at < 0) return parseHostPort(rest)
  const transport = /^transport=(.*)$/is.exec(rest.slice(at + 1))?.[1]?.toLowerCase()
  if (transport !== "udp" && transport !== "tcp") {
    return refuse("the only parameter of a TURN URI is ?transport=udp or ?transport=tcp")
  }
  return Result.map(parseHostPort(rest.slice(0, at)), ({ host, port }) => ({ host, port, transport }))
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
    ? refuse("turns: (TURN over TLS) is not yet supported; use turn: over UDP or TCP")
    : refuse("a STUN server relays nothing; name a TURN server")
}
