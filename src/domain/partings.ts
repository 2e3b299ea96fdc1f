/**
 * Sessions that were ended on purpose, so that nobody opens them again by himself: by this node, or by the member, who
 * said that it does not want to be dialled. Holds until somebody here asks for the member or the member comes again.
 * Bounded: what is forgotten is dialled once more, which costs one session.
 */
import type { Did } from "./did.ts"

/** Members remembered of each kind: many times as many as there are sessions. */
export const partingsMax = 1024

export class Partings {
  readonly #limit: number
  /** Apart, so that members who make many keys cannot undo what this node wants. */
  readonly #here = new Set<string>()
  readonly #there = new Set<string>()

  constructor(limit = partingsMax) {
    this.#limit = limit
  }

  /** This node ends the session and does not want it back. */
  closedHere(did: Did): void {
    this.#add(this.#here, did)
  }

  /** The member said so. */
  closedThere(did: Did): void {
    this.#add(this.#there, did)
  }

  isClosedThere(did: Did): boolean {
    return this.#there.has(did.text)
  }

  /** Whether a member may be dialled without being asked for; one of the configuration that closed is dialled on. */
  allows(did: Did, isConfigured: boolean): boolean {
    return !this.#here.has(did.text) && (isConfigured || !this.#there.has(did.text))
  }

  /** Somebody asked for the member, or the member came; true when there was a parting. */
  clear(did: Did): boolean {
    const wasHere = this.#here.delete(did.text)
    return this.#there.delete(did.text) || wasHere
  }

  /** The oldest leaves first. */
  #add(set: Set<string>, { text }: Did): void {
    set.delete(text)
    set.add(text)
    const [oldest] = set
    if (set.size > this.#limit && oldest !== undefined) set.delete(oldest)
  }
}
