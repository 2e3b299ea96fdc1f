/**
 * Which interfaces multicast DNS uses, and what may pass on each: only those that the configuration names or that the
 * node listens on by a specific address, never all of them for a wildcard. What is heard counts only when it comes from
 * the interface's own network (RFC 6762 section 11), since a kernel may hand a socket the multicast of every interface;
 * what is told are only addresses that are of use there. Reading the interfaces is left to the caller.
 */
import { scopeOf } from "./addressScope.ts"
import { canonical, parseIPv4, parseIPv6 } from "./ipAddress.ts"
import type { PeerAddress } from "./peerAddress.ts"
import type { TransportAddress } from "./transportAddress.ts"

/** One address of an interface of this machine; an interface has as many entries as addresses. */
export interface NetworkInterface {
  readonly name: string
  /** An IP literal without a zone. */
  readonly address: string
  /** The bits of the address that are the same for the whole network, as an IP literal. */
  readonly netmask: string
  readonly family: 4 | 6
  /** Loopback. */
  readonly internal: boolean
}

/** An interface in one of its families, and the address of its own by which it is told from others. */
export interface ChosenInterface {
  readonly name: string
  readonly family: 4 | 6
  readonly address: string
}

export interface Choice {
  readonly chosen: ReadonlyArray<ChosenInterface>
  /** What was asked for and is not there, as sentences. */
  readonly problems: ReadonlyArray<string>
}

/** Each takes a socket; 16 names can stand in the configuration, each for both families. */
export const chosenInterfacesMax = 32

const bytesOf = (host: string): Uint8Array | undefined => parseIPv4(host) ?? parseIPv6(host)

/** Whether a host is in the network of one of an interface's addresses. */
const inNetwork = ({ address, netmask }: NetworkInterface, host: string): boolean => {
  const [own, mask, other] = [bytesOf(address), bytesOf(netmask), bytesOf(host)]
  if (own === undefined || mask === undefined || other === undefined) return false
  if (own.length !== other.length || own.length !== mask.length) return false
  return own.every((byte, index) => ((byte ^ (other[index] ?? 0)) & (mask[index] ?? 0)) === 0)
}

const isLinkLocal = ({ address, family }: NetworkInterface): boolean => family === 6 && scopeOf(address) === "linkLocal"

/**
 * The entry that stands for an interface in a family. IPv6 multicast of one link is sent from a link-local address,
 * which loopback has not.
 */
const usable = (
  entries: ReadonlyArray<NetworkInterface>,
  name: string,
  family: 4 | 6
): NetworkInterface | undefined => {
  const own = entries.filter((entry) => entry.name === name && entry.family === family)
  return family === 4 ? own[0] : own.find(isLinkLocal)
}

const chosenOf = ({ address, family, name }: NetworkInterface): ChosenInterface => ({ name, family, address })

/** Both families of an interface's name. */
const byName = (entries: ReadonlyArray<NetworkInterface>, name: string): ReadonlyArray<ChosenInterface> =>
  ([4, 6] as const).flatMap((family) => {
    const entry = usable(entries, name, family)
    return entry === undefined ? [] : [chosenOf(entry)]
  })

/** The interface that has an address, in that address's family; all of 127.0.0.0/8 is loopback's. */
const byAddress = (entries: ReadonlyArray<NetworkInterface>, host: string): ReadonlyArray<ChosenInterface> => {
  const owner =
    entries.find(({ address }) => canonical(address) === host) ??
    entries.find((entry) => entry.internal && inNetwork(entry, host))
  if (owner === undefined) return []
  if (owner.family === 4) return [chosenOf(owner)]
  const entry = usable(entries, owner.name, 6)
  return entry === undefined ? [] : [chosenOf(entry)]
}

const isWildcard = (host: string): boolean => bytesOf(host)?.every((byte) => byte === 0) === true

const problemOfName = (name: string): string => `mdns_interfaces: no interface with multicast is called ${name}`
const problemOfAddress = (key: string, host: string): string => `${key}: no interface with multicast has ${host}`

/**
 * The interfaces to use, each once per family: those that are named, by name or address, or else those of the specific
 * addresses that the node listens on.
 */
export const chooseInterfaces = (
  named: ReadonlyArray<string>,
  listenAddresses: ReadonlyArray<TransportAddress>,
  interfaces: ReadonlyArray<NetworkInterface>
): Choice => {
  const chosen = new Map<string, ChosenInterface>()
  const problems = new Set<string>()
  const add = (found: ReadonlyArray<ChosenInterface>, problem: string): void => {
    if (found.length === 0) problems.add(problem)
    for (const one of found) {
      const key = `${one.name} ${one.family}`
      if (!chosen.has(key) && chosen.size < chosenInterfacesMax) chosen.set(key, one)
    }
  }
  for (const text of named) {
    const host = canonical(text)
    if (host === undefined) add(byName(interfaces, text), problemOfName(text))
    else add(byAddress(interfaces, host), problemOfAddress("mdns_interfaces", host))
  }
  if (named.length === 0) {
    const hosts = new Set(
      listenAddresses.map(({ host }) => canonical(host) ?? host).filter((host) => !isWildcard(host))
    )
    for (const host of hosts) add(byAddress(interfaces, host), problemOfAddress("listen_addr", host))
  }
  return { chosen: [...chosen.values()], problems: [...problems] }
}

/**
 * The sender of what a socket for an interface received, without its zone, or `undefined` when it did not come from
 * that interface's network. The zone of a link-local address says which interface it came in on.
 */
export const senderOn = (
  chosen: ChosenInterface,
  interfaces: ReadonlyArray<NetworkInterface>,
  from: string
): string | undefined => {
  const [text = "", zone] = from.split("%")
  const host = canonical(text)
  if (host === undefined) return undefined
  if (chosen.family === 6) return zone === chosen.name && scopeOf(host) === "linkLocal" ? host : undefined
  const own = interfaces.filter(({ family, name }) => name === chosen.name && family === 4)
  return own.some((entry) => inNetwork(entry, host)) ? host : undefined
}

/**
 * Which of the addresses that a node listens on are told on an interface: those in its networks. A link-local IPv6
 * address is left out, since it is of no use without the name that the interface has on the other side.
 */
export const addressesOn = (
  name: string,
  interfaces: ReadonlyArray<NetworkInterface>,
  listening: ReadonlyArray<PeerAddress>
): ReadonlyArray<PeerAddress> => {
  const own = interfaces.filter((entry) => entry.name === name && !isLinkLocal(entry))
  return listening.filter(({ host }) => own.some((entry) => inNetwork(entry, host)))
}
