/**
 * Whose turn it is when several checks are due: one check per `paceMillis` in all (RFC 8445 section 14.2), so that a
 * link with many candidates is no burst. The active path goes first, then what a request made urgent, then paths with
 * consent, then new paths by priority with every third one relayed, then repetitions, the longest due first.
 */
import type { PathState } from "./linkPathState.ts"
import type { LinkTimings } from "./linkTimings.ts"

/** When the next check of a path is due. */
export type Due = (path: PathState) => number

/** Of so many new paths one is relayed while there are both. */
const relayedEvery = 3

const turnOf = (path: PathState, active: PathState | undefined): number => {
  if (path === active) return 0
  if (path.triggerAt !== undefined) return 1
  if (path.consent !== undefined) return 2
  return path.everSent ? 4 : 3
}

export class LinkQueue {
  readonly #paceMillis: number
  #lastAt = Number.NEGATIVE_INFINITY
  /** New paths since the last relayed one; the second of all is relayed, so that there soon is something that works. */
  #sinceRelayed = 1

  constructor({ paceMillis }: LinkTimings) {
    this.#paceMillis = paceMillis
  }

  /** When `take` will give something; infinity if never. */
  nextAt(paths: Iterable<PathState>, due: Due): number {
    let at = Number.POSITIVE_INFINITY
    for (const path of paths) at = Math.min(at, due(path))
    return at === Number.POSITIVE_INFINITY ? at : Math.max(at, this.#lastAt + this.#paceMillis)
  }

  /** The path to check now, if one is due and the pace allows. */
  take(paths: Iterable<PathState>, due: Due, active: PathState | undefined, now: number): PathState | undefined {
    if (now < this.#lastAt + this.#paceMillis) return undefined
    const waiting = Array.from(paths, (path) => ({ path, at: due(path), turn: turnOf(path, active) })).filter(
      ({ at }) => at <= now
    )
    const first = waiting.reduce((least, { turn }) => Math.min(least, turn), Number.POSITIVE_INFINITY)
    const turn = waiting.filter((one) => one.turn === first)
    const path = first === 3 ? this.#newPath(turn.map(({ path }) => path)) : longestDue(turn)
    if (path !== undefined) this.#lastAt = now
    return path
  }

  #newPath(paths: ReadonlyArray<PathState>): PathState | undefined {
    const relayedNext = this.#sinceRelayed >= relayedEvery - 1
    const preferred = paths.filter(({ relays }) => relays > 0 === relayedNext)
    const path = highestPriority(preferred.length > 0 ? preferred : paths)
    if (path !== undefined) this.#sinceRelayed = path.relays > 0 ? 0 : this.#sinceRelayed + 1
    return path
  }
}

const highestPriority = (paths: ReadonlyArray<PathState>): PathState | undefined =>
  paths.reduce<PathState | undefined>(
    (best, path) => (best === undefined || path.priority > best.priority ? path : best),
    undefined
  )

const longestDue = (waiting: ReadonlyArray<{ readonly path: PathState; readonly at: number }>): PathState | undefined =>
  waiting.reduce<{ readonly path: PathState; readonly at: number } | undefined>((first, one) => {
    if (first === undefined || one.at < first.at) return one
    return one.at === first.at && one.path.priority > first.path.priority ? one : first
  }, undefined)?.path
