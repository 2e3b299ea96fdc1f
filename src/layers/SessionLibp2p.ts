/**
 * `SessionManager` over libp2p 3: QUIC by a transport of our own, and TCP with Noise and yamux, on the same port. What
 * makes sessions of connections is shared with every other layer (layers/session); this one brings the connections.
 * Also gives `Libp2pNode`, on which layers/GossipLibp2p.ts spreads its messages.
 */
import { Context, Effect, Layer } from "effect"
import type { TransportAddress } from "../domain/transportAddress.ts"
import { Identity } from "../services/Identity.ts"
import type { PeerBook } from "../services/PeerBook.ts"
import { SessionListenFailed, SessionManager } from "../services/SessionManager.ts"
import type { GossipsubOptions } from "./libp2p/gossipsub.ts"
import { Libp2pNode, make as makeNode } from "./libp2p/Libp2pNode.ts"
import * as Libp2pWire from "./session/libp2p/Libp2pWire.ts"
import { make as makeManager } from "./session/make.ts"
import { defaults, type SessionOptions } from "./session/Settings.ts"

export { Libp2pNode, type SessionOptions }

export interface Libp2pSessionOptions extends SessionOptions {
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

export const make = Effect.fnUntraced(function* (options: Libp2pSessionOptions = {}) {
  const { gossip = {}, handshakesMax = 64, listen = loopback, transports = both, ...sessionOptions } = options
  const identity = yield* Identity
  const gate = new Libp2pWire.Gate()
  const made = yield* makeNode(identity, {
    connectionsMax: options.connectionsMax ?? defaults.connectionsMax,
    handshakesMax,
    gossip,
    transports,
    gater: gate.gater
  }).pipe(Effect.mapError(({ detail }) => new SessionListenFailed({ address: "libp2p", detail })))
  const manager = yield* makeManager(Libp2pWire.make({ ...made, gate, listen, carriesLinks: false }), sessionOptions)
  return Context.make(SessionManager, manager).pipe(Context.add(Libp2pNode, made))
})

/** Listens, and stays connected until the scope closes. */
export const layer = (
  options: Libp2pSessionOptions = {}
): Layer.Layer<SessionManager | Libp2pNode, SessionListenFailed, Identity | PeerBook> =>
  Layer.effectContext(make(options))
