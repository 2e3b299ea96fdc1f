/**
 * Which path a link uses: the nearest kind first, then the fastest, without flapping. A better path has to prove itself
 * before it replaces one that works, one that was lost in use rests first, and a restless network slows all down; but
 * when nothing else works, what works is used at once.
 */
import type { PathState } from "./linkPathState.ts"
import type { LinkTimings } from "./linkTimings.ts"

/** Faster by so much counts: less is noise of the measurement. */
const fasterFactor = 0.7
const fasterMillis = 5

export const isFaster = (a: number | undefined, b: number | undefined): boolean =>
  a !== undefined && b !== undefined && a <= b * fasterFactor && b - a >= fasterMillis

/** Whether a path would be the better choice, all else being well. */
export const isBetter = (path: PathState, than: PathState): boolean =>
  path.rank > than.rank || (path.rank === than.rank && isFaster(path.rttMs, than.rttMs))

/** How long a better path must have had consent after `losses` recent losses of active paths. */
export const provingMillis = (
  { calmUpgradeMillis, holdMaxMillis, upgradeMillis }: LinkTimings,
  losses: number
): number => (losses === 0 ? calmUpgradeMillis : Math.min(holdMaxMillis, upgradeMillis * 2 ** Math.min(30, losses - 1)))

/** From when on a better path may replace the active one by choice, if it still answers then. */
export const upgradeAt = (
  timings: LinkTimings,
  path: PathState,
  active: PathState,
  activeSince: number,
  recentLosses: number
): number => {
  if (path.consent === undefined || !isBetter(path, active)) return Number.POSITIVE_INFINITY
  const proved = Math.max(path.holdUntil, path.consent.since + provingMillis(timings, recentLosses))
  return path.rank > active.rank ? proved : Math.max(proved, activeSince + timings.fasterMillis)
}

/** Whether a path's latest answers are good enough for a change by choice. */
export const answersWell = ({ upgradeFreshMillis }: LinkTimings, path: PathState, now: number): boolean =>
  path.consent !== undefined &&
  path.consent.answers >= 2 &&
  now - path.consent.answeredAt <= upgradeFreshMillis &&
  !path.isSuspect(now)

/** Whether a path could be used now: it has consent, and would not be lost at once. */
export const isUsable = (path: PathState, now: number): boolean => path.consent !== undefined && path.lostInUseAt > now

/** Negative if `a` is to be preferred when a path is needed at once. */
const preference = (a: PathState, b: PathState, now: number): number =>
  Number(a.isSuspect(now)) - Number(b.isSuspect(now)) ||
  Number(a.holdUntil > now) - Number(b.holdUntil > now) ||
  b.rank - a.rank ||
  (a.rttMs ?? 0) - (b.rttMs ?? 0)

/** The best path that can be used at once, if there is any. */
export const bestUsable = (paths: Iterable<PathState>, now: number): PathState | undefined => {
  let best: PathState | undefined
  for (const path of paths) {
    if (isUsable(path, now) && (best === undefined || preference(path, best, now) < 0)) best = path
  }
  return best
}
