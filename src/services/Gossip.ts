/**
 * Messages to everybody who wants them, spread from neighbour to neighbour, each provably its author's. Implemented by
 * layers/GossipLibp2p.ts (gossipsub) and layers/GossipMemory.ts (flooding over the sessions of any SessionManager); the
 * envelope is in protocol/gossipEnvelope.ts, the rules for replays and rates in domain/gossip*.ts.
 *
 * A message is checked before it is passed on: its author's signature, its age, its size, its author's and its bearer's
 * rate, and its schema. Gossip has no memory: who was not connected when a message went round does not get it.
 */
import { Context, type Effect, Schema, type Scope, type Stream } from "effect"
import type { Did } from "../domain/did.ts"

/** The encoded message is longer than gossip carries. */
export class GossipTooLong extends Schema.TaggedError<GossipTooLong>()("GossipTooLong", {
  bytes: Schema.Int,
  bytesMax: Schema.Int
}) {}
/** This node publishes faster than its neighbours would accept. */
export class GossipRateLimited extends Schema.TaggedError<GossipRateLimited>()("GossipRateLimited", {
  retryAfterMillis: Schema.Finite
}) {}
/** The value does not fit the topic's schema. */
export class GossipMalformed extends Schema.TaggedError<GossipMalformed>()("GossipMalformed", {
  detail: Schema.String
}) {}
/** More topics than one node keeps up, or a topic subscribed to with two different schemas. */
export class GossipTopicRefused extends Schema.TaggedError<GossipTopicRefused>()("GossipTopicRefused", {
  detail: Schema.String
}) {}

export const GossipErrorReason = Schema.Union([GossipTooLong, GossipRateLimited, GossipMalformed, GossipTopicRefused])
export type GossipErrorReason = typeof GossipErrorReason.Type

/** Every failure of a `Gossip` call. */
export class GossipError extends Schema.TaggedError<GossipError>()("GossipError", {
  topic: Schema.String,
  reason: GossipErrorReason
}) {
  override get message(): string {
    return `gossip on ${this.topic}: ${describe(this.reason)}`
  }
}

const describe = (reason: GossipErrorReason): string => {
  switch (reason._tag) {
    case "GossipTooLong":
      return `a message of ${reason.bytes} bytes is longer than ${reason.bytesMax}`
    case "GossipRateLimited":
      return `too many messages; try again in ${Math.ceil(reason.retryAfterMillis)} ms`
    case "GossipMalformed":
    case "GossipTopicRefused":
      return reason.detail
  }
}

/** A topic and the shape of its messages, which travel as JSON. */
export interface GossipTopic<in out A> {
  readonly name: string
  readonly schema: Schema.Codec<A, unknown>
  /** The longest encoded message in bytes; `gossipMessageBytesMax` unless given, and never more. */
  readonly bytesMax?: number
}

export interface GossipMessage<out A> {
  /** Proven by the message's signature. */
  readonly author: Did
  /** The neighbour that brought it; the author itself when that is a neighbour. */
  readonly from: Did
  /** Milliseconds since the epoch, as the author says. */
  readonly timestampMillis: number
  readonly message: A
}

export class Gossip extends Context.Service<
  Gossip,
  {
    /** Sends to all subscribers within reach. Nobody being there is no failure; own subscriptions do not get it. */
    readonly publish: <A>(topic: GossipTopic<A>, message: A) => Effect.Effect<void, GossipError>
    /**
     * Messages from now until the scope closes, over a bounded buffer whose oldest messages give way. A topic can be
     * subscribed to before anybody published, and any number of times with the same topic value.
     */
    readonly subscribe: <A>(
      topic: GossipTopic<A>
    ) => Effect.Effect<Stream.Stream<GossipMessage<A>>, GossipError, Scope.Scope>
    /** Topics subscribed to, with the neighbours known to want them. */
    readonly topics: Effect.Effect<ReadonlyArray<{ readonly name: string; readonly neighbours: number }>>
  }
>()("icn-node/services/Gossip") {}
