/**
 * The heart of a link: which paths to the peer are checked when, which of them have its consent, and which one is used.
 * In the spirit of ICE (RFC 8445) with consent checks (RFC 7675). Synchronous and without I/O: time is an argument, in
 * milliseconds of any steady clock, and the driver turns checks into STUN requests and answers into calls.
 *
 * One side is controlling: it chooses, and its checks on the path of its choice say so. The other follows as soon as it
 * has consent there itself, and helps itself while it has not.
 */
import { type LinkCandidate, type MayCheck, mayCheckByDefault } from "./linkCandidate.ts"
import { answersWell, bestUsable, isUsable, upgradeAt } from "./linkChoice.ts"
import {
  checkPriority,
  type LinkBase,
  type LinkCheck,
  type LinkEvent,
  type LinkPath,
  type LinkPathStatus,
  revealedKind
} from "./linkPath.ts"
import { type LinkFamilies, LinkPaths, type RelayFamily } from "./linkPaths.ts"
import type { Pace, PathState } from "./linkPathState.ts"
import { LinkQueue } from "./linkQueue.ts"
import { defaultLinkTimings, type LinkTimings } from "./linkTimings.ts"
import type { TransportAddress } from "./transportAddress.ts"

export interface LinkAgentOptions {
  /** Whether this side chooses the path; exactly one of the two does. */
  readonly controlling: boolean
  /** The IP addresses of our own interfaces. */
  readonly hosts: ReadonlyArray<string>
  readonly families: LinkFamilies
  /** What the allocation that there is now reaches; `undefined` without one. */
  readonly relay: RelayFamily | undefined
  /** Uniform in [0, 1). */
  readonly random: () => number
  /** By default `mayCheckByDefault`. */
  readonly mayCheck?: MayCheck
  readonly timings?: Partial<LinkTimings>
}

/** A check of the peer that the driver has authenticated. */
export interface LinkRequest {
  readonly base: LinkBase
  readonly from: TransportAddress
  readonly nominated: boolean
  readonly priority: number
}

/** Events that wait to be taken; the oldest go first. A driver takes them after each call. */
const eventsMax = 64
/** Losses of active paths that are remembered: more make no difference. */
const lossesMax = 16

interface InUse {
  readonly path: PathState
  readonly since: number
}

interface Nomination {
  readonly key: string
  /** What was nominated before, and when that ended. */
  readonly replaced: string | undefined
  readonly at: number
}

export class LinkAgent {
  readonly #controlling: boolean
  readonly #timings: LinkTimings
  readonly #paths: LinkPaths
  readonly #queue: LinkQueue
  #hosts: ReadonlySet<string>
  #inUse: InUse | undefined = undefined
  #active: LinkPath | undefined = undefined
  #nomination: Nomination | undefined = undefined
  #events: Array<LinkEvent> = []
  /** When active paths were lost, the latest last. */
  #losses: Array<number> = []
  /** When the link counts as failed, unless there was a path. */
  #failsAt: number | undefined = undefined
  #wasRemoteKnown = false

  constructor(options: LinkAgentOptions) {
    this.#controlling = options.controlling
    this.#timings = { ...defaultLinkTimings, ...options.timings }
    this.#hosts = new Set(options.hosts)
    this.#paths = new LinkPaths({
      families: options.families,
      mayCheck: options.mayCheck ?? mayCheckByDefault,
      random: options.random,
      timings: this.#timings
    })
    this.#paths.setRelay(options.relay, 0)
    this.#queue = new LinkQueue(this.#timings)
  }

  /** The path to send on; a new object whenever something about it changes. */
  get active(): LinkPath | undefined {
    return this.#active
  }

  /** Paths known, and checks that wait for an answer. */
  get size(): { readonly paths: number; readonly inFlight: number } {
    return { paths: this.#paths.size, inFlight: this.#paths.inFlight }
  }

  /**
   * The peer's candidates, again whenever they change. Paths of withdrawn ones stay while they have consent, and are
   * forgotten some time after: the peer may still send there.
   */
  setRemote(candidates: ReadonlyArray<LinkCandidate>, now: number): void {
    this.#paths.setRemote(candidates, now, this.#isSpokenFor)
    for (const path of this.#paths.all()) this.#classify(path)
    if (!this.#wasRemoteKnown) this.#failsAt = this.#inUse === undefined ? now + this.#timings.failedMillis : undefined
    this.#wasRemoteKnown = true
  }

  /** What our allocation reaches, `undefined` while it cannot be used. For another allocation say that first. */
  setRelay(relay: RelayFamily | undefined, now: number): void {
    if (relay === this.#paths.relay) return
    const gone = [...this.#paths.all()].filter(({ base }) => base === "relay")
    for (const path of gone) this.#endConsent(path, now)
    this.#paths.setRelay(relay, now)
    if (this.#inUse !== undefined && gone.includes(this.#inUse.path)) this.#replaceLost(now)
  }

  /** Our own addresses have changed: checks everything again at once. */
  localAddressesChanged(hosts: ReadonlyArray<string>, now: number): void {
    this.#hosts = new Set(hosts)
    for (const path of this.#paths.all()) path.restart(now)
  }

  /** When `poll` should be called next; ask again after every other call. `undefined`: when something happens. */
  next(now: number): number | undefined {
    let at = this.#failsAt ?? Number.POSITIVE_INFINITY
    for (const path of this.#paths.all()) at = Math.min(at, this.#lostAt(path))
    at = Math.min(at, this.#queue.nextAt(this.#paths.all(), this.#due(now)))
    return at === Number.POSITIVE_INFINITY ? undefined : Math.max(now, Math.ceil(at))
  }

  /** Does what is due, and returns the checks to send now: at most one, for the sake of the pace. */
  poll(now: number): ReadonlyArray<LinkCheck> {
    this.#expire(now)
    const path = this.#queue.take(this.#paths.all(), this.#due(now), this.#inUse?.path, now)
    if (path === undefined) return []
    path.sent(now, this.#inUse !== undefined)
    const nominate = this.#controlling && path === this.#inUse?.path
    const check: LinkCheck = {
      id: this.#paths.launch(path, now),
      base: path.base,
      to: path.remote,
      nominate,
      priority: checkPriority(path.base)
    }
    this.#paths.forgetUnlisted(this.#isSpokenFor)
    return [check]
  }

  /**
   * An authenticated response to check `id`. It counts only if it came from where the check went (RFC 8445 section
   * 7.2.5.2.1); says whether it did.
   */
  onResponse(id: number, from: TransportAddress, base: LinkBase, mapped: TransportAddress, now: number): boolean {
    const flight = this.#paths.flight(id)
    if (flight === undefined || this.#paths.get(base, from) !== flight.path) return false
    const { path, sentAt } = flight
    this.#paths.land(path, id)
    path.answered(now, now - sentAt, mapped.host)
    this.#classify(path)
    this.#choose(path, now)
    this.#refreshActive()
    return true
  }

  /** Whether to answer the request: not when its path can't be used here, for then the peer must not use it either. */
  onRequest({ base, from, nominated, priority }: LinkRequest, now: number): boolean {
    const path = this.#paths.reveal(base, from, revealedKind(priority), now, this.#isSpokenFor)
    if (path === undefined) return false
    path.authenticated = true
    if (nominated && !this.#controlling) this.#nominate(path, now)
    // Where a request comes in an answer may come in, too (RFC 8445 section 7.3.1.4).
    if (path.consent === undefined || path.isSuspect(now)) path.trigger(now)
    return true
  }

  /** The network said that nothing gets there: a hint that makes checks faster, as anybody can say so. */
  onUnreachable(base: LinkBase, to: TransportAddress, now: number): void {
    this.#paths.get(base, to)?.reportUnreachable(now, this.#inUse !== undefined)
  }

  /** Whether data from there is of this link: the peer has proved itself on that path. */
  accepts(base: LinkBase, from: TransportAddress): boolean {
    return this.#paths.get(base, from)?.authenticated === true
  }

  /** Whether the peer has answered there, and not fallen silent since: nobody else can be at that address. */
  hasConsent(base: LinkBase, at: TransportAddress): boolean {
    return this.#paths.get(base, at)?.consent !== undefined
  }

  /** All paths, for display. */
  paths(now: number): ReadonlyArray<LinkPathStatus> {
    const nominated = this.#controlling ? this.#inUse?.path.key : this.#nomination?.key
    return Array.from(this.#paths.all(), (path) => path.status(now, path === this.#inUse?.path, path.key === nominated))
  }

  /** What happened since the last call. */
  takeEvents(): ReadonlyArray<LinkEvent> {
    const events = this.#events
    this.#events = []
    return events
  }

  #emit(event: LinkEvent): void {
    this.#events.push(event)
    if (this.#events.length > eventsMax) this.#events.shift()
  }

  readonly #isSpokenFor = (path: PathState): boolean => path === this.#inUse?.path || path.key === this.#nomination?.key

  #classify(path: PathState): void {
    path.classify(this.#hosts)
  }

  #recentLosses(now: number): number {
    return this.#losses.filter((at) => at > now - this.#timings.restlessMillis).length
  }

  /** When each path's next check is due. */
  #due(now: number): (path: PathState) => number {
    const alarmAt = this.#inUse?.path.suspectAt
    const recentLosses = this.#recentLosses(now)
    return (path) => path.dueAt(this.#paceOf(path, recentLosses), path === this.#inUse?.path ? undefined : alarmAt)
  }

  #paceOf(path: PathState, recentLosses: number): Pace {
    if (this.#inUse === undefined) return { _tag: "Active" }
    if (path === this.#inUse.path) return { _tag: "Active" }
    const from = this.#controlling ? this.#upgradeAt(path, this.#inUse, recentLosses) : this.#followAt(path)
    return from === Number.POSITIVE_INFINITY
      ? { _tag: "Standby" }
      : { _tag: "Wanted", from: from - this.#timings.upgradeMillis }
  }

  #upgradeAt(path: PathState, { path: active, since }: InUse, recentLosses: number): number {
    return upgradeAt(this.#timings, path, active, since, recentLosses)
  }

  /** When a nominated path may be followed, as far as our own losses on it go. */
  #followAt(path: PathState): number {
    if (path.key !== this.#nomination?.key || path.consent === undefined) return Number.POSITIVE_INFINITY
    const { followMaxMillis, holdMaxMillis } = this.#timings
    return Math.min(path.holdUntil, path.consent.since + Math.min(followMaxMillis, holdMaxMillis))
  }

  #nominate(path: PathState, now: number): void {
    const present = this.#nomination
    if (present?.key !== path.key) {
      // The path that has just been left may be the slower one, with the older word.
      const late = present?.replaced === path.key && now - present.at < this.#timings.nominationLagMillis
      if (late) return
      this.#nomination = { key: path.key, replaced: present?.key, at: now }
    }
    this.#follow(path, now)
  }

  #follow(path: PathState, now: number): void {
    if (path === this.#inUse?.path || !isUsable(path, now) || this.#followAt(path) > now) return
    this.#use(path, "nominated", now)
  }

  /** What an answer on a path changes about the choice. */
  #choose(path: PathState, now: number): void {
    if (this.#inUse === undefined) this.#use(bestUsable(this.#paths.all(), now) ?? path, "better", now)
    else if (!this.#controlling) this.#follow(path, now)
    else if (
      path !== this.#inUse.path &&
      answersWell(this.#timings, path, now) &&
      this.#upgradeAt(path, this.#inUse, this.#recentLosses(now)) <= now
    ) {
      this.#use(path, "better", now)
    }
  }

  #use(path: PathState, reason: "better" | "lost" | "nominated", now: number): void {
    const from = this.#active
    this.#inUse = { path, since: now }
    const to = path.view(now)
    this.#active = to
    this.#failsAt = undefined
    this.#emit(from === undefined ? { _tag: "Established", path: to } : { _tag: "Switched", from, to, reason })
    // Tells the peer at once.
    if (this.#controlling) path.trigger(now)
  }

  #refreshActive(): void {
    if (this.#inUse !== undefined) this.#active = this.#inUse.path.view(this.#inUse.since)
  }

  #lostAt(path: PathState): number {
    return path === this.#inUse?.path ? Math.min(path.lostInUseAt, path.lostOnStandbyAt) : path.lostOnStandbyAt
  }

  #endConsent(path: PathState, now: number): void {
    if (path.consent === undefined) return
    const activeSince = path === this.#inUse?.path ? this.#inUse.since : undefined
    this.#emit({ _tag: "ConsentLost", path: path.view(activeSince ?? path.consent.since) })
    path.lose(now, activeSince)
  }

  #expire(now: number): void {
    if (this.#failsAt !== undefined && this.#failsAt <= now) {
      this.#failsAt = undefined
      this.#emit({ _tag: "Failed" })
    }
    const lost = [...this.#paths.all()].filter((path) => this.#lostAt(path) <= now)
    for (const path of lost) this.#endConsent(path, now)
    if (this.#inUse !== undefined && lost.includes(this.#inUse.path)) this.#replaceLost(now)
  }

  /** The active path is gone: takes the next best, and tries all others again at once. */
  #replaceLost(now: number): void {
    this.#losses = [...this.#losses.slice(1 - lossesMax), now]
    const best = bestUsable(this.#paths.all(), now)
    if (best === undefined) {
      // What still has consent is as silent as the one that was in use.
      for (const path of this.#paths.all()) this.#endConsent(path, now)
      this.#inUse = undefined
      this.#active = undefined
      this.#emit({ _tag: "Lost" })
    } else {
      this.#use(best, "lost", now)
    }
    for (const path of this.#paths.all()) if (path.consent === undefined) path.restart(now)
  }
}
