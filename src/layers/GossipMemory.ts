/**
 * `Gossip` by flooding over the sessions of any `SessionManager`: each node sends each message once to every neighbour
 * that wants it. For tests and simulations, where it runs under TestClock, and for embedders with a handful of members;
 * gossipsub sends fewer copies where there are many.
 */
import { Effect, Layer } from "effect"
import { Gossip } from "../services/Gossip.ts"
import { Identity } from "../services/Identity.ts"
import { SessionManager } from "../services/SessionManager.ts"
import { Flood } from "./gossip/Flood.ts"
import { type GossipOptions, Topics } from "./gossip/Topics.ts"

export type { GossipOptions }

export const make = Effect.fnUntraced(function* (options: GossipOptions) {
  const identity = yield* Identity
  const sessions = yield* SessionManager
  const flood: Flood = new Flood(sessions, identity, () => topics)
  const topics = new Topics(identity.did, options, { joined: flood.wishesChanged, left: flood.wishesChanged })
  yield* topics.measure
  yield* flood.start
  return Gossip.of({
    publish: (topic, message) =>
      Effect.flatMap(topics.prepare(topic, message), (bytes) => flood.publish(topic.name, bytes)),
    subscribe: topics.subscribe,
    topics: Effect.sync(() => topics.names.map((name) => ({ name, neighbours: flood.neighbours(name) })))
  })
})

/** Gossip with the neighbours of the session manager. */
export const layer = (options: GossipOptions = {}): Layer.Layer<Gossip, never, SessionManager | Identity> =>
  Layer.effect(Gossip, make(options))
