/** What `icn-node network status` shows to people: pure text of what the node answered. */
import { formatSeconds } from "../../domain/fileTransferProgress.ts"
import type { LinkPathStatus, LinksReport, LinkStatus, NetworkStatus } from "../rpc/Api.ts"
import { milliseconds, pathText } from "./member.ts"
import { trafficText } from "./peers.ts"
import { relayedOn } from "./status.ts"

const times = (count: number): string => (count === 1 ? "once" : `${count} times`)

const relayText = ({ relay }: NetworkStatus): string =>
  relay === null ? "none" : `${relayedOn(relay)}, for ${formatSeconds(relay.expiresInSeconds)} unless refreshed`

const candidatesText = ({ candidates }: NetworkStatus): string =>
  candidates.length === 0 ? "none announced" : candidates.map(({ address, kind }) => `${address} (${kind})`).join(", ")

/** `port-restricted cone, measured`. */
export const natText = ({ filtering, kind, mapping }: Omit<LinksReport["nat"], "sentence">): string => {
  const confidence = mapping.confidence === "unknown" ? filtering.confidence : mapping.confidence
  return confidence === "unknown" ? kind : `${kind}, ${confidence}`
}

const serverText = ({ mapped, problem, rttMs, server }: LinksReport["servers"][number]): string =>
  mapped === null
    ? `nothing from ${server}: ${problem ?? "no answer"}`
    : `${mapped} as ${server} sees it${rttMs === null ? "" : `, ${milliseconds(rttMs)}`}`

const familiesText = ({ udp4, udp6 }: LinksReport["families"]): string =>
  [...(udp4 ? ["IPv4"] : []), ...(udp6 ? ["IPv6"] : [])].join(" and ")

type Row = readonly [name: string, text: string]

const linksRows = ({ links }: NetworkStatus): ReadonlyArray<Row> => {
  if (links === null) return [["links", "none: links_enabled is off, or this node has no QUIC"]]
  const servers = links.servers.map(serverText)
  return [
    ["nat", `${natText(links.nat)}. ${links.nat.sentence}`],
    ["link port", `${links.port} (UDP over ${familiesText(links.families)})`],
    ...(servers.length === 0 ? ["nobody to ask yet: no STUN or TURN server, and no bootstrap peer"] : servers).map(
      (text, index): Row => [index === 0 ? "mapped" : "", text]
    )
  ]
}

/** `relayed to 203.0.113.10:49152 through this node's relay, 3.20 ms`. */
const wayText = ({ base, kind, remote, rttMs }: LinkPathStatus): string =>
  `${kind} to ${remote}${base === "relay" ? " through this node's relay" : ""}` +
  (rttMs === null ? "" : `, ${milliseconds(rttMs)}`)

const linkLines = (link: LinkStatus): ReadonlyArray<string> => {
  const active = link.paths.find(({ active }) => active)
  const others = link.paths.filter(({ active, state }) => !active && state === "valid")
  const age = active?.consentAgeMs ?? null
  const confirmed = age === null ? "" : `, last confirmed ${(age / 1000).toFixed(1)} s ago`
  const relayed = { bytesIn: link.relayBytesReceived, bytesOut: link.relayBytesSent }
  return [
    `link ${link.state} for ${formatSeconds(link.ageSeconds)}, way changed ${times(link.switches)}, ` +
      `consent lost ${times(link.consentLosses)}${confirmed}`,
    ...(active === undefined ? [`no way now; ${link.paths.length} are being tried`] : [`on ${wayText(active)}`]),
    ...others.map((other) => `also ${wayText(other)}`),
    ...(relayed.bytesIn + relayed.bytesOut === 0 ? [] : [`through this node's relay ${trafficText(relayed)}`])
  ]
}

const peerLines = (peer: NetworkStatus["peers"][number], link: LinkStatus | undefined): ReadonlyArray<string> => [
  `${pathText(peer.path)}, for ${formatSeconds(peer.path.sinceSeconds)}`,
  trafficText(peer),
  ...(link === undefined ? [] : linkLines(link))
]

const section = (did: string, lines: ReadonlyArray<string>): ReadonlyArray<string> => [
  `  ${did}`,
  ...lines.map((line) => `    ${line}`)
]

export const networkText = (status: NetworkStatus): string => {
  const links = status.links?.links ?? []
  const withSession = new Set(status.peers.map(({ did }) => did))
  const making = links.filter(({ did }) => !withSession.has(did))
  const rows: ReadonlyArray<Row> = [
    ["did", status.did],
    ["listening", status.listen.join(", ")],
    ["candidates", candidatesText(status)],
    ...linksRows(status),
    ["relay", relayText(status)],
    ["peers", String(status.peers.length)]
  ]
  return [
    ...rows.map(([name, text]) => `${name.padEnd(12)}${text}`),
    ...status.peers.flatMap((peer) =>
      section(
        peer.did,
        peerLines(
          peer,
          links.find(({ did }) => did === peer.did)
        )
      )
    ),
    ...(making.length === 0 ? [] : [`links without a session: ${making.length}`]),
    ...making.flatMap((link) => section(link.did, linkLines(link)))
  ].join("\n")
}
