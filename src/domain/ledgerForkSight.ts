/**
 * Which entries have a fork of one author in their past. It is asked about forked authors only, and each entry is
 * looked at once: what an entry sees is the last entry of the author's chain in its past, or that there are two chains.
 */
import type { AccountId, Entry } from "./ledgerEntry.ts"

/** An entry with what it refers to. */
interface Linked<E> {
  readonly entry: Entry
  readonly references: ReadonlyArray<E>
}

/** Nothing of the author, the end of his only chain, or two of them. */
type Sight<E> = E | "nothing" | "fork"

export class ForkSight<E extends Linked<E>> {
  readonly #author: AccountId
  readonly #isOnChain: (tip: E, earlier: E) => boolean
  readonly #seen = new Map<E, Sight<E>>()
  /** Lamport below which there is nothing to see; what was found with a higher one is void. */
  #floor = Infinity

  constructor(author: AccountId, isOnChain: (tip: E, earlier: E) => boolean) {
    this.#author = author
    this.#isOnChain = isOnChain
  }

  /** Whether these entries and their pasts have a fork in them; `floor` is the lamport of its earlier entry. */
  seesFork(from: ReadonlyArray<E>, floor: number): boolean {
    if (floor < this.#floor) {
      this.#floor = floor
      this.#seen.clear()
    }
    for (const entry of from) this.#look(entry)
    return from.reduce<Sight<E>>((sight, entry) => this.#merge(sight, this.#sightOf(entry)), "nothing") === "fork"
  }

  #sightOf(entry: E): Sight<E> {
    return entry.entry.lamport < this.#floor ? "nothing" : (this.#seen.get(entry) ?? "nothing")
  }

  #merge(a: Sight<E>, b: Sight<E>): Sight<E> {
    if (a === "nothing" || b === "fork") return b
    if (b === "nothing" || a === "fork") return a
    if (this.#isOnChain(a, b)) return a
    return this.#isOnChain(b, a) ? b : "fork"
  }

  #isKnown(entry: E): boolean {
    return entry.entry.lamport < this.#floor || this.#seen.has(entry)
  }

  /** Goes through the past without recursion, which a chain of some thousand entries would not survive. */
  #look(from: E): void {
    const waiting = [from]
    for (let entry = waiting.at(-1); entry !== undefined; entry = waiting.at(-1)) {
      const unknown = this.#isKnown(entry) ? [] : entry.references.filter((reference) => !this.#isKnown(reference))
      if (unknown.length > 0) {
        waiting.push(...unknown)
        continue
      }
      waiting.pop()
      if (this.#isKnown(entry)) continue
      const own: Sight<E> = entry.entry.author === this.#author ? entry : "nothing"
      const past = entry.references.reduce<Sight<E>>((sight, one) => this.#merge(sight, this.#sightOf(one)), "nothing")
      this.#seen.set(entry, this.#merge(own, past))
    }
  }
}
