/**
 * With whom this node catches up, and when: with whoever a session begins with, when entries are known to be missing,
 * and every minute with a member by chance; one exchange at a time. A member with whom it fails waits, longer each
 * time.
 * Time in milliseconds and chance in [0, 1) come from the caller.
 */

/** What gossip lost is found within minutes, by the rounds of this node or of others. */
export const roundMillis = 60_000
/** A quarter more or less by chance, so that nodes that started together do not ask together. */
const jitterShare = 0.25
/** A session that has just begun is given this long at most, by chance, so that both sides do not ask at once. */
const openingSpreadMillis = 500
/**
 * A way for gossip is open a little later than a session, and what was said in between is lost: so the first exchange
 * of a session is followed by another one.
 */
const secondLookMillis = 5000
/** What is missing may be on its way: gossip overtakes itself. */
const gapMillis = 300
/** An exchange for missing entries follows the one before no sooner: entries can be missing for ever. */
const gapPauseMillis = 2000
/**
 * After failures and refusals: doubles from here to there, and is no shorter than the failure took, so that a member
 * who is slow on purpose takes no more than half of the time from others.
 */
const backOffMillis = 2000
const backOffMillisMax = 300_000
/** Members remembered: more than a node has sessions. */
export const plannedPeersMax = 1024

/** `more`: there is more to get from this member; `failed`: also when it refused. */
export type ExchangeEnd = "complete" | "more" | "failed"

interface Plan {
  readonly dueAtMillis: number
  readonly failures: number
  readonly endedAtMillis: number
  /** Whether there was a complete exchange in this session. */
  readonly wasComplete: boolean
}

const never = Number.POSITIVE_INFINITY

const jittered = (chance: number): number => Math.round(roundMillis * (1 + jitterShare * (2 * chance - 1)))

export class LedgerSyncPlan {
  readonly #plans = new Map<string, Plan>()
  #roundAtMillis: number
  /** When the turn began that goes on. */
  #turnAtMillis = Number.POSITIVE_INFINITY

  constructor(nowMillis: number, chance: number) {
    this.#roundAtMillis = nowMillis + jittered(chance)
  }

  get peers(): ReadonlyArray<string> {
    return [...this.#plans.keys()]
  }

  /** A session with a member has begun. */
  opened(peer: string, nowMillis: number, chance: number): void {
    if (this.#plans.has(peer) || this.#plans.size >= plannedPeersMax) return
    const dueAtMillis = nowMillis + Math.round(openingSpreadMillis * chance)
    this.#plans.set(peer, { dueAtMillis, failures: 0, endedAtMillis: Number.NEGATIVE_INFINITY, wasComplete: false })
  }

  closed(peer: string): void {
    this.#plans.delete(peer)
  }

  /** Entries are missing: this member has them, or anybody if it is not here. */
  gap(peer: string | undefined, nowMillis: number, chance: number): void {
    const asked = this.#plans.get(peer ?? "")?.failures === 0 ? peer : this.#anybody(nowMillis, chance)
    const plan = this.#plans.get(asked ?? "")
    if (asked === undefined || plan === undefined || plan.failures > 0) return
    const dueAtMillis = Math.max(nowMillis + gapMillis, plan.endedAtMillis + gapPauseMillis)
    this.#plans.set(asked, { ...plan, dueAtMillis: Math.min(plan.dueAtMillis, dueAtMillis) })
  }

  /** Whose turn it is: whoever waits for longest. */
  next(nowMillis: number, chance: number, chanceOfRound: number): string | undefined {
    if (nowMillis >= this.#roundAtMillis) {
      this.#roundAtMillis = nowMillis + jittered(chanceOfRound)
      const asked = this.#anybody(nowMillis, chance)
      const plan = asked === undefined ? undefined : this.#plans.get(asked)
      if (asked !== undefined && plan !== undefined && plan.dueAtMillis > nowMillis) {
        this.#plans.set(asked, { ...plan, dueAtMillis: nowMillis })
      }
    }
    let first: string | undefined
    let firstDue = never
    for (const [peer, { dueAtMillis }] of this.#plans) {
      if (dueAtMillis >= firstDue) continue
      first = peer
      firstDue = dueAtMillis
    }
    if (firstDue > nowMillis) return undefined
    this.#turnAtMillis = nowMillis
    return first
  }

  /** Milliseconds until there can be a turn. */
  wait(nowMillis: number): number {
    const due = [...this.#plans.values()].reduce(
      (least, { dueAtMillis }) => Math.min(least, dueAtMillis),
      this.#roundAtMillis
    )
    return Math.max(0, due - nowMillis)
  }

  ended(peer: string, end: ExchangeEnd, nowMillis: number): void {
    const plan = this.#plans.get(peer)
    if (plan === undefined) return
    const failures = end === "failed" ? plan.failures + 1 : 0
    const doubled = backOffMillis * 2 ** Math.min(failures - 1, 30)
    const pause = Math.min(backOffMillisMax, Math.max(doubled, nowMillis - this.#turnAtMillis))
    const next = { complete: plan.wasComplete ? never : nowMillis + secondLookMillis, more: nowMillis }
    const dueAtMillis = end === "failed" ? nowMillis + pause : next[end]
    const wasComplete = plan.wasComplete || end === "complete"
    this.#plans.set(peer, { dueAtMillis, failures, endedAtMillis: nowMillis, wasComplete })
  }

  /** One of those who are there and did not fail last, by chance. */
  #anybody(nowMillis: number, chance: number): string | undefined {
    const there = [...this.#plans].filter(([, { dueAtMillis, failures }]) => failures === 0 || dueAtMillis <= nowMillis)
    return there[Math.min(there.length - 1, Math.floor(chance * there.length))]?.[0]
  }
}
