/** Who is being answered now, and how often each member has asked lately: the bounds of answering. */
import { full, take, type TokenBucket } from "../../domain/tokenBucket.ts"

/** Exchanges with members answered at a time, each of which holds up to one window and what is wanted. */
const answeringMax = 8
/** Streams of those who are not known as members yet; strangers who say nothing keep no member from being answered. */
const strangersMax = 8
/** Of one member: an exchange, and the question for its own chain. */
const answeringPerMemberMax = 2
/** Exchanges that a member may begin: a round a minute, what is missing in between, and many at the start. */
const beginning = { ratePerSecond: 0.5, burst: 20 }
/** Members remembered; the one that asked first gives way, and begins with a full bucket again. */
const rememberedMax = 4096

/** Known as a member when the stream began, or not. */
export type CallerKind = "members" | "strangers"

export class Callers {
  readonly #active = new Map<string, number>()
  readonly #buckets = new Map<string, TokenBucket>()
  readonly #total = { members: 0, strangers: 0 }

  /** Whether one more exchange can begin; whoever begins one leaves, as what he was. */
  enter(peer: string, as: CallerKind, nowMillis: number): boolean {
    const active = this.#active.get(peer) ?? 0
    if (this.#total[as] >= (as === "members" ? answeringMax : strangersMax)) return false
    if (active >= answeringPerMemberMax) return false
    const taken = take(beginning, this.#buckets.get(peer) ?? full(beginning, nowMillis), nowMillis, 1)
    this.#buckets.set(peer, taken.bucket)
    if (this.#buckets.size > rememberedMax) {
      for (const first of this.#buckets.keys()) {
        this.#buckets.delete(first)
        break
      }
    }
    if (!taken.admitted) return false
    this.#total[as]++
    this.#active.set(peer, active + 1)
    return true
  }

  leave(peer: string, as: CallerKind): void {
    const left = (this.#active.get(peer) ?? 1) - 1
    this.#total[as]--
    if (left > 0) this.#active.set(peer, left)
    else this.#active.delete(peer)
  }
}
