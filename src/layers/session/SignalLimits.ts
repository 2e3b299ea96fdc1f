/**
 * How many signals a node takes: from each neighbour, for each member that it passes them on to, and in all. A member
 * that floods a neighbour with offers is stopped there, and a neighbour passes no more on to one member than the member
 * takes from it, so that nobody uses up what others may send.
 */
import type { Did } from "../../domain/did.ts"
import * as TokenBucket from "../../domain/tokenBucket.ts"
import { sealedTextMax } from "../../protocol/sessionControl.ts"

/** What a neighbour sends for itself: offers to all that it meets when it starts, and then a few. */
const ownRate: TokenBucket.TokenRate = { ratePerSecond: 2, burst: 20 }
/** What a neighbour passes on to this node, from whoever wants to reach it. */
const passedOnRate: TokenBucket.TokenRate = { ratePerSecond: 10, burst: 50 }
/** What this node passes on to one member: a little less than the member takes. */
const receiverRate: TokenBucket.TokenRate = { ratePerSecond: 8, burst: 40 }
/** All of them together. Below what the replay guard (domain/linkOfferReplay.ts) remembers for a minute. */
const totalRate: TokenBucket.TokenRate = { ratePerSecond: 50, burst: 200 }
/** Members whose buckets are kept: more than there are sessions (Settings.ts), with those that come and go. */
const membersMax = 1024

const allowance = (messages: TokenBucket.TokenRate): TokenBucket.Allowances => {
  const { burst, ratePerSecond } = messages
  const bytes = { ratePerSecond: ratePerSecond * sealedTextMax, burst: burst * sealedTextMax }
  return new TokenBucket.Allowances({ messages, bytes }, membersMax)
}

export class SignalLimits {
  readonly #own = allowance(ownRate)
  readonly #passedOn = allowance(passedOnRate)
  readonly #receivers = allowance(receiverRate)
  #total: TokenBucket.TokenBucket | undefined

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
