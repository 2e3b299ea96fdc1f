/**
 * Texts that the network's lists hold: where the node listens, and on which interfaces it looks for others. Whether an
 * address or an interface exists on this machine is found out at its use.
 */
import { Result, Schema } from "effect"
import { canonical, isIPv6 } from "./ipAddress.ts"
import { family, type TransportAddress } from "./transportAddress.ts"

/** The decoded form of a listen address; its port may be 0. */
export const ListenAddress: Schema.Codec<TransportAddress> = Schema.Struct({ host: Schema.String, port: Schema.Int })

/** What a listen address can be, for documentation and errors. */
export const listenAddressAllowed = '"IP:port" or "[v6]:port"'

const parsePort = (text: string): Result.Result<number, string> => {
  const port = /^(?:0|[1-9]\d{0,4})$/.test(text) ? Number(text) : Number.NaN
  return port <= 65_535 ? Result.succeed(port) : Result.fail("the port is a number from 0 to 65535")
}

const parseListenHost = (text: string): Result.Result<string, string> => {
  const bracketed = text.startsWith("[")
  const host = canonical(bracketed ? text.slice(1, -1) : text)
  if (host !== undefined && bracketed === (family(host) === 6)) return Result.succeed(host)
  if (bracketed) return Result.fail("brackets hold an IPv6 address without a zone")
  return Result.fail('the host is an IP address of this machine, or "0.0.0.0" or "[::]" for all of them')
}

/** Reads a listen address; the failure is a sentence that says what is allowed. */
export const parseListenAddress = (text: string): Result.Result<TransportAddress, string> => {
  if (isIPv6(text)) return Result.fail(`put an IPv6 address in brackets and a port behind: [${canonical(text)}]:7777`)
  const parts = /^(\[[^\]]*\]|[^:[\]]+)(?::(.*))?$/s.exec(text)
  if (parts === null) return Result.fail(`expected ${listenAddressAllowed}`)
  if (parts[2] === undefined) return Result.fail("the port is missing; 0 takes a free one")
  return Result.all({ host: parseListenHost(parts[1] ?? ""), port: parsePort(parts[2]) })
}

/** What an interface can be named by, for documentation and errors. */
export const interfaceAllowed = 'the name of an interface or one of its IP addresses, such as "eth0" or "192.168.1.10"'

/** Linux's IFNAMSIZ and macOS's IF_NAMESIZE, without their final zero. */
const interfaceLengthMax = 15

/** A name holds a letter, which tells it from a mistyped IPv4 address; ":1" at its end is an alias of Linux. */
const interfaceName = /^(?=.*[a-z])[\w.-]+(?::\d+)?$/i

/** Reads an interface's name, or its IP address in any spelling. */
export const parseInterface = (text: string): Result.Result<string, string> => {
  const name = text.length <= interfaceLengthMax && interfaceName.test(text) ? text : undefined
  return Result.fromNullishOr(canonical(text) ?? name, () => `expected ${interfaceAllowed}`)
}
