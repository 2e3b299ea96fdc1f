/**
 * Doubts about an allocation: whoever has one asks for a probe, and all who asked before the next Refresh is sent share
 * its verdict. Keeps the Refreshes of one allocation in one place, so that no number of doubts makes more than one.
 */
import { Deferred, Effect, Latch } from "effect"

export interface Probes {
  /** Asks for a probe. */
  readonly ask: () => void
  /** Asks for a probe and waits for its verdict. */
  readonly verdict: Effect.Effect<void>
  /** Ends when somebody has asked. */
  readonly wanted: Effect.Effect<void>
  /** A Refresh is about to be sent; from now on questions are for the next one. */
  readonly begin: () => void
  /** The Refresh that began has its verdict. */
  readonly settle: () => void
  /** The allocation is gone: that is the verdict for everybody. */
  readonly settleAll: () => void
}

type Question = Deferred.Deferred<void>

export const make = (): Probes => {
  const latch = Latch.makeUnsafe(false)
  let next: Question | undefined
  let current: Question | undefined

  const ask = (): Question => {
    const question = next ?? Deferred.makeUnsafe<void>()
    next = question
    // Whoever waits for it may begin at once, which takes the question from `next`.
    latch.openUnsafe()
    return question
  }
  const begin = (): void => {
    latch.closeUnsafe()
    current = next
    next = undefined
  }
  const settle = (): void => {
    if (current !== undefined) Deferred.doneUnsafe(current, Effect.void)
    current = undefined
  }
  return {
    ask: () => void ask(),
    verdict: Effect.suspend(() => Deferred.await(ask())),
    wanted: latch.await,
    begin,
    settle,
    settleAll: () => {
      settle()
      begin()
      settle()
    }
  }
}
