/**
 * Who on this node listens to which topic, what it sends, and what becomes of what arrives: the part of gossip that
 * does not depend on how messages travel.
 */
import { type Cause, Clock, Effect, Queue, Result, type Scope, Stream } from "effect"
import type { Did } from "../../domain/did.ts"
import { GossipAdmission, type GossipRefusal, ignore } from "../../domain/gossipAdmission.ts"
import {
  defaultGossipLimits,
  gossipMessageBytesMax,
  type GossipLimits,
  ownAllowance
} from "../../domain/gossipLimits.ts"
import { nextStamp } from "../../domain/gossipReplay.ts"
import { gossipTopicsMax, isTopicName, type MessageCodec, messageCodec } from "../../domain/gossipTopic.ts"
import * as Metric from "../../domain/metrics.ts"
import { Allowances } from "../../domain/tokenBucket.ts"
import { decodeEnvelope, encodeEnvelope } from "../../protocol/gossipEnvelope.ts"
import {
  GossipError,
  type GossipErrorReason,
  GossipMalformed,
  type GossipMessage,
  GossipRateLimited,
  GossipTooLong,
  type GossipTopic,
  GossipTopicRefused
} from "../../services/Gossip.ts"
import { Metrics } from "../../services/Metrics.ts"
import { Counts } from "./Counts.ts"

/** Messages that wait for one subscriber, 16 MiB if all are of the longest; the oldest give way. */
const subscriberMessagesMax = 256

/** What can be set about gossip. */
export interface GossipOptions {
  /** How much is taken from others, and how much of it this node sends itself. */
  readonly limits?: GossipLimits
}

/** Tells the network which topics this node wants. */
export interface TopicHooks {
  readonly joined: (topic: string) => void
  readonly left: (topic: string) => void
}

/** A message that arrived, its author proven. */
export interface Arrival {
  readonly topic: string
  readonly author: Did
  readonly from: Did
  readonly bytes: Uint8Array
}

type Inbox<A> = Queue.Queue<GossipMessage<A>, Cause.Done>

interface AnyChannel {
  readonly subscribers: number
  readonly receive: (arrival: Arrival, nowMillis: number) => GossipRefusal | undefined
}

/** One topic that is subscribed to. */
class Channel<A> implements AnyChannel {
  readonly topic: GossipTopic<A>
  readonly #admission: GossipAdmission
  readonly #counts: Counts
  readonly #codec: MessageCodec<A>
  readonly #inboxes = new Set<Inbox<A>>()

  constructor(topic: GossipTopic<A>, admission: GossipAdmission, counts: Counts) {
    this.topic = topic
    this.#admission = admission
    this.#counts = counts
    this.#codec = messageCodec(topic.schema)
  }

  get subscribers(): number {
    return this.#inboxes.size
  }
  add(inbox: Inbox<A>): void {
    this.#inboxes.add(inbox)
  }
  remove(inbox: Inbox<A>): void {
    this.#inboxes.delete(inbox)
  }

  readonly receive = ({ author, bytes, from, topic }: Arrival, nowMillis: number): GossipRefusal | undefined => {
    const bytesMax = bytesMaxOf(this.topic)
    const arrival = { author: author.text, topic, bytes, bytesMax, decode: this.#codec.decode }
    const verdict = this.#admission.admit(arrival, nowMillis)
    if (verdict._tag !== "Accept") return verdict
    this.#counts.received(topic)
    const message = { author, from, timestampMillis: verdict.stampMillis, message: verdict.message }
    for (const inbox of this.#inboxes) {
      if (Queue.sizeUnsafe(inbox) >= subscriberMessagesMax) this.#counts.dropped("subscriber", 1)
      Queue.offerUnsafe(inbox, message)
    }
    return undefined
  }
}

const bytesMaxOf = ({ bytesMax = gossipMessageBytesMax }: { readonly bytesMax?: number }): number =>
  Math.min(bytesMax, gossipMessageBytesMax)

/** Whether a channel is this topic's: the same schema says that it carries the same messages. */
const isOf = <A>(channel: AnyChannel, topic: GossipTopic<A>): channel is Channel<A> =>
  channel instanceof Channel && channel.topic.schema === topic.schema && bytesMaxOf(channel.topic) === bytesMaxOf(topic)

export class Topics {
  readonly #channels = new Map<string, AnyChannel>()
  readonly #own: Allowances
  readonly #hooks: TopicHooks
  readonly admission: GossipAdmission
  readonly counts = new Counts()
  #lastStampMillis = 0

  constructor(self: Did, { limits = defaultGossipLimits }: GossipOptions, hooks: TopicHooks) {
    this.admission = new GossipAdmission(limits, self.text, decodeEnvelope)
    this.#own = new Allowances(ownAllowance(limits), gossipTopicsMax)
    this.#hooks = hooks
  }

  get names(): ReadonlyArray<string> {
    return [...this.#channels.keys()]
  }
  has(topic: string): boolean {
    return this.#channels.has(topic)
  }

  /** Refuses a message, or hands it to the subscribers; then it may be passed on. */
  receive(arrival: Arrival, nowMillis: number): GossipRefusal | undefined {
    const channel = this.#channels.get(arrival.topic)
    const refusal = channel === undefined ? ignore("unsubscribed") : channel.receive(arrival, nowMillis)
    if (refusal !== undefined) this.counts.refused(refusal)
    return refusal
  }

  /** The envelope of a message that this node may send now. */
  readonly prepare = <A>(topic: GossipTopic<A>, message: A): Effect.Effect<Uint8Array, GossipError> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const refusal = this.#refusal(topic)
      if (refusal !== undefined) return fail(topic.name, refusal)
      const json = messageCodec(topic.schema).encode(message)
      if (Result.isFailure(json)) return fail(topic.name, new GossipMalformed({ detail: json.failure }))
      const stampMillis = nextStamp(this.#lastStampMillis, now)
      const bytes = encodeEnvelope({ stampMillis, json: json.success })
      const bytesMax = bytesMaxOf(topic)
      if (bytes.length > bytesMax) return fail(topic.name, new GossipTooLong({ bytes: bytes.length, bytesMax }))
      const retryAfterMillis = this.#own.take(topic.name, now, bytes.length)
      if (retryAfterMillis > 0) return fail(topic.name, new GossipRateLimited({ retryAfterMillis }))
      this.#lastStampMillis = stampMillis
      this.counts.published(topic.name)
      return Effect.succeed(bytes)
    })

  readonly subscribe = <A>(
    topic: GossipTopic<A>
  ): Effect.Effect<Stream.Stream<GossipMessage<A>>, GossipError, Scope.Scope> =>
    Effect.gen({ self: this }, function* () {
      const inbox: Inbox<A> = yield* Queue.sliding<GossipMessage<A>, Cause.Done>(subscriberMessagesMax)
      yield* Effect.acquireRelease(
        Effect.suspend(() => this.#join(topic, inbox)),
        (channel) => Effect.andThen(this.#leave(channel, inbox), Queue.end(inbox))
      )
      return Stream.fromQueue(inbox)
    })

  /** Lets metrics read what is here until the scope closes. */
  readonly measure = Effect.gen({ self: this }, function* () {
    const metrics = yield* Metrics
    yield* this.counts.measure
    yield* metrics.sample(Metric.gossipTopicsSubscribed, {}, () => this.#channels.size)
    yield* metrics.sample(Metric.gossipSubscriptions, {}, () => {
      let sum = 0
      for (const { subscribers } of this.#channels.values()) sum += subscribers
      return sum
    })
  })

  #refusal<A>(topic: GossipTopic<A>): GossipTopicRefused | undefined {
    if (!isTopicName(topic.name)) {
      return new GossipTopicRefused({ detail: "a topic's name is 1 to 128 printable ASCII characters" })
    }
    const channel = this.#channels.get(topic.name)
    return channel === undefined || isOf(channel, topic)
      ? undefined
      : new GossipTopicRefused({ detail: "it is subscribed to with another schema" })
  }

  #join<A>(topic: GossipTopic<A>, inbox: Inbox<A>): Effect.Effect<Channel<A>, GossipError> {
    const refusal = this.#refusal(topic)
    if (refusal !== undefined) return fail(topic.name, refusal)
    const present = this.#channels.get(topic.name)
    if (present !== undefined && isOf(present, topic)) {
      present.add(inbox)
      return Effect.succeed(present)
    }
    if (this.#channels.size >= gossipTopicsMax) {
      const detail = `${gossipTopicsMax} topics are subscribed to, and that is the limit`
      return fail(topic.name, new GossipTopicRefused({ detail }))
    }
    const channel = new Channel(topic, this.admission, this.counts)
    channel.add(inbox)
    this.#channels.set(topic.name, channel)
    this.#hooks.joined(topic.name)
    return Effect.succeed(channel)
  }

  #leave<A>(channel: Channel<A>, inbox: Inbox<A>): Effect.Effect<void> {
    return Effect.sync(() => {
      channel.remove(inbox)
      if (channel.subscribers > 0) return
      this.#channels.delete(channel.topic.name)
      this.#hooks.left(channel.topic.name)
    })
  }
}

const fail = (topic: string, reason: GossipErrorReason): Effect.Effect<never, GossipError> =>
  Effect.fail(new GossipError({ topic, reason }))
