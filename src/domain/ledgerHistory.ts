/**
 * All valid entries of one cooperative in memory, as a graph: who refers to whom, the chains of the authors with their
 * branches, and where authors have forked. It answers what admission asks (`LedgerPast`), and it only grows. How many
 * entries there may be is decided by whoever adds them.
 */
import type { PastEntry, LedgerPast, Use } from "./ledgerAdmit.ts"
import { type AccountId, type EntryId, referencesOf, subjectOf } from "./ledgerEntry.ts"
import { ForkSight } from "./ledgerForkSight.ts"

/** A piece of a chain without forks in it; what is before it ends with `from`. */
export interface Branch {
  readonly from: HistoryEntry | undefined
}

export interface HistoryEntry extends PastEntry {
  /** What it refers to. */
  readonly references: ReadonlyArray<HistoryEntry>
  /** What refers to it, in order of arrival. */
  readonly children: Array<HistoryEntry>
  readonly branch: Branch
}

/** Everything known of one author, on all of his branches. */
export interface Author {
  readonly account: AccountId
  /** In order of arrival; an entry comes after the one before it in its chain. */
  readonly entries: Array<HistoryEntry>
  /** By position in the chain; more than one is a fork. */
  readonly bySeq: Array<Array<HistoryEntry>>
  /** The lowest position with two entries, if there is one. */
  lowestFork: number | undefined
}

/** Two entries of an author at one position, each valid: the proof that he forked. */
export interface Fork {
  readonly author: AccountId
  readonly seq: number
  readonly entries: readonly [EntryId, EntryId]
}

const useKey = (author: AccountId, use: Use, what: string): string => `${use} ${what} ${author}`

export class LedgerHistory implements LedgerPast {
  readonly coop: EntryId
  readonly #entries = new Map<EntryId, HistoryEntry>()
  readonly #authors = new Map<AccountId, Author>()
  readonly #uses = new Map<string, Array<HistoryEntry>>()
  readonly #concerning = new Map<AccountId, Array<HistoryEntry>>()
  readonly #sights = new Map<AccountId, ForkSight<HistoryEntry>>()

  constructor(coop: EntryId) {
    this.coop = coop
  }

  /** Entries so far; the version of everything that follows from them. */
  get size(): number {
    return this.#entries.size
  }

  find(id: EntryId): HistoryEntry | undefined {
    return this.#entries.get(id)
  }

  entries(): Iterable<HistoryEntry> {
    return this.#entries.values()
  }

  author(account: AccountId): Author | undefined {
    return this.#authors.get(account)
  }

  authors(): Iterable<Author> {
    return this.#authors.values()
  }

  isForked(account: AccountId): boolean {
    return this.#authors.get(account)?.lowestFork !== undefined
  }

  /** Where an author's chain ends: the last entry of an unforked one, one of the last of a forked one. */
  tip(account: AccountId): HistoryEntry | undefined {
    return this.#authors.get(account)?.bySeq.at(-1)?.[0]
  }

  /** The memberships and grants of an account, in order of arrival. */
  concerning(account: AccountId): ReadonlyArray<HistoryEntry> {
    return this.#concerning.get(account) ?? []
  }

  /** The proof that an author has forked, at his lowest fork. */
  fork(account: AccountId): Fork | undefined {
    const author = this.#authors.get(account)
    if (author?.lowestFork === undefined) return undefined
    const [one, other] = (author.bySeq[author.lowestFork] ?? []).map(({ id }) => id).toSorted()
    return one === undefined || other === undefined
      ? undefined
      : { author: account, seq: author.lowestFork, entries: [one, other] }
  }

  uses(author: AccountId, use: Use, what: string): ReadonlyArray<HistoryEntry> {
    return this.#uses.get(useKey(author, use, what)) ?? []
  }

  isOnChain(tip: PastEntry, earlier: PastEntry): boolean {
    const wanted = this.#entries.get(earlier.id)
    if (wanted === undefined || tip.entry.author !== wanted.entry.author) return false
    let at = this.#entries.get(tip.id)
    while (at !== undefined) {
      if (at.branch === wanted.branch) return wanted.entry.seq <= at.entry.seq
      at = at.branch.from
    }
    return false
  }

  seesFork(account: AccountId, from: ReadonlyArray<PastEntry>): boolean {
    const author = this.#authors.get(account)
    if (author?.lowestFork === undefined) return false
    const isOnChain = (tip: HistoryEntry, earlier: HistoryEntry) => this.isOnChain(tip, earlier)
    const sight = this.#sights.get(account) ?? new ForkSight<HistoryEntry>(account, isOnChain)
    this.#sights.set(account, sight)
    return sight.seesFork(
      from.flatMap(({ id }) => this.#entries.get(id) ?? []),
      // What the fork can be seen from is later than the earlier one of its entries.
      (author.bySeq[author.lowestFork] ?? []).reduce((least, { entry }) => Math.min(least, entry.lamport), Infinity)
    )
  }

  /** Takes in an admitted entry; one that is there already is only returned. */
  add(admitted: PastEntry): HistoryEntry {
    const present = this.#entries.get(admitted.id)
    if (present !== undefined) return present
    const references = referencesOf(admitted.entry).map((id) => {
      const found = this.#entries.get(id)
      if (found === undefined) throw new Error(`entry ${admitted.id} came before ${id}, which it refers to`)
      return found
    })
    const entry: HistoryEntry = { ...admitted, references, children: [], branch: this.#branchOf(admitted) }
    this.#entries.set(entry.id, entry)
    for (const reference of references) reference.children.push(entry)
    this.#addToAuthor(entry)
    this.#addUses(entry)
    if (entry.entry.kind === "member" || entry.entry.kind === "grant") {
      push(this.#concerning, entry.entry.account, entry)
    }
    return entry
  }

  /** The first to follow an entry in its chain goes on with its branch, others begin a new one. */
  #branchOf({ entry }: PastEntry): Branch {
    const prev = entry.prev === null ? undefined : this.#entries.get(entry.prev)
    if (prev === undefined) return { from: undefined }
    const next = this.#authors.get(entry.author)?.bySeq[entry.seq] ?? []
    return next.some(({ branch }) => branch === prev.branch) ? { from: prev } : prev.branch
  }

  #addToAuthor(entry: HistoryEntry): void {
    const { author: account, seq } = entry.entry
    const author = this.#authors.get(account) ?? { account, entries: [], bySeq: [], lowestFork: undefined }
    this.#authors.set(account, author)
    author.entries.push(entry)
    const there = author.bySeq[seq]
    if (there === undefined) {
      author.bySeq[seq] = [entry]
      return
    }
    there.push(entry)
    author.lowestFork = Math.min(seq, author.lowestFork ?? seq)
  }

  #addUses(one: HistoryEntry): void {
    const { entry } = one
    for (const id of entry.acks) push(this.#uses, useKey(entry.author, "ack", id), one)
    const subject = subjectOf(entry)
    if (subject !== undefined) {
      push(this.#uses, useKey(entry.author, entry.kind === "reverse" ? "reverse" : "resolve", subject), one)
    }
    if (entry.idempotencyKey !== "") push(this.#uses, useKey(entry.author, "key", entry.idempotencyKey), one)
  }
}

const push = <K, V>(map: Map<K, Array<V>>, key: K, value: V): void => {
  const there = map.get(key)
  if (there === undefined) map.set(key, [value])
  else there.push(value)
}
