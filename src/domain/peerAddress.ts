/**
 * Where a member can be reached: `icn://DID@host:port`, or the libp2p multiaddr that says the same. A member is named
 * by its key, so whoever answers at the address has to prove it; an address alone is worth nothing. Host names stay
 * names and are resolved at use. Multiaddrs of relays, of other transports and without a member are refused by name.
 */
import { Result, Schema, SchemaTransformation } from "effect"
import { Did } from "./did.ts"
import { parseHost, parseHostName, parsePort } from "./hostPort.ts"
import { canonical, isIPv4, isIPv6 } from "./ipAddress.ts"
import { didOfPeerId, peerIdText } from "./peerId.ts"
import { format as formatHostPort } from "./transportAddress.ts"

/** How the address is dialled; "any" is QUIC and TCP on the same port number, as a node listens. */
export type PeerTransport = "any" | "quic" | "tcp"

export interface PeerAddress {
  /** A host name in lower case, or an IP literal in its one spelling, without brackets. */
  readonly host: string
  /** 1..65535 */
  readonly port: number
  readonly transport: PeerTransport
}

export interface PeerUri {
  readonly did: Did
  readonly address: PeerAddress
}

const addressSchema: Schema.Codec<PeerAddress> = Schema.Struct({
  host: Schema.String,
  port: Schema.Int,
  transport: Schema.Literals(["any", "quic", "tcp"])
})

/** The decoded form; texts are read with `parse`. */
export const PeerUri: Schema.Codec<PeerUri> = Schema.Struct({
  did: Schema.declare((value): value is Did => value instanceof Did, { expected: "a DID" }),
  address: addressSchema
})

/** What can be written, for documentation and errors. */
export const allowed =
  '"icn://DID@host:port", "icn://DID@[v6]:port", or a multiaddr that ends in ' +
  '"/udp/PORT/quic-v1/p2p/PEERID" or "/tcp/PORT/p2p/PEERID"'

/** A DID of 64, a host name of 253 and a port fit twice; what is longer is not even looked at. */
const textLengthMax = 512

const refuse = (why: string) => Result.fail(why)

const parseAnyHostPort = (text: string): Result.Result<PeerAddress, string> => {
  if (isIPv6(text)) return refuse(`put an IPv6 address in brackets: [${canonical(text)}], and the port behind it`)
  const parts = /^(\[[^\]]*\]|[^:[\]]*):(.*)$/s.exec(text)
  if (parts === null) return refuse("the port is missing: icn://DID@host:port")
  if (parts[1] === "") return refuse(`expected ${allowed}`)
  return Result.map(
    Result.all({ host: parseHost(parts[1] ?? ""), port: parsePort(parts[2] ?? "") }),
    ({ host, port }) => ({ host, port, transport: "any" })
  )
}

const parseIcn = (rest: string): Result.Result<PeerUri, string> => {
  const at = rest.indexOf("@")
  if (at < 0) return refuse("the member is missing: icn://DID@host:port")
  return Result.all({
    did: Result.mapError(Did.parse(rest.slice(0, at)), ({ message }) => message),
    address: parseAnyHostPort(rest.slice(at + 1))
  })
}

/** The host of a multiaddr; a family that is asked of DNS is not kept, since both are tried anyway. */
const parseMultiaddrHost = (protocol: string, text: string): Result.Result<string, string> => {
  switch (protocol) {
    case "ip4":
      return isIPv4(text) ? Result.succeed(text) : refuse('"/ip4/" is followed by an IPv4 address')
    case "ip6":
      return isIPv6(text) ? Result.succeed(canonical(text) ?? text) : refuse('"/ip6/" is followed by an IPv6 address')
    case "dns":
    case "dns4":
    case "dns6":
      return parseHostName(text)
    default:
      return refuse('a multiaddr begins with "/ip4/", "/ip6/", "/dns/", "/dns4/" or "/dns6/"')
  }
}

const parseMultiaddr = (text: string): Result.Result<PeerUri, string> => {
  const [, protocol = "", host = "", network = "", port = "", ...rest] = text.split("/")
  const isQuic = network === "udp" && rest[0] === "quic-v1"
  if (!isQuic && network !== "tcp") return refuse(`expected "/udp/PORT/quic-v1" or "/tcp/PORT" behind the host`)
  const member = isQuic ? rest.slice(1) : rest
  if (member.length === 0) return refuse('the member is missing: end the multiaddr with "/p2p/PEERID"')
  if (member.length !== 2 || member[0] !== "p2p") {
    return refuse(
      'only "/p2p/PEERID" follows "/quic-v1" or the TCP port; relays and other transports are not supported'
    )
  }
  return Result.map(
    Result.all({
      host: parseMultiaddrHost(protocol, host),
      port: parsePort(port),
      did: didOfPeerId(member[1] ?? "")
    }),
    ({ did, host, port }) => ({ did, address: { host, port, transport: isQuic ? "quic" : "tcp" } })
  )
}

/** Reads where a member is; the failure is a sentence that says what is allowed. */
export const parse = (text: string): Result.Result<PeerUri, string> => {
  if (text.length > textLengthMax) return refuse(`the address has more than ${textLengthMax} characters`)
  if (/[\s,;]/.test(text)) return refuse("name one member at one address, without blanks")
  if (text.startsWith("/")) return parseMultiaddr(text)
  return /^icn:\/\//i.test(text) ? parseIcn(text.slice("icn://".length)) : refuse(`expected ${allowed}`)
}

/** The one text of a member's address: `icn://` when the transport is open, a multiaddr when it is said. */
export const format = ({ address, did }: PeerUri): string => {
  const { host, port, transport } = address
  if (transport === "any") return `icn://${did.text}@${formatHostPort(address)}`
  const protocol = isIPv4(host) ? "ip4" : isIPv6(host) ? "ip6" : "dns"
  const carrier = transport === "quic" ? `udp/${port}/quic-v1` : `tcp/${port}`
  return `/${protocol}/${host}/${carrier}/p2p/${peerIdText(did)}`
}

/** `host:port`, `host:port/quic` or `host:port/tcp`, IPv6 in brackets: for people, files and messages. */
export const formatAddress = (address: PeerAddress): string =>
  formatHostPort(address) + (address.transport === "any" ? "" : `/${address.transport}`)

/** Reads what `formatAddress` writes; the failure is a sentence that says what is allowed. */
export const parseAddress = (text: string): Result.Result<PeerAddress, string> => {
  if (text.length > textLengthMax) return refuse(`the address has more than ${textLengthMax} characters`)
  const transport = text.endsWith("/quic") ? "quic" : text.endsWith("/tcp") ? "tcp" : "any"
  const rest = transport === "any" ? text : text.slice(0, text.lastIndexOf("/"))
  return Result.map(parseAnyHostPort(rest), (address) => ({ ...address, transport }))
}

/** A map key: the same text exactly for equal addresses. */
export const addressKey = (address: PeerAddress): string => formatAddress(address)

/** Whether both are dialled in the same way at the same place; "any" equals only "any". */
export const equals = (a: PeerAddress, b: PeerAddress): boolean =>
  a.host === b.host && a.port === b.port && a.transport === b.transport

const isAddressText = Schema.makeFilter<string>((text) =>
  Result.match(parseAddress(text), { onFailure: (why) => why, onSuccess: () => undefined })
)

/** Reads and writes the text of `formatAddress`. */
export const PeerAddressFromString: Schema.Codec<PeerAddress, string> = Schema.String.check(isAddressText).pipe(
  Schema.decodeTo(
    addressSchema,
    SchemaTransformation.transform({
      decode: (text) => Result.getOrThrow(parseAddress(text)),
      encode: formatAddress
    })
  )
)
