/**
 * Token buckets: how much a sender may send, at a steady rate with bursts. Whoever pays takes as many tokens as the
 * message costs; the bucket refills with time and holds `burst` at most, so that over any span of t seconds no more
 * than `burst + ratePerSecond * t` passes. Time is whatever the caller says; a step backwards refills nothing.
 */

/** How fast a bucket refills and how much it holds, in the caller's unit. */
export interface TokenRate {
  readonly ratePerSecond: number
  readonly burst: number
}

export interface TokenBucket {
  readonly tokens: number
  readonly updatedMillis: number
}

export interface Taken {
  readonly bucket: TokenBucket
  readonly admitted: boolean
}

/** The bucket of somebody who was never heard before. */
export const full = ({ burst }: TokenRate, nowMillis: number): TokenBucket => ({
  tokens: burst,
  updatedMillis: nowMillis
})

/** The bucket as it is at a later time. */
export const refilled = (rate: TokenRate, bucket: TokenBucket, nowMillis: number): TokenBucket => {
  const elapsed = Math.max(0, nowMillis - bucket.updatedMillis)
  return {
    tokens: Math.min(rate.burst, bucket.tokens + (elapsed * rate.ratePerSecond) / 1000),
    updatedMillis: nowMillis
  }
}

/** Takes `amount` tokens, or none when there are fewer. */
export const take = (rate: TokenRate, bucket: TokenBucket, nowMillis: number, amount: number): Taken => {
  const present = refilled(rate, bucket, nowMillis)
  if (present.tokens < amount) return { bucket: present, admitted: false }
  return { bucket: { tokens: present.tokens - amount, updatedMillis: nowMillis }, admitted: true }
}

/** Milliseconds until a bucket that was just refilled holds `amount`; infinite when it never does. */
export const waitMillis = (rate: TokenRate, bucket: TokenBucket, amount: number): number => {
  if (bucket.tokens >= amount) return 0
  if (amount > rate.burst) return Number.POSITIVE_INFINITY
  return ((amount - bucket.tokens) * 1000) / rate.ratePerSecond
}

/** What one sender may send: messages, and the bytes in them. */
export interface Allowance {
  readonly messages: TokenRate
  readonly bytes: TokenRate
}

interface Account {
  readonly messages: TokenBucket
  readonly bytes: TokenBucket
}

/**
 * The buckets of at most `sendersMax` senders. The one that was quiet for longest gives way to a new one, and a
 * sender that is not in the table starts with no more than the emptiest bucket that ever gave way would hold by now.
 * So nobody gains by being forgotten, however many senders somebody makes up to get there, and the price for others
 * is small: while that goes on, they begin with a bucket that has yet to fill.
 */
export class Allowances {
  readonly #allowance: Allowance
  readonly #sendersMax: number
  /** In the order of their latest use. */
  readonly #accounts = new Map<string, Account>()
  #forgotten: Account | undefined

  constructor(allowance: Allowance, sendersMax: number) {
    this.#allowance = allowance
    this.#sendersMax = sendersMax
  }

  get size(): number {
    return this.#accounts.size
  }

  /** Takes one message of this many bytes: 0 when it may pass, otherwise the milliseconds until it could. */
  take(sender: string, nowMillis: number, bytes: number): number {
    const account = this.#accounts.get(sender) ?? this.#newcomer(nowMillis)
    const messages = take(this.#allowance.messages, account.messages, nowMillis, 1)
    const volume = take(this.#allowance.bytes, account.bytes, nowMillis, bytes)
    const admitted = messages.admitted && volume.admitted
    const present: Account = admitted
      ? { messages: messages.bucket, bytes: volume.bucket }
      : {
          messages: refilled(this.#allowance.messages, account.messages, nowMillis),
          bytes: refilled(this.#allowance.bytes, account.bytes, nowMillis)
        }
    this.#accounts.delete(sender)
    this.#accounts.set(sender, present)
    if (this.#accounts.size > this.#sendersMax) this.#forgetOne(nowMillis)
    if (admitted) return 0
    return Math.max(
      waitMillis(this.#allowance.messages, present.messages, 1),
      waitMillis(this.#allowance.bytes, present.bytes, bytes)
    )
  }

  #newcomer(nowMillis: number): Account {
    return (
      this.#forgotten ?? {
        messages: full(this.#allowance.messages, nowMillis),
        bytes: full(this.#allowance.bytes, nowMillis)
      }
    )
  }

  #forgetOne(nowMillis: number): void {
    for (const [sender, { bytes, messages }] of this.#accounts) {
      this.#accounts.delete(sender)
      const before = this.#forgotten ?? { messages, bytes }
      this.#forgotten = {
        messages: this.#lower(this.#allowance.messages, before.messages, messages, nowMillis),
        bytes: this.#lower(this.#allowance.bytes, before.bytes, bytes, nowMillis)
      }
      return
    }
  }

  #lower(rate: TokenRate, one: TokenBucket, other: TokenBucket, nowMillis: number): TokenBucket {
    const a = refilled(rate, one, nowMillis)
    const b = refilled(rate, other, nowMillis)
    return a.tokens <= b.tokens ? a : b
  }
}
