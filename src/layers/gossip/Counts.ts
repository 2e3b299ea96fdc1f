/**
 * What gossip counts, as plain figures that metrics read when they are collected: nothing runs per message for them.
 */
import { Effect } from "effect"
import { gossipIgnoreReasons, type GossipRefusal, gossipRejectReasons } from "../../domain/gossipAdmission.ts"
import { gossipTopicLabels, topicLabel } from "../../domain/gossipTopic.ts"
import * as Metric from "../../domain/metrics.ts"
import { Metrics } from "../../services/Metrics.ts"

/** Where messages wait and can be lost. */
export type GossipQueue = (typeof Metric.gossipQueues)[number]

export class Counts {
  readonly #published = new Map<string, number>()
  readonly #received = new Map<string, number>()
  readonly #refused = new Map<string, number>()
  readonly #dropped = new Map<string, number>()

  published(topic: string): void {
    add(this.#published, topicLabel(topic), 1)
  }
  received(topic: string): void {
    add(this.#received, topicLabel(topic), 1)
  }
  refused({ reason }: GossipRefusal): void {
    add(this.#refused, reason, 1)
  }
  dropped(queue: GossipQueue, messages: number): void {
    if (messages > 0) add(this.#dropped, queue, messages)
  }

  /** Lets metrics read the figures until the scope closes. */
  readonly measure = Effect.gen({ self: this }, function* () {
    const metrics = yield* Metrics
    for (const topic of gossipTopicLabels) {
      yield* metrics.sample(Metric.gossipPublished, { topic }, () => this.#published.get(topic) ?? 0)
      yield* metrics.sample(Metric.gossipReceived, { topic }, () => this.#received.get(topic) ?? 0)
    }
    for (const reason of gossipIgnoreReasons) {
      yield* metrics.sample(Metric.gossipIgnored, { reason }, () => this.#refused.get(reason) ?? 0)
    }
    for (const reason of gossipRejectReasons) {
      yield* metrics.sample(Metric.gossipRejected, { reason }, () => this.#refused.get(reason) ?? 0)
    }
    for (const queue of Metric.gossipQueues) {
      yield* metrics.sample(Metric.gossipDropped, { queue }, () => this.#dropped.get(queue) ?? 0)
    }
  })
}

const add = (figures: Map<string, number>, key: string, by: number): void =>
  void figures.set(key, (figures.get(key) ?? 0) + by)
