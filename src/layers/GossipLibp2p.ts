/**
 * `Gossip` over gossipsub on the libp2p node of the sessions. Each message is checked by the topic's validator before
 * gossipsub delivers or passes it on; what is not wanted or too much does not even get that far
 * (layers/libp2p/gossipsub.ts). Streams of gossip that break while their session lives are opened again.
 */
import { type TopicValidatorFn, TopicValidatorResult } from "@libp2p/gossipsub"
import type { PublicKey } from "@libp2p/interface"
import { Clock, Effect, Layer, Schedule } from "effect"
import type { Did } from "../domain/did.ts"
import { type GossipRefusal, ignore, reject } from "../domain/gossipAdmission.ts"
import { Gossip } from "../services/Gossip.ts"
import { Identity } from "../services/Identity.ts"
import { Authors } from "./gossip/Authors.ts"
import { type GossipOptions, Topics } from "./gossip/Topics.ts"
import { closeGate, hasStreams, openGate, reopenStream, scoreTopic } from "./libp2p/gossipsub.ts"
import { Libp2pNode } from "./libp2p/Libp2pNode.ts"

export type { GossipOptions }

/** How often broken streams are looked for: a neighbour that was too slow has had time to catch up. */
const mendMillis = 2000

const resultOf = (refusal: GossipRefusal | undefined): TopicValidatorResult => {
  if (refusal === undefined) return TopicValidatorResult.Accept
  return refusal._tag === "Ignore" ? TopicValidatorResult.Ignore : TopicValidatorResult.Reject
}

export const make = Effect.fnUntraced(function* (options: GossipOptions) {
  const { gossipsub, node } = yield* Libp2pNode
  const identity = yield* Identity
  const clock = yield* Clock.Clock
  const context = yield* Effect.context()
  const now = () => clock.currentTimeMillisUnsafe()
  const authors = new Authors()
  const memberOf = (key: PublicKey | undefined): Did | undefined =>
    key?.type === "Ed25519" ? authors.of(key.raw) : undefined

  const validate: TopicValidatorFn = (peer, message) => {
    const author = message.type === "signed" ? memberOf(message.key) : undefined
    const from = memberOf(peer.publicKey)
    if (author === undefined || from === undefined) {
      topics.counts.refused(reject("author"))
      return TopicValidatorResult.Reject
    }
    return resultOf(topics.receive({ topic: message.topic, author, from, bytes: message.data }, now()))
  }

  const topics: Topics = new Topics(identity.did, options, {
    joined: (topic) => {
      gossipsub.topicValidators.set(topic, validate)
      scoreTopic(gossipsub, topic)
      gossipsub.subscribe(topic)
    },
    left: (topic) => {
      // A node that has stopped has forgotten its topics.
      if (node.status === "started") gossipsub.unsubscribe(topic)
      gossipsub.topicValidators.delete(topic)
    }
  })
  yield* topics.measure

  yield* Effect.acquireRelease(
    Effect.sync(() =>
      openGate(gossipsub, {
        admits: (bearer, topic, bytes) => {
          const wanted = topics.has(topic)
          // What is not wanted is paid for too.
          const admitted = topics.admission.admitsBearer(bearer.toString(), bytes, now())
          if (!admitted) topics.counts.refused(ignore("bearer_rate"))
          else if (!wanted) topics.counts.refused(ignore("unsubscribed"))
          return admitted && wanted
        },
        nextTurn: () => Effect.runPromiseWith(context)(Effect.yieldNow)
      })
    ),
    () => Effect.sync(() => closeGate(gossipsub))
  )

  /** Connections over which gossip has gone, or should have: those whose streams are missed. */
  const had = new Set<string>()
  const mend = Effect.sync(() => {
    const connections = node.getConnections().filter(({ limits, status }) => status === "open" && limits === undefined)
    const present = new Set(connections.map(({ id }) => id))
    for (const id of had) if (!present.has(id)) had.delete(id)
    const speaking = new Set(gossipsub.getPeers().map((peer) => peer.toString()))
    for (const connection of connections) {
      if (speaking.has(connection.remotePeer.toString())) had.add(connection.id)
      if (hasStreams(gossipsub, connection.remotePeer)) continue
      if (had.has(connection.id)) reopenStream(gossipsub, connection.remotePeer, connection)
    }
  })
  yield* Effect.forkScoped(Effect.repeat(mend, Schedule.spaced(mendMillis)))

  return Gossip.of({
    publish: (topic, message) =>
      Effect.flatMap(topics.prepare(topic, message), (bytes) =>
        Effect.promise(() => gossipsub.publish(topic.name, bytes)).pipe(Effect.asVoid)
      ),
    subscribe: topics.subscribe,
    topics: Effect.sync(() => topics.names.map((name) => ({ name, neighbours: gossipsub.getSubscribers(name).length })))
  })
})

/** Gossip with the neighbours of the libp2p node. */
export const layer = (options: GossipOptions = {}): Layer.Layer<Gossip, never, Libp2pNode | Identity> =>
  Layer.effect(Gossip, make(options))
