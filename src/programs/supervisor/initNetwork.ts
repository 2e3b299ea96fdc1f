/**
 * The network phase: sessions with other members, on the addresses of `listen_addr`, and the TURN relay when one is
 * configured. An address that cannot be listened on stops the start; a relay's server that does not answer only
 * degrades the node.
 */
import { Context, Effect, Layer, SubscriptionRef } from "effect"
import * as PeerAddress from "../../domain/peerAddress.ts"
import * as TurnConfig from "../../domain/turnConfig.ts"
import { format } from "../../domain/turnServer.ts"
import type { DataDirectory } from "../../services/DataDirectory.ts"
import type { Gossip } from "../../services/Gossip.ts"
import type { Identity } from "../../services/Identity.ts"
import type { Links } from "../../services/Links.ts"
import { NodeConfig } from "../../services/NodeConfig.ts"
import type { PeerBook } from "../../services/PeerBook.ts"
import { type SessionListenFailed, SessionManager } from "../../services/SessionManager.ts"
import type { TurnAllocation, TurnClient } from "../../services/TurnClient.ts"
import { candidateAnnounce } from "../candidateAnnounce.ts"
import { candidateCleanup } from "../candidateCleanup.ts"
import { mdnsDiscovery } from "../mdnsDiscovery.ts"
import { makeNodeProfiles } from "../nodeProfiles.ts"
import { sessionLog } from "../sessionLog.ts"
import { type RelayRef, turnRelay } from "../turnRelay.ts"
import type { Actors } from "./actors.ts"
import type { Registry } from "./registry.ts"

/** What the node has with other members. */
export type Network = SessionManager | PeerBook | Gossip | Links

/** The layers of this phase. */
export interface NetworkParts {
  readonly sessions: (
    relay: RelayRef
  ) => Layer.Layer<Network, SessionListenFailed, NodeConfig | DataDirectory | Identity>
  readonly turn: Layer.Layer<TurnClient>
}

/** The `[network]` section as the client wants it; `undefined` when no server is configured. */
export const turnConfigOf = ({ values: { network } }: NodeConfig["Service"]): TurnConfig.TurnConfig | undefined => {
  if (network.turnServer === undefined) return undefined
  const config = TurnConfig.make(network.turnServer).pipe(
    TurnConfig.withAllocationLifetime(network.turnAllocationLifetime),
    TurnConfig.withKeepalive(network.turnKeepalive),
    TurnConfig.withTimeout(network.turnTimeout)
  )
  const { turnPassword, turnTransport, turnUsername } = network
  // Left open here, the address may still say it.
  const reached = turnTransport === "auto" ? config : config.pipe(TurnConfig.withTransport(turnTransport))
  return turnUsername === undefined || turnPassword === undefined
    ? reached
    : reached.pipe(TurnConfig.withCredentials(turnUsername, turnPassword))
}

/** Tells where the node listens, to others as URIs that they can dial. */
const tellListening = Effect.fnUntraced(function* (registry: Registry, sessions: SessionManager["Service"]) {
  const addresses = yield* sessions.listening
  yield* registry.learn({ listen: addresses.map((address) => PeerAddress.format({ did: sessions.did, address })) })
  return `listening on ${addresses.map(PeerAddress.formatAddress).join(", ")}`
})

export const startNetwork = Effect.fnUntraced(function* (actors: Actors, registry: Registry, parts: NetworkParts) {
  const config = yield* NodeConfig
  const relay: RelayRef = yield* SubscriptionRef.make<TurnAllocation | undefined>(undefined)
  const turn = turnConfigOf(config)
  // What starts first ends last: the last words of sessions may have to go over the relay.
  if (turn !== undefined) {
    const client = yield* Layer.build(parts.turn)
    yield* actors.spawn("turn", (ready) => turnRelay(turn, registry, relay)(ready).pipe(Effect.provideContext(client)))
  }
  const network = yield* Layer.build(parts.sessions(relay))
  const { candidateCleanupInterval } = config.values.supervisor
  yield* actors.spawn("candidate_cleanup", (ready) =>
    candidateCleanup(candidateCleanupInterval)(ready).pipe(Effect.provideContext(network))
  )
  yield* actors.spawn("session_log", (ready) => sessionLog(ready).pipe(Effect.provideContext(network)))
  yield* actors.spawn("candidate_announce", (ready) => candidateAnnounce(ready).pipe(Effect.provideContext(network)))
  const profiles = yield* makeNodeProfiles({ self: { startedAt: registry.facts().startedAtMillis } }).pipe(
    Effect.provideContext(network)
  )
  yield* actors.spawn("node_profiles", profiles.run)
  if (config.values.network.mdnsEnabled) {
    yield* actors.spawn("mdns", (ready) => mdnsDiscovery(ready).pipe(Effect.provideContext(network)))
  }
  const where = yield* tellListening(registry, Context.get(network, SessionManager))
  return { network, detail: turn === undefined ? where : `${where}; asking ${format(turn.server)} for a relay` }
})
