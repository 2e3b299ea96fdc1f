/**
 * The part of the catalogue of metrics (metrics.ts, through which it is used) that gossip fills. Topics appear by the
 * names of gossipTopic.ts, and as "other".
 */
import { gossipIgnoreReasons, gossipRejectReasons } from "./gossipAdmission.ts"
import { gossipTopicLabels } from "./gossipTopic.ts"

/** Where messages wait and can be lost: for a program on this node, or for a slow neighbour. */
export const gossipQueues = ["subscriber", "neighbour"] as const

export const gossipPublished = {
  kind: "counter",
  name: "icn_gossip_messages_published_total",
  help: "Messages that this node sent.",
  labels: { topic: gossipTopicLabels },
  formerNames: { icn_gossip_entries_published_total: {} }
} as const

export const gossipReceived = {
  kind: "counter",
  name: "icn_gossip_messages_received_total",
  help: "Messages of others that were delivered here and passed on.",
  labels: { topic: gossipTopicLabels },
  formerNames: { icn_gossip_entries_received_total: {} }
} as const

export const gossipIgnored = {
  kind: "counter",
  name: "icn_gossip_messages_ignored_total",
  help: "Messages dropped that nobody is to blame for: repeated, too old, too many, or not wanted here.",
  labels: { reason: gossipIgnoreReasons },
  formerNames: { icn_network_messages_rate_limited_total: { reason: "author_rate" } }
} as const

export const gossipRejected = {
  kind: "counter",
  name: "icn_gossip_messages_rejected_total",
  help: "Messages dropped that their bearer should not have passed on.",
  labels: { reason: gossipRejectReasons }
} as const

export const gossipDropped = {
  kind: "counter",
  name: "icn_gossip_messages_dropped_total",
  help: "Good messages lost because somebody was slower than they came.",
  labels: { queue: gossipQueues }
} as const

export const gossipTopicsSubscribed = {
  kind: "gauge",
  name: "icn_gossip_topics",
  help: "Topics that this node listens to.",
  labels: {},
  formerNames: { icn_gossip_topics_total: {} }
} as const

export const gossipSubscriptions = {
  kind: "gauge",
  name: "icn_gossip_subscriptions",
  help: "Subscribers on this node, all topics together.",
  labels: {},
  formerNames: { icn_gossip_subscriptions_total: {} }
} as const

export const candidatesPublished = {
  kind: "counter",
  name: "icn_candidates_published_total",
  help: "Times that this node told others where it can be reached.",
  labels: {}
} as const
