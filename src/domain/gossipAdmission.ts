/**
 * Whether a gossip message is delivered and passed on. The checks go from the cheap to the dear: its size, what its
 * bearer (the neighbour that brought it) may send, its envelope, its age and whether it was there before, what its
 * author may send on the topic, and its schema. The author's signature is checked by the layer, after the bearer's
 * allowance.
 *
 * "Reject" is for what the bearer should have seen to be wrong before it passed it on, and may cost it its standing
 * with gossipsub. Everything else is ignored: an honest neighbour cannot know what else this node has heard, and
 * could be made to look bad by others. That includes a bearer beyond its allowance: it may only be passing on what
 * many authors sent, and punishing it would let them cut it off from this node.
 */
import { Result } from "effect"
import { authorAllowance, bearerAllowance, type GossipLimits } from "./gossipLimits.ts"
import { ReplayGuard } from "./gossipReplay.ts"
import { Allowances } from "./tokenBucket.ts"

/** Neighbours whose allowance is kept: more than a node has sessions. */
const bearersMax = 1024
/** Authors, for each topic apart, whose allowance is kept: about as many as authors whose stamps are. */
const authorTopicsMax = 8192

/** Why a message is dropped without a word. */
export const gossipIgnoreReasons = [
  "author_rate",
  "bearer_rate",
  "future",
  "old",
  "own",
  "seen",
  "unsubscribed"
] as const
export type GossipIgnoreReason = (typeof gossipIgnoreReasons)[number]

/** Why a message is dropped and its bearer is to blame. */
export const gossipRejectReasons = ["author", "envelope", "schema", "signature", "too_long"] as const
export type GossipRejectReason = (typeof gossipRejectReasons)[number]

export type GossipRefusal =
  | { readonly _tag: "Ignore"; readonly reason: GossipIgnoreReason }
  | { readonly _tag: "Reject"; readonly reason: GossipRejectReason }

export type GossipVerdict<A> =
  | GossipRefusal
  | { readonly _tag: "Accept"; readonly stampMillis: number; readonly message: A }

/** A message's content as it travels (protocol/gossipEnvelope.ts). */
export interface GossipEnvelope {
  /** When its author sent it, in milliseconds since the epoch, strictly increasing for each author. */
  readonly stampMillis: number
  readonly json: string
}

/** A message whose author is proven. */
export interface GossipArrival<A> {
  /** Canonical text of the author's DID. */
  readonly author: string
  readonly topic: string
  readonly bytes: Uint8Array
  /** The longest that messages of the topic are. */
  readonly bytesMax: number
  readonly decode: (json: string) => Result.Result<A, unknown>
}

export const ignore = (reason: GossipIgnoreReason): GossipRefusal => ({ _tag: "Ignore", reason })
export const reject = (reason: GossipRejectReason): GossipRefusal => ({ _tag: "Reject", reason })

/** Says of each message whether it passes, and remembers what that depends on. */
export class GossipAdmission {
  readonly #self: string
  readonly #read: (bytes: Uint8Array) => Result.Result<GossipEnvelope, unknown>
  readonly #bearers: Allowances
  readonly #authors: Allowances
  readonly #replays: ReplayGuard

  /** For the node whose DID is `self`; `read` decodes envelopes. */
  constructor(
    limits: GossipLimits,
    self: string,
    read: (bytes: Uint8Array) => Result.Result<GossipEnvelope, unknown>,
    replays: ReplayGuard = new ReplayGuard()
  ) {
    this.#self = self
    this.#read = read
    this.#replays = replays
    this.#bearers = new Allowances(bearerAllowance(limits), bearersMax)
    this.#authors = new Allowances(authorAllowance(limits), authorTopicsMax)
  }

  /** Before anything else is looked at: whether the bearer may bring one more message of this size. */
  admitsBearer(bearer: string, bytes: number, nowMillis: number): boolean {
    return this.#bearers.take(bearer, nowMillis, bytes) === 0
  }

  /** Before the signature is checked: why a message need not be, if it claims the truth about its author and stamp. */
  known(author: string, stampMillis: number, nowMillis: number): GossipRefusal | undefined {
    // What this node sent comes back to it, also from before a restart.
    if (author === this.#self) return ignore("own")
    const replay = this.#replays.check(author, stampMillis, nowMillis)
    return replay === "fresh" ? undefined : ignore(replay)
  }

  /** What becomes of a message whose author is proven. One that is accepted is not accepted again. */
  admit<A>({ author, bytes, bytesMax, decode, topic }: GossipArrival<A>, nowMillis: number): GossipVerdict<A> {
    if (bytes.length > bytesMax) return reject("too_long")
    const envelope = this.#read(bytes)
    if (Result.isFailure(envelope)) return reject("envelope")
    const { json, stampMillis } = envelope.success
    const refusal = this.known(author, stampMillis, nowMillis)
    if (refusal !== undefined) return refusal
    if (this.#authors.take(`${author} ${topic}`, nowMillis, bytes.length) > 0) return ignore("author_rate")
    const message = decode(json)
    if (Result.isFailure(message)) return reject("schema")
    this.#replays.record(author, stampMillis, nowMillis)
    return { _tag: "Accept", stampMillis, message: message.success }
  }
}
