/**
 * How much gossip is taken from one author and from one neighbour, and how much this node sends of its own.
 */
import type { Allowance } from "./tokenBucket.ts"

/**
 * The longest message in bytes, its envelope included, 64 KiB: the smallest burst that an operator can allow, so that
 * each message can be sent at all; sixty of them fit into one packet of gossipsub, which takes 4 MiB and loses longer
 * ones without a word. What is longer is announced by gossip and fetched over a stream.
 */
export const gossipMessageBytesMax = 65_536

/** The section `[rate_limiting]` of the configuration. */
export interface GossipLimits {
  readonly enabled: boolean
  /** For each author on each topic. */
  readonly fallback: {
    readonly maxMessagesPerSecond: number
    readonly burstCapacity: number
    readonly maxBytesPerSecond: number
    readonly burstBytes: number
  }
}

/** What holds unless the configuration says otherwise. */
export const defaultGossipLimits: GossipLimits = {
  enabled: true,
  fallback: { maxMessagesPerSecond: 100, burstCapacity: 20, maxBytesPerSecond: 262_144, burstBytes: 1_048_576 }
}

/**
 * A neighbour brings what many authors sent: eight of them at full rate, or hundreds as they usually are. Much more
 * would let one neighbour use up a core with signatures, of which one takes about 0.1 ms to check.
 */
const bearerFactor = 8
/** Messages bunch up on their way; who sends half of what others take is not held to be too fast where they do. */
const ownShare = 0.5

const unlimited: Allowance = {
  messages: { ratePerSecond: 0, burst: Number.POSITIVE_INFINITY },
  bytes: { ratePerSecond: 0, burst: Number.POSITIVE_INFINITY }
}

const share = ({ enabled, fallback }: GossipLimits, factor: number): Allowance =>
  enabled
    ? {
        messages: {
          ratePerSecond: fallback.maxMessagesPerSecond * factor,
          // One message and its bytes must pass at all.
          burst: Math.max(1, fallback.burstCapacity * factor)
        },
        bytes: {
          ratePerSecond: fallback.maxBytesPerSecond * factor,
          burst: Math.max(gossipMessageBytesMax, fallback.burstBytes * factor)
        }
      }
    : unlimited

/** What one author may send on one topic. */
export const authorAllowance = (limits: GossipLimits): Allowance => share(limits, 1)
/** What one neighbour may bring, on all topics together. */
export const bearerAllowance = (limits: GossipLimits): Allowance => share(limits, bearerFactor)
/** What this node sends on one topic. */
export const ownAllowance = (limits: GossipLimits): Allowance => share(limits, ownShare)
