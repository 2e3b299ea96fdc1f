/**
 * The newest candidate of each member, for as long as it holds. Bounded, because anybody can make up members: what has
 * expired gives way first, then the oldest statement. Plain data with `now` as an argument; signatures are checked by
 * whoever puts candidates in.
 */
import { admits, type AddressScope, addressScopes, scopeOf } from "./addressScope.ts"
import { type ConnectionCandidate, isSame, timeVerdict } from "./connectionCandidate.ts"
import type { Did } from "./did.ts"

/** Candidates kept: more members than meet on one node, at 4 KiB each. */
export const candidatesMax = 1024

/** A candidate and the narrowest scope over which it was heard. */
export interface HeardCandidate {
  readonly candidate: ConnectionCandidate
  readonly via: AddressScope
}

export type CacheVerdict = "stored" | "older" | "expired" | "future"

/**
 * Whether a candidate may be told to somebody who is reached over `to`. It is signed as a whole, so addresses that its
 * bearer might not tell of can't be cut out; they must not become believable by a detour through this node.
 */
export const mayBeTold = ({ candidate, via }: HeardCandidate, to: AddressScope): boolean =>
  candidate.addresses.every(({ address }) => {
    const target = scopeOf(address.host)
    return !admits(to, target) || admits(via, target)
  })

const isNarrower = (a: AddressScope, b: AddressScope): boolean => addressScopes.indexOf(a) < addressScopes.indexOf(b)

export class CandidateCache {
  readonly #limit: number
  readonly #heard = new Map<string, HeardCandidate>()
  #expired = 0

  constructor(limit = candidatesMax) {
    this.#limit = limit
  }

  get size(): number {
    return this.#heard.size
  }

  /** How many candidates have left because their time was over. */
  get expiredCount(): number {
    return this.#expired
  }

  /** What `store` would say; changes nothing, so it can be asked before the signature is checked. */
  verdict({ candidate, via }: HeardCandidate, nowMillis: number): CacheVerdict {
    const time = timeVerdict(candidate, nowMillis)
    if (time !== "fresh") return time
    const present = this.#heard.get(candidate.did.text)
    if (present === undefined || candidate.timestamp > present.candidate.timestamp) return "stored"
    // The same statement by a closer way: its bearer may tell of more addresses.
    return isSame(candidate, present.candidate) && isNarrower(via, present.via) ? "stored" : "older"
  }

  /** Keeps a candidate that holds now and is newer than the one at hand. */
  store(heard: HeardCandidate, nowMillis: number): CacheVerdict {
    const verdict = this.verdict(heard, nowMillis)
    if (verdict !== "stored") return verdict
    const key = heard.candidate.did.text
    if (!this.#heard.has(key) && this.#heard.size >= this.#limit) this.#makeRoom(nowMillis)
    this.#heard.set(key, heard)
    return verdict
  }

  /** The candidate of a member, while it holds. */
  get(did: Did, nowMillis: number): HeardCandidate | undefined {
    const heard = this.#heard.get(did.text)
    return heard !== undefined && timeVerdict(heard.candidate, nowMillis) === "fresh" ? heard : undefined
  }

  /** All candidates that hold, newest first. */
  newest(nowMillis: number): ReadonlyArray<HeardCandidate> {
    return Array.from(this.#heard.values())
      .filter(({ candidate }) => timeVerdict(candidate, nowMillis) === "fresh")
      .toSorted((a, b) => b.candidate.timestamp - a.candidate.timestamp)
  }

  remove(did: Did): boolean {
    return this.#heard.delete(did.text)
  }

  /** Drops what no longer holds and says how many that were. */
  removeExpired(nowMillis: number): number {
    let removed = 0
    for (const [key, { candidate }] of this.#heard) {
      if (timeVerdict(candidate, nowMillis) !== "expired") continue
      this.#heard.delete(key)
      removed++
    }
    this.#expired += removed
    return removed
  }

  #makeRoom(nowMillis: number): void {
    if (this.removeExpired(nowMillis) > 0) return
    let oldest: HeardCandidate | undefined
    for (const heard of this.#heard.values()) {
      if (oldest === undefined || heard.candidate.timestamp < oldest.candidate.timestamp) oldest = heard
    }
    if (oldest !== undefined) this.#heard.delete(oldest.candidate.did.text)
  }
}
