/** Multiaddrs of QUIC version 1 over an IP address, such as `/ip4/192.0.2.1/udp/4001/quic-v1`, and what is in them. */
import { InvalidMultiaddrError, type PeerId } from "@libp2p/interface"
import { peerIdFromString } from "@libp2p/peer-id"
import { isLinkLocalIp } from "@libp2p/utils"
import { type Multiaddr, multiaddr } from "@multiformats/multiaddr"
import { networkInterfaces } from "node:os"

export interface QuicAddress {
  readonly family: 4 | 6
  readonly host: string
  readonly port: number
}

const names = /^(?:ip4|ip6),udp,quic-v1(?:,p2p)?$/

/** Whether an address is of this kind and nothing more: no relay, no zone, no name to look up. */
export const isQuic = (address: Multiaddr): boolean =>
  names.test(
    address
      .getComponents()
      .map(({ name }) => name)
      .join()
  )

const component = (address: Multiaddr, ...wanted: ReadonlyArray<string>) =>
  address.getComponents().find(({ name }) => wanted.includes(name))

export const quicAddress = (address: Multiaddr): QuicAddress => {
  const ip = component(address, "ip4", "ip6")
  const port = component(address, "udp")?.value
  if (!isQuic(address) || ip?.value === undefined || port === undefined) {
    throw new InvalidMultiaddrError(`not an address of QUIC: ${address.toString()}`)
  }
  return { family: ip.name === "ip4" ? 4 : 6, host: ip.value, port: Number(port) }
}

/** The peer that an address names. */
export const peerOf = (address: Multiaddr): PeerId | undefined => {
  const id = component(address, "p2p")?.value
  return id === undefined ? undefined : peerIdFromString(id)
}

const format = ({ family, host, port }: QuicAddress): Multiaddr => multiaddr(`/ip${family}/${host}/udp/${port}/quic-v1`)

/** Where a listener can be reached: for a wildcard the addresses of the interfaces as they are at this moment. */
export const reachableAddresses = (address: QuicAddress): Array<Multiaddr> => {
  if (address.host !== "0.0.0.0" && address.host !== "::") return [format(address)]
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ address: host, family }) => family === `IPv${address.family}` && !isLinkLocalIp(host))
    .map(({ address: host }) => format({ ...address, host }))
}
