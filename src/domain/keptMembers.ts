/**
 * Which members a node keeps connected by itself: those of the configuration, and besides them a limited number of
 * members that it had a session with and of members that it only heard of, whom anybody can make up. The two kinds have
 * places of their own, so that made-up members take none from real ones. Plain data with `now` as an argument.
 */
import type { Did } from "./did.ts"

/** Places for members with whom there was a session: as many as a small cooperative has members. */
export const metMax = 128
/** Places for members that were only heard of: enough to try many at a time, few enough to dial for nothing. */
export const heardOfMax = 32
/** Members of whom it is remembered that they were given up: as many as the peer book knows. */
export const givenUpMax = 2048

export type Standing = "configured" | "met" | "heardOf"

export interface Limits {
  readonly met: number
  readonly heardOf: number
  readonly givenUp: number
}

/** One member's place. */
export interface Place {
  readonly did: Did
  standing: Standing
  /** When it was last tried, in milliseconds since the epoch. */
  triedMillis: number | undefined
  /** It was given up before, and is tried once for each time that it is heard of. */
  isOnce: boolean
  /** It was tried in vain and waits to be tried again. */
  isPausing: boolean
}

/** `waiting`: there is no place now, and the member is among those to take when there is one. */
export type Offer =
  | { readonly _tag: "present" }
  | { readonly _tag: "waiting" }
  | { readonly _tag: "taken"; readonly place: Place; readonly insteadOf: Place | undefined }

const limitsOfAll: Limits = { met: metMax, heardOf: heardOfMax, givenUp: givenUpMax }

export class KeptMembers {
  readonly #limits: Limits
  readonly #places = new Map<string, Place>()
  /** When members that were given up were last tried, the longest ago first. */
  readonly #givenUp = new Map<string, number>()
  readonly #waiting = new Set<Standing>()

  constructor(limits: Limits = limitsOfAll) {
    this.#limits = limits
  }

  get(did: Did): Place | undefined {
    return this.#places.get(did.text)
  }

  /** Whether it was given up and has no place now. */
  isGivenUp(did: Did): boolean {
    return !this.#places.has(did.text) && this.#givenUp.has(did.text)
  }

  /** Whether somebody of this standing was refused for want of a place since this was last asked for. */
  isAwaited(standing: Standing): boolean {
    return this.#waiting.has(standing)
  }

  /** The waiting are about to be offered again, and are counted anew. */
  reconsider(): void {
    this.#waiting.clear()
  }

  /** A place for a member, for which one that was tried in vain may have to go. */
  offer(did: Did, standing: Standing): Offer {
    if (this.#places.has(did.text)) return { _tag: "present" }
    const triedMillis = this.#givenUp.get(did.text)
    let insteadOf: Place | undefined
    if (!this.#hasRoom(standing)) {
      if (standing === "heardOf" && triedMillis === undefined) insteadOf = this.#firstPausing()
      if (insteadOf === undefined) {
        // One that was given up waits to be heard of once more.
        if (triedMillis === undefined) this.#waiting.add(standing)
        return { _tag: "waiting" }
      }
      this.giveUp(insteadOf)
    }
    this.#givenUp.delete(did.text)
    const place: Place = { did, standing, triedMillis, isOnce: triedMillis !== undefined, isPausing: false }
    this.#places.set(did.text, place)
    return { _tag: "taken", place, insteadOf }
  }

  /** There is a session, so the member has been met; false when it loses its place, as there is none for it there. */
  opened(place: Place): boolean {
    this.#givenUp.delete(place.did.text)
    place.isOnce = false
    if (place.standing !== "heardOf" || this.#places.get(place.did.text) !== place) return true
    if (!this.#hasRoom("met")) {
      this.#waiting.add("met")
      return false
    }
    place.standing = "met"
    return true
  }

  /** The place is free. */
  leave(place: Place): void {
    if (this.#places.get(place.did.text) === place) this.#places.delete(place.did.text)
  }

  /** The place is free, and the member is not tried any more until it is heard of again. */
  giveUp(place: Place): void {
    const { did, triedMillis } = place
    this.leave(place)
    if (triedMillis === undefined) return
    this.#givenUp.delete(did.text)
    this.#givenUp.set(did.text, triedMillis)
    const [oldest] = this.#givenUp.keys()
    if (this.#givenUp.size > this.#limits.givenUp && oldest !== undefined) this.#givenUp.delete(oldest)
  }

  #hasRoom(standing: Standing): boolean {
    if (standing === "configured") return true
    let count = 0
    for (const place of this.#places.values()) if (place.standing === standing) count++
    return count < this.#limits[standing]
  }

  #firstPausing(): Place | undefined {
    for (const place of this.#places.values()) if (place.standing === "heardOf" && place.isPausing) return place
    return undefined
  }
}
