/**
 * One rate for several senders. Each of those that send may use its equal part whenever it likes; what the others leave
 * of theirs goes to whoever asks first. So one sender alone has all of it, and never takes away what another is due.
 *
 * Half of what may pass at once is kept for senders that are within their part: the rest is what all may use up.
 */
import { full, refilled, type TokenBucket, type TokenRate } from "./tokenBucket.ts"

/** Who sent nothing for so long leaves its part to the others. */
export const idleMillis = 1000

interface Account {
  /** What is left of the sender's own part. */
  readonly part: TokenBucket
  readonly usedMillis: number
}

const less = (bucket: TokenBucket, amount: number): TokenBucket => ({ ...bucket, tokens: bucket.tokens - amount })

export class FairRate<Sender> {
  readonly #rate: TokenRate
  readonly #kept: number
  /** Those that sent lately, in the order of their latest use; the caller knows of no more senders than it can hold. */
  readonly #accounts = new Map<Sender, Account>()
  #total: TokenBucket | undefined

  constructor(rate: TokenRate) {
    this.#rate = rate
    this.#kept = rate.burst / 2
  }

  /** Senders between whom the rate is divided now. */
  get size(): number {
    return this.#accounts.size
  }

  /** Whether a sender may send so much now. */
  take(sender: Sender, nowMillis: number, amount: number): boolean {
    const total = refilled(this.#rate, this.#total ?? full(this.#rate, nowMillis), nowMillis)
    const known = this.#accounts.get(sender)
    this.#accounts.delete(sender)
    this.#forgetIdle(nowMillis)
    const others = this.#accounts.size
    const rate = this.#partOf(others + 1, amount)
    const part = refilled(rate, known?.part ?? full(rate, nowMillis), nowMillis)
    const isDue = part.tokens >= amount
    const passes = total.tokens - amount >= (isDue || others === 0 ? 0 : this.#kept)
    this.#total = passes ? less(total, amount) : total
    this.#accounts.set(sender, { part: passes && isDue ? less(part, amount) : part, usedMillis: nowMillis })
    return passes
  }

  /** However many the senders are, a part holds one message. */
  #partOf(senders: number, amount: number): TokenRate {
    return { ratePerSecond: this.#rate.ratePerSecond / senders, burst: Math.max(this.#kept / senders, amount) }
  }

  #forgetIdle(nowMillis: number): void {
    for (const [idle, { usedMillis }] of this.#accounts) {
      if (nowMillis - usedMillis <= idleMillis) break
      this.#accounts.delete(idle)
    }
  }
}
