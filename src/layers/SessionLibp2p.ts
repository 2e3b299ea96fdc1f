/**
 * `SessionManager` over libp2p 3: QUIC by a transport of our own, and TCP with Noise and yamux, on the same port. What
 * makes sessions of connections is shared with every other layer (layers/session); this one brings the connections.
 * Also gives `Libp2pNode`, on which layers/GossipLibp2p.ts spreads its messages.
 */
import { Clock, Context, Effect, Layer } from "effect"
import { type AddressScope, scopeOf } from "../domain/addressScope.ts"
import { family, type TransportAddress } from "../domain/transportAddress.ts"
import { Identity } from "../services/Identity.ts"
import { Links } from "../services/Links.ts"
import type { PeerBook } from "../services/PeerBook.ts"
import { SessionListenFailed, SessionManager } from "../services/SessionManager.ts"
import { Udp } from "../services/Udp.ts"
import type { GossipsubOptions } from "./libp2p/gossipsub.ts"
import { Libp2pNode, make as makeNode } from "./libp2p/Libp2pNode.ts"
import * as LinksMemory from "./LinksMemory.ts"
import * as Libp2pWire from "./session/libp2p/Libp2pWire.ts"
import { ownHosts } from "./session/link/hosts.ts"
import { make as linkStatus } from "./session/link/status.ts"
import { steadyMillisOf } from "./session/steadyTime.ts"
import { make as makeManager } from "./session/make.ts"
import { defaults, type LinkSettings, type RelayLimits, type SessionOptions } from "./session/Settings.ts"
import * as UdpNode from "./UdpNode.ts"

export { Libp2pNode, type SessionOptions }

/** What can be set about links; where they bind follows from where the node listens. */
export interface LinkOptions {
  /** UDP port; 0, a free one, unless given. */
  readonly port?: number
  /** None unless given. */
  readonly stunServers?: ReadonlyArray<TransportAddress>
  readonly relayLimits?: RelayLimits
}

export interface Libp2pSessionOptions extends Omit<SessionOptions, "linkSettings"> {
  /** Links through NATs, which need QUIC; `false` for none. */
  readonly links?: LinkOptions | false

  /** Where to listen, QUIC and TCP on the same port; port 0 takes a free one. Loopback and a free port unless given. */
  readonly listen?: ReadonlyArray<TransportAddress>
  /** Incoming handshakes at once, which is also how many QUIC accept loops run; 64 unless given. */
  readonly handshakesMax?: number
  readonly gossip?: GossipsubOptions
  /** Which transports to offer and to dial with, QUIC first; both unless given. */
  readonly transports?: ReadonlyArray<"quic" | "tcp">
}

const both = ["quic", "tcp"] as const
const loopback: ReadonlyArray<TransportAddress> = [{ host: "127.0.0.1", port: 0 }]

/** 100 Mbit/s for one member, and four times that for all. */
const relayLimitsDefault: RelayLimits = { perMemberBytesPerSecond: 12_500_000, totalBytesPerSecond: 50_000_000 }

/** The one address of a family that the node listens on; all of them where there are more, none where there is none. */
const boundTo = (listen: ReadonlyArray<TransportAddress>, wanted: 4 | 6): string | false => {
  const hosts = new Set(listen.map(({ host }) => host).filter((host) => family(host) === wanted))
  const [only] = hosts
  return only === undefined ? false : hosts.size === 1 ? only : wanted === 4 ? "0.0.0.0" : "::"
}

/** Links go where the node listens: on loopback alone, or in networks and the internet. */
const linkSettings = (
  listen: ReadonlyArray<TransportAddress>,
  { port = 0, relayLimits = relayLimitsDefault, stunServers = [] }: LinkOptions,
  udp: Udp["Service"]
): LinkSettings => {
  const isLoopback = listen.every(({ host }) => scopeOf(host) === "loopback")
  const scopes: ReadonlyArray<AddressScope> = isLoopback ? ["loopback"] : ["private", "public"]
  const bound = { udp4: boundTo(listen, 4), udp6: boundTo(listen, 6), scopes }
  return { udp, port, ...bound, hosts: () => ownHosts(bound), stunServers, relayLimits }
}

export const make = Effect.fnUntraced(function* (options: Libp2pSessionOptions = {}) {
  const {
    gossip = {},
    handshakesMax = 64,
    links = {},
    listen = loopback,
    transports = both,
    ...sessionOptions
  } = options
  const identity = yield* Identity
  const gate = new Libp2pWire.Gate()
  const made = yield* makeNode(identity, {
    connectionsMax: options.connectionsMax ?? defaults.connectionsMax,
    handshakesMax,
    gossip,
    transports,
    gater: gate.gater
  }).pipe(Effect.mapError(({ detail }) => new SessionListenFailed({ address: "libp2p", detail })))
  const udp = Context.get(yield* Layer.build(UdpNode.layer), Udp)
  const settings = links === false || !made.transports.includes("quic") ? undefined : linkSettings(listen, links, udp)
  const wire = Libp2pWire.make({ ...made, gate, listen, carriesLinks: settings !== undefined })
  const sessions = yield* makeManager(wire, { ...sessionOptions, linkSettings: settings })
  const clock = yield* Clock.Clock
  const now = () => steadyMillisOf(clock)
  const status = sessions.links === undefined ? LinksMemory.make() : linkStatus(sessions.links, now)
  return Context.make(SessionManager, sessions.manager).pipe(Context.add(Libp2pNode, made), Context.add(Links, status))
})

/** Listens, and stays connected until the scope closes. */
export const layer = (
  options: Libp2pSessionOptions = {}
): Layer.Layer<SessionManager | Links | Libp2pNode, SessionListenFailed, Identity | PeerBook> =>
  Layer.effectContext(make(options))
