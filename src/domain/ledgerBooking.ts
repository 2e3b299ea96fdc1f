/**
 * Which valid entries are booked. That is a function of the set of valid entries alone:
 *
 * - every entry of an author who has not forked, and everything in its past;
 * - of an author who has forked, the chain below his lowest fork.
 *
 * So what an honest member relied on stays, on whichever branch the cheat wrote it, and the rest of his branches does
 * not count. `bookedEntries` is this sentence; `LedgerBooking` follows it entry by entry.
 */
import type { Author, HistoryEntry, LedgerHistory } from "./ledgerHistory.ts"

const isBelowFork = (author: Author | undefined, seq: number): boolean =>
  author !== undefined && (author.lowestFork === undefined || seq < author.lowestFork)

/** The booked entries, worked out from nothing but the definition. */
export const bookedEntries = (history: LedgerHistory): ReadonlySet<HistoryEntry> => {
  const booked = new Set<HistoryEntry>()
  const waiting: Array<HistoryEntry> = []
  for (const author of history.authors()) if (author.lowestFork === undefined) waiting.push(...author.entries)
  for (let entry = waiting.pop(); entry !== undefined; entry = waiting.pop()) {
    if (booked.has(entry)) continue
    booked.add(entry)
    waiting.push(...entry.references)
  }
  for (const author of history.authors()) {
    for (const entry of author.entries) if (isBelowFork(author, entry.entry.seq)) booked.add(entry)
  }
  return booked
}

/** What one more entry changed. */
export interface BookingChange {
  readonly booked: ReadonlyArray<HistoryEntry>
  readonly unbooked: ReadonlyArray<HistoryEntry>
}

/**
 * The booked entries, kept up to date. An entry costs what it newly takes along; an author's first fork costs as much
 * as all entries of forked authors are, which happens once per member.
 */
export class LedgerBooking {
  readonly #history: LedgerHistory
  readonly #booked = new Set<HistoryEntry>()
  /** Entries of forked authors in the past of an unforked author's entry. */
  readonly #covered = new Set<HistoryEntry>()
  readonly #forked = new Map<Author, number>()

  constructor(history: LedgerHistory) {
    this.#history = history
  }

  isBooked(entry: HistoryEntry): boolean {
    return this.#booked.has(entry)
  }

  /** Follows an entry that the history has just taken in. */
  added(entry: HistoryEntry): BookingChange {
    const author = this.#history.author(entry.entry.author)
    if (author?.lowestFork === undefined) {
      const covered = this.#cover(entry)
      return this.#settle([entry, ...covered])
    }
    const before = this.#forked.get(author)
    this.#forked.set(author, author.lowestFork)
    if (before === undefined) return this.#settle(this.#coverAnew())
    // Only where the fork begins has changed, if anything: what lies between is booked no longer unless it is covered.
    return this.#settle([...author.bySeq.slice(author.lowestFork, before).flat(), entry])
  }

  #isToBeBooked({ author, entry }: { author: Author | undefined; entry: HistoryEntry }): boolean {
    return isBelowFork(author, entry.entry.seq) || this.#covered.has(entry)
  }

  #settle(touched: Iterable<HistoryEntry>): BookingChange {
    const booked: Array<HistoryEntry> = []
    const unbooked: Array<HistoryEntry> = []
    for (const entry of new Set(touched)) {
      const wanted = this.#isToBeBooked({ author: this.#history.author(entry.entry.author), entry })
      if (wanted === this.#booked.has(entry)) continue
      if (wanted) {
        this.#booked.add(entry)
        booked.push(entry)
      } else {
        this.#booked.delete(entry)
        unbooked.push(entry)
      }
    }
    return { booked, unbooked }
  }

  /** Everything of forked authors in the past of an unforked author's new entry; the past of the others is done. */
  #cover(from: HistoryEntry): ReadonlyArray<HistoryEntry> {
    const covered: Array<HistoryEntry> = []
    const waiting = [from]
    for (let entry = waiting.pop(); entry !== undefined; entry = waiting.pop()) {
      for (const reference of entry.references) {
        if (!this.#history.isForked(reference.entry.author) || this.#covered.has(reference)) continue
        this.#covered.add(reference)
        covered.push(reference)
        waiting.push(reference)
      }
    }
    return covered
  }

  /** One author more has forked, so his entries cover nothing by themselves any more. */
  #coverAnew(): ReadonlyArray<HistoryEntry> {
    this.#covered.clear()
    const doubtful = [...this.#forked.keys()]
      .flatMap(({ entries }) => entries)
      // What refers to an entry is later than it, and so decided before it.
      .toSorted((a, b) => b.entry.lamport - a.entry.lamport)
    for (const entry of doubtful) {
      const covers = (child: HistoryEntry) => !this.#history.isForked(child.entry.author) || this.#covered.has(child)
      if (entry.children.some(covers)) this.#covered.add(entry)
    }
    return doubtful
  }
}
