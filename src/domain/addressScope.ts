/**
 * How far an IP address reaches, by the special-purpose registries of IANA (RFC 6890), and who may tell of which
 * address. A stranger on the internet that names 192.168.1.1 or 127.0.0.1 would make this node knock at doors inside
 * its own network, so whoever is reached over one scope may name addresses of the same or a wider scope only. An IPv4
 * address inside an IPv6 one is unwrapped first: the packet arrives there in the end. A name counts as unusable, so
 * nobody may tell of one: it could be pointed anywhere after it was checked.
 */
import { parseIPv4, parseIPv6 } from "./ipAddress.ts"

/** From the narrowest to the widest. */
export const addressScopes = ["unusable", "loopback", "linkLocal", "private", "public"] as const

/**
 * `unusable`: no member can be there (unspecified, multicast, broadcast, reserved); `loopback`: this machine;
 * `linkLocal`: this wire; `private`: this network, that of a carrier's NAT included; `public`: everywhere.
 */
export type AddressScope = (typeof addressScopes)[number]

const narrower = (a: AddressScope, b: AddressScope): AddressScope =>
  addressScopes.indexOf(a) <= addressScopes.indexOf(b) ? a : b

interface Block {
  readonly prefix: Uint8Array
  readonly length: number
  readonly scope: AddressScope
}

const block = (text: string, scope: AddressScope): Block => {
  const [address = "", length = ""] = text.split("/")
  const prefix = parseIPv4(address) ?? parseIPv6(address)
  if (prefix === undefined) throw new RangeError(`${text} is no block of addresses`)
  return { prefix, length: Number(length), scope }
}

const contains = ({ length, prefix }: Block, bytes: Uint8Array): boolean => {
  const whole = length >> 3
  for (let index = 0; index < whole; index++) if (bytes[index] !== prefix[index]) return false
  const mask = (0xff00 >> (length & 7)) & 0xff
  return ((bytes[whole] ?? 0) & mask) === ((prefix[whole] ?? 0) & mask)
}

/**
 * The first block that holds an address decides; what is in none is public. The networks for documentation
 * (192.0.2.0/24 and the like) count as public: nobody is there on the real internet, so a dial ends in silence as at
 * any address that is not in use, and examples and test networks use them for what they stand for, the internet.
 */
const ipv4Blocks: ReadonlyArray<Block> = [
  block("0.0.0.0/8", "unusable"), // this network, RFC 791
  block("10.0.0.0/8", "private"), // RFC 1918
  block("100.64.0.0/10", "private"), // behind a carrier's NAT, RFC 6598
  block("127.0.0.0/8", "loopback"), // RFC 1122
  block("169.254.0.0/16", "linkLocal"), // RFC 3927
  block("172.16.0.0/12", "private"), // RFC 1918
  block("192.0.0.0/24", "unusable"), // protocol assignments, RFC 6890
  block("192.88.99.0/24", "unusable"), // relays of 6to4, withdrawn by RFC 7526
  block("192.168.0.0/16", "private"), // RFC 1918
  block("198.18.0.0/15", "private"), // benchmarks inside one network, RFC 2544
  block("224.0.0.0/4", "unusable"), // multicast, RFC 5771
  block("240.0.0.0/4", "unusable") // reserved, and the broadcast address, RFC 1112 and RFC 919
]

/** As above; what is in none is unusable, since the internet is 2000::/3 and the rest is not given out. */
const ipv6Blocks: ReadonlyArray<Block> = [
  block("::1/128", "loopback"), // RFC 4291
  block("2001:2::/48", "private"), // benchmarks inside one network, RFC 5180
  block("2001:3::/32", "public"), // multicast over unicast, RFC 7450
  block("2001:4:112::/48", "public"), // name servers of AS 112, RFC 7535
  block("2001::/23", "unusable"), // other protocol assignments, RFC 2928
  block("3fff::/20", "public"), // documentation, RFC 9637
  block("2000::/3", "public"), // RFC 4291; documentation in 2001:db8::/32 included
  block("fc00::/7", "private"), // unique local, RFC 4193
  block("fe80::/10", "linkLocal"), // RFC 4291
  block("fec0::/10", "private") // site-local, withdrawn by RFC 3879 and still in use
]

const lookUp = (blocks: ReadonlyArray<Block>, bytes: Uint8Array, otherwise: AddressScope): AddressScope =>
  blocks.find((candidate) => contains(candidate, bytes))?.scope ?? otherwise

const scopeOfIPv4 = (bytes: Uint8Array): AddressScope => lookUp(ipv4Blocks, bytes, "public")

const quadAt = (bytes: Uint8Array, ...indices: ReadonlyArray<number>): AddressScope =>
  scopeOfIPv4(Uint8Array.from(indices, (index) => bytes[index] ?? 0))

/**
 * A translator of one's own (RFC 8215) may put the IPv4 address at any of the places of RFC 6052 section 2.2. The
 * narrowest reading counts; a wrong place mostly reads as 0.x.x.x and says nothing.
 */
const scopeOfLocalTranslation = (bytes: Uint8Array): AddressScope => {
  const readings = [
    quadAt(bytes, 6, 7, 9, 10),
    quadAt(bytes, 7, 9, 10, 11),
    quadAt(bytes, 9, 10, 11, 12),
    quadAt(bytes, 12, 13, 14, 15)
  ].filter((scope) => scope !== "unusable")
  return readings.length === 0 ? "unusable" : readings.reduce(narrower, "private")
}

interface Wrapping {
  readonly block: Block
  readonly scope: (bytes: Uint8Array) => AddressScope
}

const lastFour = (bytes: Uint8Array): AddressScope => quadAt(bytes, 12, 13, 14, 15)

/** Where an IPv4 address is inside an IPv6 one. A wrapping that itself crosses the internet can't widen anything. */
const wrappings: ReadonlyArray<Wrapping> = [
  { block: block("::ffff:0:0/96", "unusable"), scope: lastFour }, // IPv4-mapped, RFC 4291
  { block: block("::/96", "unusable"), scope: lastFour }, // IPv4-compatible, withdrawn by RFC 4291
  { block: block("64:ff9b::/96", "unusable"), scope: lastFour }, // NAT64, RFC 6052
  { block: block("64:ff9b:1::/48", "unusable"), scope: scopeOfLocalTranslation },
  { block: block("2002::/16", "unusable"), scope: (bytes) => quadAt(bytes, 2, 3, 4, 5) }, // 6to4, RFC 3056
  {
    // Teredo, RFC 4380: the server, and the client with all bits turned.
    block: block("2001::/32", "unusable"),
    scope: (bytes) => {
      const client = scopeOfIPv4(bytes.subarray(12).map((byte) => byte ^ 0xff))
      return narrower(quadAt(bytes, 4, 5, 6, 7), client)
    }
  }
]

const scopeOfIPv6 = (bytes: Uint8Array): AddressScope => {
  const loopback = ipv6Blocks[0]
  if (loopback !== undefined && contains(loopback, bytes)) return loopback.scope
  const wrapping = wrappings.find((candidate) => contains(candidate.block, bytes))
  return wrapping === undefined ? lookUp(ipv6Blocks, bytes, "unusable") : wrapping.scope(bytes)
}

/** How far an IP literal reaches. A name reaches nowhere by itself: judge what it resolves to. */
export const scopeOf = (host: string): AddressScope => {
  const four = parseIPv4(host)
  if (four !== undefined) return scopeOfIPv4(four)
  const six = parseIPv6(host)
  return six === undefined ? "unusable" : scopeOfIPv6(six)
}

/**
 * Whether somebody who is reached over scope `via` may tell of an address of scope `target`: of the same or a wider
 * one. Over the internet that is the internet only; nobody may tell of an unusable one, and one who is nowhere may
 * tell nothing.
 */
export const admits = (via: AddressScope, target: AddressScope): boolean =>
  via !== "unusable" && target !== "unusable" && addressScopes.indexOf(target) >= addressScopes.indexOf(via)
