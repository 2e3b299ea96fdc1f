/**
 * Where a STUN server is: `host:port`, `[v6]:port`, or a `stun:` URI (RFC 7064). Host names are looked up at each use.
 * The default port is 3478 (RFC 8489 section 8.1).
 */
import { Result, Schema } from "effect"
import { parseHost, parsePort } from "./hostPort.ts"
import { canonical, isIPv6 } from "./ipAddress.ts"

export interface StunServer {
  /** A host name in lower case, or an IP literal in its one spelling, without brackets. */
  readonly host: string
  readonly port: number
}

/** The decoded form; texts are read with `parse`. */
export const StunServer: Schema.Codec<StunServer> = Schema.Struct({ host: Schema.String, port: Schema.Int })

const defaultPort = 3478

/** What can be written, for documentation and errors. */
export const allowed = '"host:port", "[v6]:port" or "stun:host:port" (port 3478 when left out)'

export { format } from "./transportAddress.ts"

/** Reads a server; the failure is a sentence that says what is allowed. */
export const parse = (text: string): Result.Result<StunServer, string> => {
  if (isIPv6(text)) return Result.fail(`put an IPv6 address in brackets: [${canonical(text)}]`)
  // A number alone after the colon is a port, and the host is a machine called "stun".
  const rest = text.replace(/^stun:(?!\d+$)/i, "")
  if (/^stuns:(?!\d+$)/i.test(rest)) return Result.fail("stuns: (STUN over TLS) is not supported; use UDP")
  const parts = /^(\[[^\]]*\]|[^:[\]/?@\s]+)(?::(.*))?$/s.exec(rest)
  if (parts === null) return Result.fail(`expected ${allowed}`)
  return Result.all({
    host: parseHost(parts[1] ?? ""),
    port: parts[2] === undefined ? Result.succeed(defaultPort) : parsePort(parts[2])
  })
}
