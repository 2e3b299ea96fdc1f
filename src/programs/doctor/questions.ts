/** What the configuration gives `icn-node doctor` to ask about: names, servers, ports and members. Pure. */
import { scopeOf } from "../../domain/addressScope.ts"
import type { ConfigurationFact } from "../../domain/doctorFacts.ts"
import { formatProblem } from "../../domain/nodeConfigProblem.ts"
import { family, type TransportAddress } from "../../domain/transportAddress.ts"
import type { NodeConfig } from "../../services/NodeConfig.ts"

type Config = NodeConfig["Service"]

export const configurationFact = ({ source, values: { network }, warnings }: Config): ConfigurationFact => ({
  source,
  warnings: warnings.map(formatProblem),
  isLoopbackOnly: network.listenAddr.every(({ host }) => scopeOf(host) === "loopback"),
  linksEnabled: network.linksEnabled,
  linkPort: network.linkPort,
  listenPorts: network.listenAddr.map(({ port }) => port)
})

/** The host names of the configuration, each with the keys that name it; IP literals need no resolver. */
export const namesOf = ({
  values: { network }
}: Config): ReadonlyArray<{ readonly name: string; readonly keys: ReadonlyArray<string> }> => {
  const named: ReadonlyArray<readonly [key: string, hosts: ReadonlyArray<string>]> = [
    ["bootstrap_peers", network.bootstrapPeers.map(({ address }) => address.host)],
    ["turn_server", network.turnServer === undefined ? [] : [network.turnServer.host]],
    ["stun_servers", network.stunServers.map(({ host }) => host)]
  ]
  const names = new Set(named.flatMap(([, hosts]) => hosts).filter((host) => family(host) === undefined))
  return Array.from(names, (name) => ({
    name,
    keys: named.filter(([, hosts]) => hosts.includes(name)).map(([key]) => key)
  }))
}

/** Whom to ask for this machine's address outside, the TURN server among them. */
export const stunServersOf = ({ values: { network } }: Config): ReadonlyArray<TransportAddress> => {
  const servers = [...(network.turnServer === undefined ? [] : [network.turnServer]), ...network.stunServers]
  return servers.filter((one, index) => servers.findIndex((other) => sameAddress(one, other)) === index)
}

const sameAddress = (a: TransportAddress, b: TransportAddress): boolean => a.host === b.host && a.port === b.port

/** Where the link socket of a node would be bound, by family: at its one listen address, or at all of them. */
const linkHost = (listen: ReadonlyArray<TransportAddress>, wanted: 4 | 6): string | undefined => {
  const hosts = new Set(listen.map(({ host }) => host).filter((host) => family(host) === wanted))
  const [only] = hosts
  return hosts.size > 1 ? (wanted === 4 ? "0.0.0.0" : "::") : only
}

export interface PortQuestion {
  readonly key: "listen_addr" | "link_port"
  readonly protocol: "tcp" | "udp"
  readonly address: TransportAddress
}

/** The ports that the node needs: both protocols of each listen address, and the UDP port of links. */
export const portsOf = ({ values: { network } }: Config): ReadonlyArray<PortQuestion> => {
  const { linkPort, linksEnabled, listenAddr } = network
  const listen = listenAddr.flatMap((address): ReadonlyArray<PortQuestion> => [
    { key: "listen_addr", protocol: "udp", address },
    { key: "listen_addr", protocol: "tcp", address }
  ])
  const collides = listenAddr.some(({ port }) => port === linkPort)
  if (!linksEnabled || linkPort === 0 || collides) return listen
  const hosts = [linkHost(listenAddr, 4), linkHost(listenAddr, 6)].filter((host) => host !== undefined)
  return [
    ...listen,
    ...hosts.map((host): PortQuestion => ({ key: "link_port", protocol: "udp", address: { host, port: linkPort } }))
  ]
}
