/**
 * When a crashed actor starts again, and when it counts as flapping: exponential back-off with a cap, and a sliding
 * window over recent restarts, as supervisors in Erlang/OTP count them ("intensity" and "period"). Pure: takes `now`,
 * returns the decision.
 */

export interface RestartPolicy {
  /** The wait before the first restart. */
  readonly initialDelayMillis: number
  /** The longest wait; the delay doubles up to here. */
  readonly maxDelayMillis: number
  /** More restarts than this within the window mean that the actor is flapping. */
  readonly limit: number
  readonly windowMillis: number
}

export interface RestartHistory {
  /** Crashes in a row, each before the actor had been up for a whole window. */
  readonly consecutive: number
  /** When the restarts of the present window were decided, oldest first; never more than `limit` + 1 of them. */
  readonly recent: ReadonlyArray<number>
}

export const none: RestartHistory = { consecutive: 0, recent: [] }

export interface RestartDecision {
  readonly history: RestartHistory
  readonly delayMillis: number
  /** True from the restart that exceeds the limit on, until the window has emptied again. */
  readonly flapping: boolean
}

/** The delay before restart number `consecutive` (1 is the first): initial, doubled each time, capped. */
export const delay = (policy: RestartPolicy, consecutive: number): number =>
  // The exponent is capped before the power is taken, so that a year of crashes does not end in Infinity.
  Math.min(policy.maxDelayMillis, policy.initialDelayMillis * 2 ** Math.min(consecutive - 1, 52))

/** Decides after a crash at `now`; `upMillis` is how long the actor had been up (0 when it never was). */
export const afterCrash = (
  policy: RestartPolicy,
  history: RestartHistory,
  { now, upMillis }: { readonly now: number; readonly upMillis: number }
): RestartDecision => {
  const consecutive = upMillis >= policy.windowMillis ? 1 : history.consecutive + 1
  const recent = [...history.recent.filter((at) => now - at < policy.windowMillis), now].slice(-(policy.limit + 1))
  return {
    history: { consecutive, recent },
    delayMillis: delay(policy, consecutive),
    flapping: recent.length > policy.limit
  }
}
