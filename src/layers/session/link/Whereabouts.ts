/**
 * Where members may reach this node: the candidates of its offers (RFC 8445 section 5.1), gathered from its interfaces,
 * from whoever says where it sees the link socket, and from the relay.
 */
import { Effect, type Scope } from "effect"
import { distinctCandidates, type LinkCandidate } from "../../../domain/linkCandidate.ts"
import { format } from "../../../domain/transportAddress.ts"
import { Udp } from "../../../services/Udp.ts"
import type { LinkSettings, SessionSettings } from "../Settings.ts"
import type { Table } from "../Table.ts"
import type { LinkSocket } from "./LinkSocket.ts"
import * as Reflexives from "./Reflexive.ts"
import type { RelayPort } from "./RelayPort.ts"

export interface Whereabouts {
  /** The addresses of this machine at which the link socket can be reached. */
  readonly hosts: () => ReadonlyArray<string>
  readonly candidates: () => ReadonlyArray<LinkCandidate>
  readonly reflexive: Reflexives.Reflexive
}

/** To tell whether a member knows all of it, whatever the order. */
export const textOf = (candidates: ReadonlyArray<LinkCandidate>): string =>
  candidates
    .map(({ address, kind }) => `${kind} ${format(address)}`)
    .toSorted()
    .join(" ")

/** Asks who can be asked, and keeps the answers true until the scope closes. */
export const make = Effect.fnUntraced(function* (
  socket: LinkSocket,
  relay: RelayPort,
  table: Pick<Table, "open">,
  settings: SessionSettings,
  options: LinkSettings
): Effect.fn.Return<Whereabouts, never, Scope.Scope> {
  const { hosts } = options

  /** Every bootstrap peer tells by its link socket where it sees this node. */
  const bootstrapServers = () => {
    const configured = new Set(settings.bootstrapPeers.map(({ did }) => did.text))
    return table
      .open()
      .flatMap(({ did, linkPort, remote }) =>
        configured.has(did.text) && linkPort !== undefined ? [{ host: remote.host, port: linkPort }] : []
      )
  }
  const turnServers = () => {
    const state = relay.state()
    return state === undefined ? [] : [state.server]
  }
  const reflexive = yield* Reflexives.make({
    socket,
    servers: () => [...options.stunServers, ...turnServers(), ...bootstrapServers()]
  }).pipe(Effect.provideService(Udp, options.udp))

  /** Where the member may reach this node now. */
  const candidates = (): ReadonlyArray<LinkCandidate> => {
    const found: Array<LinkCandidate> = []
    for (const host of hosts()) {
      const isIPv6 = host.includes(":")
      if (isIPv6 ? socket.families.udp6 : socket.families.udp4) {
        found.push({ kind: "host", address: { host, port: socket.port } })
      }
    }
    for (const address of reflexive.addresses()) found.push({ kind: "serverReflexive", address })
    const state = relay.state()
    if (state !== undefined) {
      found.push({ kind: "relayed", address: state.relayedAddress })
      // The member's relay must let in the address from which this node comes, whoever saw it there.
      const { mappedAddress } = state
      if (!found.some(({ address }) => address.host === mappedAddress.host)) {
        found.push({ kind: "serverReflexive", address: mappedAddress })
      }
    }
    return distinctCandidates(found)
  }

  return { hosts, candidates, reflexive }
})
