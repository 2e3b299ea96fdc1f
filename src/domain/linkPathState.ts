/**
 * What the agent knows of one path: its checks under way, its round trip time, its consent, and how often it was lost
 * in use. Answers when its next check is due and when its silence means a loss; which path is used is not its business.
 */
import type { LinkCandidateKind } from "./linkCandidate.ts"
import {
  kindOf,
  type LinkBase,
  type LinkPath,
  type LinkPathKind,
  type LinkPathStatus,
  pairPriority,
  pathKey,
  rankOf,
  relaysOf
} from "./linkPath.ts"
import type { LinkTimings } from "./linkTimings.ts"
import type { TransportAddress } from "./transportAddress.ts"

/** Since when the peer answers without a loss, when it did last, and how often. */
export interface Consent {
  readonly since: number
  readonly answeredAt: number
  readonly answers: number
}

/** How eagerly a path with consent is asked: in use; perhaps used soon, from a time on; kept for later. */
export type Pace =
  | { readonly _tag: "Active" }
  | { readonly _tag: "Wanted"; readonly from: number }
  | { readonly _tag: "Standby" }

export class PathState {
  readonly key: string
  readonly base: LinkBase
  readonly remote: TransportAddress
  readonly #timings: LinkTimings
  readonly #random: () => number
  remoteKind: LinkCandidateKind
  /** Its turn among new paths, the highest first. */
  priority: number
  /** Whether the peer's latest candidates name it. */
  listed: boolean
  kind: LinkPathKind
  mappedHost: string | undefined = undefined
  /** The peer has proved itself on this path, by a request or an answer. */
  authenticated = false

  /** Sends since the last answer or since the last round of attempts ended. */
  sends = 0
  firstSentAt = Number.NEGATIVE_INFINITY
  lastSentAt = Number.NEGATIVE_INFINITY
  everSent = false
  /** Rounds of attempts without any answer. */
  cycles = 0
  /** When to send next without consent. */
  retryAt: number
  /** A check outside the order is due then. */
  triggerAt: number | undefined = undefined
  /** Reports that nothing gets there, since the last answer. */
  unreachable = 0

  consent: Consent | undefined = undefined
  #smoothed: number | undefined = undefined
  #variation = 0
  #jitter: number

  /** Losses in use that are not forgotten, and until when it rests. */
  losses = 0
  holdUntil = Number.NEGATIVE_INFINITY

  constructor(
    base: LinkBase,
    remote: TransportAddress,
    remoteKind: LinkCandidateKind,
    now: number,
    timings: LinkTimings,
    random: () => number
  ) {
    this.key = pathKey(base, remote)
    this.base = base
    this.remote = remote
    this.remoteKind = remoteKind
    this.priority = pairPriority(base, remoteKind, remote.host, 0)
    this.listed = false
    this.kind = kindOf(base, remoteKind, undefined, new Set())
    this.retryAt = now
    this.#timings = timings
    this.#random = random
    this.#jitter = random()
  }

  get relays(): 0 | 1 | 2 {
    return relaysOf(this.base, this.remoteKind)
  }

  get rank(): number {
    return rankOf(this)
  }

  get rttMs(): number | undefined {
    return this.#smoothed
  }

  /** Takes in what the peer's candidates say of it. */
  list(remoteKind: LinkCandidateKind, index: number): void {
    this.remoteKind = remoteKind
    this.priority = pairPriority(this.base, remoteKind, this.remote.host, index)
    this.listed = true
  }

  classify(ownHosts: ReadonlySet<string>): void {
    this.kind = kindOf(this.base, this.remoteKind, this.mappedHost, ownHosts)
  }

  /** The wait for an answer (RFC 6298 section 2.3). */
  get #rto(): number {
    const { rtoMaxMillis, rtoMinMillis } = this.#timings
    const measured = this.#smoothed === undefined ? rtoMinMillis : this.#smoothed + 4 * this.#variation
    return Math.min(rtoMaxMillis, Math.max(rtoMinMillis, measured))
  }

  sent(now: number, connected: boolean): void {
    if (this.sends === 0) this.firstSentAt = now
    this.sends++
    this.lastSentAt = now
    this.everSent = true
    this.triggerAt = undefined
    this.#jitter = this.#random()
    if (this.consent === undefined) this.#scheduleRetry(now, connected)
  }

  /** Repeats fast and slower within a round of attempts; between rounds it depends on whether anything else works. */
  #scheduleRetry(now: number, connected: boolean): void {
    const { rtoMaxMillis, rtoMinMillis, searchMillis, sendsPerCycle, sendsPerRetry } = this.#timings
    const sendsMax = this.cycles === 0 ? sendsPerCycle : connected ? sendsPerRetry : 1
    if (this.sends < sendsMax) {
      this.retryAt = now + Math.min(rtoMaxMillis, rtoMinMillis * 2 ** (this.sends - 1))
      return
    }
    this.cycles++
    this.sends = 0
    this.unreachable = 0
    this.retryAt = now + (connected ? this.#slowRetry : searchMillis) * (0.8 + 0.4 * this.#jitter)
  }

  get #slowRetry(): number {
    const { retryMaxMillis, retryMinMillis } = this.#timings
    return Math.min(retryMaxMillis, retryMinMillis * 2 ** Math.min(10, Math.max(0, this.cycles - 1)))
  }

  /** Tries it from the beginning, as soon as it is its turn. */
  restart(now: number): void {
    if (this.consent !== undefined) {
      this.triggerAt = now
      return
    }
    this.sends = 0
    this.cycles = 0
    this.unreachable = 0
    this.retryAt = Math.min(this.retryAt, now)
  }

  trigger(now: number): void {
    this.triggerAt ??= Math.max(now, this.lastSentAt + this.#timings.triggerSpacingMillis)
  }

  answered(now: number, rtt: number, mappedHost: string): void {
    this.authenticated = true
    this.mappedHost = mappedHost
    this.#measure(Math.max(0, rtt))
    this.sends = 0
    this.cycles = 0
    this.unreachable = 0
    this.consent =
      this.consent === undefined
        ? { since: now, answeredAt: now, answers: 1 }
        : { since: this.consent.since, answeredAt: now, answers: this.consent.answers + 1 }
  }

  /** RFC 6298 sections 2.2 and 2.3; every send has its own id, so repetitions don't blur it. */
  #measure(rtt: number): void {
    if (this.#smoothed === undefined) {
      this.#smoothed = rtt
      this.#variation = rtt / 2
    } else {
      this.#variation = 0.75 * this.#variation + 0.25 * Math.abs(this.#smoothed - rtt)
      this.#smoothed = 0.875 * this.#smoothed + 0.125 * rtt
    }
  }

  /** Nothing gets there, says the network. With consent that is checked at once; twice without, the round ends. */
  reportUnreachable(now: number, connected: boolean): void {
    this.unreachable++
    if (this.consent !== undefined) {
      if (this.sends === 0) this.trigger(now)
    } else if (this.unreachable >= 2 && this.sends > 0) {
      this.sends = this.#timings.sendsPerCycle
      this.#scheduleRetry(now, connected)
    }
  }

  /** Forgets the consent; lost in use it rests, longer each time. */
  lose(now: number, activeSince: number | undefined): void {
    const { holdForgetMillis, holdMaxMillis, holdMinMillis, retryMinMillis } = this.#timings
    this.consent = undefined
    this.triggerAt = undefined
    this.sends = 0
    this.cycles = 1
    this.unreachable = 0
    this.retryAt = now + retryMinMillis
    if (activeSince === undefined) return
    this.losses = now - activeSince >= holdForgetMillis ? 1 : this.losses + 1
    this.holdUntil = now + Math.min(holdMaxMillis, holdMinMillis * 2 ** Math.min(30, this.losses - 1))
  }

  /** From when on its silence is suspicious: two sends without an answer. `undefined` while it is not. */
  get suspectAt(): number | undefined {
    return this.consent !== undefined && this.sends >= 2 ? this.firstSentAt + 2 * this.#rto : undefined
  }

  isSuspect(now: number): boolean {
    const at = this.suspectAt
    return at !== undefined && at <= now
  }

  get #silenceMillis(): number {
    const { activeLostMaxMillis, activeLostMillis, unreachableLostMillis } = this.#timings
    return this.unreachable >= 2
      ? unreachableLostMillis
      : Math.min(activeLostMaxMillis, Math.max(activeLostMillis, 3 * this.#rto))
  }

  /** When it is lost if it is in use: silent for long enough, asked three times (twice if also unreachable). */
  get lostInUseAt(): number {
    if (this.consent === undefined || this.sends < (this.unreachable >= 2 ? 2 : 3)) return Number.POSITIVE_INFINITY
    return Math.max(this.firstSentAt + this.#silenceMillis, this.lastSentAt + this.#timings.graceMillis)
  }

  get lostOnStandbyAt(): number {
    if (this.consent === undefined || this.sends < 3) return Number.POSITIVE_INFINITY
    const { graceMillis, standbyLostMillis } = this.#timings
    return Math.max(this.consent.answeredAt + standbyLostMillis, this.lastSentAt + graceMillis)
  }

  /** When its next check is due. `alarmAt`: from when on the active path is suspicious, so that all others matter. */
  dueAt(pace: Pace, alarmAt: number | undefined): number {
    if (this.consent === undefined) return Math.min(this.retryAt, this.triggerAt ?? Number.POSITIVE_INFINITY)
    const due = this.sends > 0 ? this.#repeatAt(pace, alarmAt) : this.#askAt(this.consent, pace, alarmAt)
    return Math.min(due, this.triggerAt ?? Number.POSITIVE_INFINITY)
  }

  #askAt({ answeredAt, answers, since }: Consent, pace: Pace, alarmAt: number | undefined): number {
    const { calmUpgradeMillis, consentMillis, standbyMillis } = this.#timings
    const soon = this.lastSentAt + consentMillis * (0.8 + 0.4 * this.#jitter)
    if (pace._tag === "Active") return soon
    // The second answer, which a better path needs before it is used, comes as early as it counts.
    if (answers < 2) return Math.max(this.lastSentAt + this.#timings.rtoMinMillis, since + calmUpgradeMillis)
    const late = this.lastSentAt + standbyMillis * (1 + 0.25 * this.#jitter)
    const due = pace._tag === "Wanted" ? Math.min(late, Math.max(soon, pace.from)) : late
    return alarmAt !== undefined && answeredAt < alarmAt ? Math.min(due, alarmAt) : due
  }

  #repeatAt(pace: Pace, alarmAt: number | undefined): number {
    if (pace._tag === "Active") {
      // A repetition whose answer could not be waited for is left out, until there were enough.
      const at = this.lastSentAt + this.#rto
      const late = at + this.#timings.graceMillis > this.firstSentAt + this.#silenceMillis
      return late && this.sends >= 3 ? Number.POSITIVE_INFINITY : at
    }
    const slow = Math.min(this.#timings.standbyResendMaxMillis, this.#rto * 2 ** Math.min(10, this.sends - 1))
    const due = this.lastSentAt + (pace._tag === "Wanted" ? this.#rto : slow)
    // While the active path is silent the others answer for themselves at the same speed.
    return alarmAt === undefined ? due : Math.min(due, Math.max(alarmAt, this.lastSentAt + this.#rto))
  }

  view(sinceMillis: number): LinkPath {
    const { base, kind, relays, remote } = this
    return { base, remote, kind, relays, rttMs: this.#smoothed ?? 0, sinceMillis }
  }

  status(now: number, active: boolean, nominated: boolean): LinkPathStatus {
    const { base, consent, kind, relays, remote, remoteKind, rttMs } = this
    const idle = this.everSent ? (this.cycles > 0 ? "failed" : "checking") : "waiting"
    return {
      base,
      remote,
      remoteKind,
      kind,
      relays,
      state: consent === undefined ? idle : "valid",
      active,
      nominated,
      rttMs,
      consentAgeMs: consent === undefined ? undefined : now - consent.answeredAt
    }
  }
}
