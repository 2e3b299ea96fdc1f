/**
 * How many signals a node takes: from each neighbour, for each member that it passes them on to, and in all. A member
 * that floods a neighbour with offers is stopped there, and a neighbour passes no more on to one member than the member
 * takes from it, so that nobody uses up what others may send. Each signal that was let through earns one on the way
 * back, beside these limits: whoever is asked much can still answer, and hears the answers to what it asked itself.
 */
import type { Did } from "../../domain/did.ts"
import { offerAgeMaxMillis } from "../../domain/linkOffer.ts"
import * as TokenBucket from "../../domain/tokenBucket.ts"
import { sealedTextMax } from "../../protocol/sessionControl.ts"

/** What a neighbour sends for itself: offers to all that it meets when it starts, and then a few. */
const ownRate: TokenBucket.TokenRate = { ratePerSecond: 2, burst: 20 }
/** What a neighbour passes on to this node, from whoever wants to reach it. */
const passedOnRate: TokenBucket.TokenRate = { ratePerSecond: 10, burst: 50 }
/** What this node passes on to one member: a little less than the member takes. */
const receiverRate: TokenBucket.TokenRate = { ratePerSecond: 8, burst: 40 }
/** All of them together, and all replies: less than what the replay guard (domain/linkOfferReplay.ts) remembers. */
const totalRate: TokenBucket.TokenRate = { ratePerSecond: 40, burst: 200 }
const repliesRate: TokenBucket.TokenRate = { ratePerSecond: 20, burst: 100 }
/** Replies from one member to one other that may be outstanding: an answer, and updates of both sides meanwhile. */
const repliesPerPairMax = 8
/** Pairs for which that is remembered: more than can be let through for as long as an offer holds. */
const pairsMax = 2048
/** Members whose buckets are kept: more than there are sessions (Settings.ts), with those that come and go. */
const membersMax = 1024

const allowance = (messages: TokenBucket.TokenRate): TokenBucket.Allowances => {
  const { burst, ratePerSecond } = messages
  const bytes = { ratePerSecond: ratePerSecond * sealedTextMax, burst: burst * sealedTextMax }
  return new TokenBucket.Allowances({ messages, bytes }, membersMax)
}

interface Replies {
  readonly count: number
  readonly earnedMillis: number
}

const pairOf = (from: Did, to: Did): string => `${from.text}>${to.text}`

export class SignalLimits {
  /** Who may answer whom how often, the latest earned last. */
  readonly #replies = new Map<string, Replies>()
  readonly #own = allowance(ownRate)
  readonly #passedOn = allowance(passedOnRate)
  readonly #receivers = allowance(receiverRate)
  #total: TokenBucket.TokenBucket | undefined
  #totalReplies: TokenBucket.TokenBucket | undefined

  /** One more signal may come back from there to here: one went the other way. */
  earnReply(from: Did, to: Did, nowMillis: number): void {
    const key = pairOf(from, to)
    const count = Math.min(repliesPerPairMax, this.#repliesOf(key, nowMillis) + 1)
    this.#replies.delete(key)
    this.#replies.set(key, { count, earnedMillis: nowMillis })
    for (const oldest of this.#replies.keys()) {
      if (this.#replies.size <= pairsMax) break
      this.#replies.delete(oldest)
    }
  }

  /** Whether a signal is one that was earned, which counts against no other limit. */
  takeReply(from: Did, to: Did, nowMillis: number): boolean {
    const key = pairOf(from, to)
    const replies = this.#replies.get(key)
    const count = this.#repliesOf(key, nowMillis)
    if (replies === undefined || count === 0) return false
    const taken = TokenBucket.take(
      repliesRate,
      this.#totalReplies ?? TokenBucket.full(repliesRate, nowMillis),
      nowMillis,
      1
    )
    this.#totalReplies = taken.bucket
    if (taken.admitted) this.#replies.set(key, { ...replies, count: count - 1 })
    return taken.admitted
  }

  #repliesOf(key: string, nowMillis: number): number {
    const replies = this.#replies.get(key)
    return replies === undefined || nowMillis - replies.earnedMillis > offerAgeMaxMillis ? 0 : replies.count
  }

  /** Whether a neighbour may send one more, of this many characters. */
  admitsFrom(neighbour: Did, hops: number, nowMillis: number, length: number): boolean {
    const allowances = hops === 0 ? this.#own : this.#passedOn
    if (allowances.take(neighbour.text, nowMillis, length) > 0) return false
    const taken = TokenBucket.take(totalRate, this.#total ?? TokenBucket.full(totalRate, nowMillis), nowMillis, 1)
    this.#total = taken.bucket
    return taken.admitted
  }

  /** Whether one more may be passed on to a member. */
  admitsFor(member: Did, nowMillis: number, length: number): boolean {
    return this.#receivers.take(member.text, nowMillis, length) === 0
  }
}
