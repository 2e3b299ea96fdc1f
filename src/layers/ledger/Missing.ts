/**
 * What somebody lacks who tells where his chains end: entries in the order of versions, which is an order in which all
 * can be admitted. Nothing that is only vouched for is passed on, nor what its author wrote after it. Of an author who
 * is known here to have forked, others get what the books need: what is booked, and the two entries that prove it.
 */
import type { AccountId, EntryId } from "../../domain/ledgerEntry.ts"
import type { PastEntry } from "../../domain/ledgerAdmit.ts"
import { type Chain, havingOf, type Wants } from "../../domain/ledgerReconcile.ts"
import type { Head, Journal, SealedBytes, StoredEntry } from "./Journal.ts"

export type JournalOfMissing = Omit<Journal, "write">

/** Rows of one look into the journal. */
const pageMax = 256
/** Entries looked at in one call, so that it does not last: about a tenth of a second. */
const scanMax = 20_000
/** Vouched entries looked at; more there are only for the moments after catching up. */
const vouchedMax = 1024

interface Their {
  /** The ends of their chains that are known here. */
  readonly known: ReadonlyArray<PastEntry>
  /** The highest end that is not known here. */
  readonly unknownSeq: number
}

/** What somebody has of an author: this much, nothing (`undefined`), or all that is here. */
type Having = (author: AccountId) => Chain | "all" | undefined

/** A page of the journal, from behind a version on. */
export interface PageFrom {
  readonly version: number
  readonly max: number
  readonly bytesMax: number
}

export interface MissingPage {
  readonly entries: ReadonlyArray<SealedBytes>
  readonly version: number
  readonly done: boolean
}

export class Missing {
  readonly #journal: JournalOfMissing
  /** The first entry that is only vouched for, by author. */
  readonly #unproven: ReadonlyMap<AccountId, StoredEntry>
  readonly #proofs = new Map<AccountId, ReadonlyArray<EntryId>>()
  readonly #theirs = new Map<AccountId, Their | "all" | undefined>()
  #having: Having = () => undefined

  constructor(journal: JournalOfMissing) {
    this.#journal = journal
    const unproven = new Map<AccountId, StoredEntry>()
    for (const one of journal.vouched(vouchedMax)) {
      const { author, seq } = one.entry
      const lowest = unproven.get(author)?.entry.seq ?? Infinity
      if (seq < lowest) unproven.set(author, one)
    }
    this.#unproven = unproven
  }

  /** Where the chains end, each before its first entry that is only vouched for. */
  provenChains(): ReadonlyArray<Chain> {
    const chains = new Map<AccountId, Array<{ readonly seq: number; readonly id: EntryId }>>()
    for (const head of this.#heads()) {
      const proven = this.#provenEnd(head)
      if (proven === undefined) continue
      const heads = chains.get(head.author) ?? []
      // Branches that begin after the first unproven entry all end before it.
      if (!heads.some(({ id }) => id === proven.id)) heads.push(proven)
      chains.set(head.author, heads)
    }
    return [...chains].map(([author, heads]) => ({ author, heads: heads.toSorted((a, b) => (a.id < b.id ? -1 : 1)) }))
  }

  /** Whether an entry is here, and it and all before it in its chain are proven. */
  isProven(id: EntryId): boolean {
    const found = this.#journal.entry(id)
    return found !== undefined && this.#isPassedOn(found)
  }

  #isPassedOn({ entry: { author, seq }, proof }: StoredEntry): boolean {
    return proof === "signed" && seq < (this.#unproven.get(author)?.entry.seq ?? Infinity)
  }

  /** What somebody lacks who has these chains and nothing else. */
  page(have: ReadonlyArray<Chain>, from: PageFrom): MissingPage {
    const chains = new Map(have.map((chain) => [chain.author, chain]))
    return this.#page((author) => chains.get(author), from)
  }

  /** What somebody lacks who wants this and has all the rest. */
  pageOf(wants: Wants, from: PageFrom): MissingPage {
    return this.#page(havingOf(wants), from)
  }

  /** The entries that come after a version, up to some number and size. */
  #page(having: Having, from: PageFrom): MissingPage {
    this.#having = having
    this.#theirs.clear()
    const entries: Array<SealedBytes> = []
    let version = from.version > 0 ? from.version : this.#firstLacked() - 1
    let bytes = 0
    const end = version + scanMax
    while (version < end) {
      const page = this.#journal.entriesAfter(version, pageMax)
      for (const one of page) {
        if (this.#isWanted(one)) {
          const { body, signature } = one.sealed
          bytes += body.length + signature.length
          const isFull = entries.length >= from.max || (bytes > from.bytesMax && entries.length > 0)
          if (isFull) return { entries, version, done: false }
          entries.push({ body, signature })
        }
        version = one.version
      }
      if (page.length === 0) return { entries, version, done: true }
    }
    return { entries, version, done: false }
  }

  *#heads(): Iterable<Head> {
    let after: AccountId | undefined
    for (;;) {
      const page = this.#journal.heads(after, pageMax)
      if (page.length === 0) return
      yield* page
      after = page.at(-1)?.author
    }
  }

  #provenEnd({ author, id, seq }: Head): { readonly seq: number; readonly id: EntryId } | undefined {
    const unproven = this.#unproven.get(author)
    if (unproven === undefined || unproven.entry.seq > seq) return { seq, id }
    const head = this.#journal.find(id)
    const first = this.#journal.find(unproven.id)
    if (head === undefined || first === undefined || !this.#journal.isOnChain(head, first)) return { seq, id }
    return first.entry.prev === null ? undefined : { seq: first.entry.seq - 1, id: first.entry.prev }
  }

  #theirOf(author: AccountId): Their | "all" | undefined {
    if (this.#theirs.has(author)) return this.#theirs.get(author)
    const having = this.#having(author)
    const their = having === undefined || having === "all" ? having : this.#their(having)
    this.#theirs.set(author, their)
    return their
  }

  #their({ heads }: Chain): Their {
    const known: Array<PastEntry> = []
    let unknownSeq = -1
    for (const { id, seq } of heads) {
      const found = this.#journal.find(id)
      if (found === undefined) unknownSeq = Math.max(unknownSeq, seq)
      else known.push(found)
    }
    return { known, unknownSeq }
  }

  /** The version of the first entry that they lack, as far as it can be told from where the chains end. */
  #firstLacked(): number {
    let first = this.#journal.version() + 1
    for (const head of this.#heads()) {
      const their = this.#theirOf(head.author)
      if (their === "all" || their?.known.some(({ id }) => id === head.id) === true) continue
      // Somebody ahead of us lacks nothing, as far as we can tell; where chains fork, it takes a look at all of it.
      const seq = this.#journal.isForked(head.author) ? 0 : this.#commonSeq(head, their) + 1
      if (seq > head.seq) continue
      for (const id of this.#journal.at(head.author, seq)) {
        first = Math.min(first, this.#journal.entry(id)?.version ?? first)
      }
    }
    return first
  }

  #commonSeq({ seq }: Head, their: Their | undefined): number {
    if (their === undefined) return -1
    if (their.unknownSeq > seq) return seq
    return their.known.reduce((most, { entry }) => Math.max(most, entry.seq), -1)
  }

  #isWanted(one: StoredEntry): boolean {
    const { author, seq } = one.entry
    if (!this.#isPassedOn(one)) return false
    const isForked = this.#journal.isForked(author)
    const their = this.#theirOf(author)
    if (their === "all") return false
    if (isForked && !one.booked && !this.#proofOf(author).includes(one.id)) return false
    if (their === undefined) return true
    if (!isForked) return seq > this.#commonSeq({ author, seq: this.#endOf(author), id: "" }, their)
    const found = this.#journal.find(one.id)
    return found === undefined || !their.known.some((head) => this.#journal.isOnChain(head, found))
  }

  readonly #ends = new Map<AccountId, number>()
  #endOf(author: AccountId): number {
    const known = this.#ends.get(author) ?? this.#journal.tip(author)?.entry.seq ?? -1
    this.#ends.set(author, known)
    return known
  }

  /** The two entries at the lowest fork. */
  #proofOf(author: AccountId): ReadonlyArray<EntryId> {
    const known = this.#proofs.get(author)
    if (known !== undefined) return known
    const lowest = this.#journal.lowestFork(author)
    const proof = lowest === undefined ? [] : this.#journal.at(author, lowest).slice(0, 2)
    this.#proofs.set(author, proof)
    return proof
  }
}
