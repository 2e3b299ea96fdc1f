/**
 * All paths of a link by name, and the checks on them that wait for an answer. Bounded: two per candidate of the peer,
 * a few that its requests have revealed, and a few checks each. Paths with consent, and those that are spoken for, are
 * never thrown out for new ones.
 */
import { distinctCandidates, type LinkCandidate, type LinkCandidateKind, type MayCheck } from "./linkCandidate.ts"
import { type LinkBase, pathKey } from "./linkPath.ts"
import { PathState } from "./linkPathState.ts"
import type { LinkTimings } from "./linkTimings.ts"
import { family, type TransportAddress } from "./transportAddress.ts"

/** What our socket can send to. */
export interface LinkFamilies {
  readonly udp4: boolean
  readonly udp6: boolean
}

/** What our allocation can send to, which is the family of its own address (RFC 8656 section 7.2). */
export type RelayFamily = 4 | 6

/** Paths that the peer's candidates don't name: what its NATs give it, with room for some changes of them. */
export const unlistedPathsMax = 8
/** Rounds of attempts, of a minute in all and more, after which such a path is forgotten. */
const unlistedCyclesMax = 5
/** Checks of a path whose answers still count: more than a round trip of seconds needs. */
const flightsMax = 8

export interface PathsOptions {
  readonly families: LinkFamilies
  readonly mayCheck: MayCheck
  readonly random: () => number
  readonly timings: LinkTimings
}

interface Flight {
  readonly id: number
  readonly sentAt: number
}

export class LinkPaths {
  readonly #options: PathsOptions
  readonly #paths = new Map<string, PathState>()
  readonly #flights = new Map<string, Array<Flight>>()
  readonly #keysById = new Map<number, string>()
  #candidates: ReadonlyArray<LinkCandidate> = []
  #relay: RelayFamily | undefined = undefined
  #lastId = 0

  constructor(options: PathsOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#paths.size
  }

  /** Checks that wait for an answer. */
  get inFlight(): number {
    return this.#keysById.size
  }

  get relay(): RelayFamily | undefined {
    return this.#relay
  }

  all(): Iterable<PathState> {
    return this.#paths.values()
  }

  get(base: LinkBase, remote: TransportAddress): PathState | undefined {
    return this.#paths.get(pathKey(base, remote))
  }

  delete(path: PathState): void {
    for (const { id } of this.#flights.get(path.key) ?? []) this.#keysById.delete(id)
    this.#flights.delete(path.key)
    this.#paths.delete(path.key)
  }

  #canReach(base: LinkBase, address: TransportAddress): boolean {
    const { families, mayCheck } = this.#options
    const version = family(address.host)
    if (version === undefined) return false
    const possible = base === "relay" ? this.#relay === version : version === 4 ? families.udp4 : families.udp6
    return possible && mayCheck(base, address)
  }

  #create(base: LinkBase, remote: TransportAddress, kind: LinkCandidateKind, now: number): PathState {
    const path = new PathState(base, remote, kind, now, this.#options.timings, this.#options.random)
    this.#paths.set(path.key, path)
    return path
  }

  /**
   * Makes paths to all candidates; what they don't name any more stays while it has consent. A peer that changes its
   * candidates again and again and answers at all of them keeps the latest few, and what is spoken for.
   */
  setRemote(
    candidates: ReadonlyArray<LinkCandidate>,
    now: number,
    isSpokenFor: (path: PathState) => boolean = () => false
  ): void {
    this.#candidates = distinctCandidates(candidates)
    const formerly = [...this.#paths.values()].filter(({ listed }) => listed)
    for (const path of formerly) path.listed = false
    this.#list(now)
    for (const path of formerly) if (!path.listed && path.consent === undefined) this.delete(path)
    const unlisted = [...this.#paths.values()].filter((path) => !path.listed && !isSpokenFor(path))
    const latest = unlisted.toSorted((a, b) => (b.consent?.answeredAt ?? 0) - (a.consent?.answeredAt ?? 0))
    for (const path of latest.slice(unlistedPathsMax)) this.delete(path)
  }

  #list(now: number): void {
    for (const [index, { address, kind }] of this.#candidates.entries()) {
      for (const base of ["udp", "relay"] as const) {
        if (!this.#canReach(base, address)) continue
        const path = this.get(base, address) ?? this.#create(base, address, kind, now)
        path.list(kind, index)
      }
    }
  }

  /** Without an allocation its paths are gone at once; the caller takes care of their consent before. */
  setRelay(relay: RelayFamily | undefined, now: number): void {
    if (this.#relay !== undefined) for (const path of this.#paths.values()) if (path.base === "relay") this.delete(path)
    this.#relay = relay
    if (relay !== undefined) this.#list(now)
  }

  /**
   * The path that an authenticated request came by. From an unknown address it reveals a peer-reflexive candidate
   * (RFC 8445 section 7.3.1.3), if that may be checked and another can make room for it.
   */
  reveal(
    base: LinkBase,
    from: TransportAddress,
    kind: LinkCandidateKind,
    now: number,
    isSpokenFor: (path: PathState) => boolean
  ): PathState | undefined {
    const known = this.get(base, from)
    if (known !== undefined) return known
    if (!this.#canReach(base, from)) return undefined
    const unlisted = [...this.#paths.values()].filter(({ listed }) => !listed)
    if (unlisted.length >= unlistedPathsMax) {
      const idle = unlisted.find((path) => path.consent === undefined && !isSpokenFor(path))
      if (idle === undefined) return undefined
      this.delete(idle)
    }
    return this.#create(base, from, kind, now)
  }

  /** Forgets paths that no candidate names and that have not answered for long. */
  forgetUnlisted(isSpokenFor: (path: PathState) => boolean): void {
    for (const path of this.#paths.values()) {
      const old = !path.listed && path.consent === undefined && path.cycles >= unlistedCyclesMax
      if (old && !isSpokenFor(path)) this.delete(path)
    }
  }

  /** Notes a send and gives it an id. */
  launch(path: PathState, now: number): number {
    const id = ++this.#lastId
    const flights = this.#flights.get(path.key) ?? []
    flights.push({ id, sentAt: now })
    const dropped = flights.length > flightsMax ? flights.shift() : undefined
    if (dropped !== undefined) this.#keysById.delete(dropped.id)
    this.#flights.set(path.key, flights)
    this.#keysById.set(id, path.key)
    return id
  }

  /** The path of a check and when it was sent, without ending it. */
  flight(id: number): { readonly path: PathState; readonly sentAt: number } | undefined {
    const key = this.#keysById.get(id)
    const path = key === undefined ? undefined : this.#paths.get(key)
    const flight = path && this.#flights.get(path.key)?.find((one) => one.id === id)
    return path === undefined || flight === undefined ? undefined : { path, sentAt: flight.sentAt }
  }

  /** Ends a check that was answered, and those of its path before it. */
  land(path: PathState, id: number): void {
    const flights = this.#flights.get(path.key) ?? []
    for (const one of flights) if (one.id <= id) this.#keysById.delete(one.id)
    this.#flights.set(
      path.key,
      flights.filter((one) => one.id > id)
    )
  }
}
