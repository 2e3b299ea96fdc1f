/**
 * When a member that could not be reached, or was lost, is dialled again: a delay that doubles from `initialMillis` to
 * `maxMillis`, of which up to half is taken away by chance, so that all who lost a member do not return at once.
 */

export interface RedialPolicy {
  readonly initialMillis: number
  readonly maxMillis: number
  /** Attempts in a row after which a member is given up that nobody configured; it is taken up again when heard of. */
  readonly attemptsMax: number
}

/** A lost session is back within a second; one that stays away costs a dial a minute. */
export const defaultPolicy: RedialPolicy = { initialMillis: 1000, maxMillis: 60_000, attemptsMax: 10 }

/** Whole milliseconds until the next attempt after `failures` failed ones in a row; `random` is uniform in [0, 1). */
export const redialDelay = ({ initialMillis, maxMillis }: RedialPolicy, failures: number, random: number): number => {
  // 2^30 is beyond every maximum and far from overflow.
  const full = Math.min(maxMillis, initialMillis * 2 ** Math.min(failures, 30))
  return Math.round(full * (0.5 + random / 2))
}

/** Whether to go on after `failures` failed attempts in a row. */
export const goesOn = ({ attemptsMax }: RedialPolicy, failures: number, configured: boolean): boolean =>
  configured || failures < attemptsMax
