/**
 * The comparison of a journal with another member's (domain/ledgerReconcile.ts), as plain synchronous code over any
 * `Journal`. Going through all chains takes some milliseconds for each thousand authors, so it is done once per
 * version, and in the thread that reads.
 */
import type { AccountId } from "../../domain/ledgerEntry.ts"
import type { Fork } from "../../domain/ledgerHistory.ts"
import {
  answerRange,
  type AuthorRange,
  ChainIndex,
  type Head,
  type Lack,
  lackOf,
  lagOf,
  openingMarks,
  type RangeAnswer,
  type RangeMark,
  refine,
  type Refined,
  type ShownChain,
  type Wants
} from "../../domain/ledgerReconcile.ts"
import { type JournalOfMissing, Missing } from "./Missing.ts"

/** Forks of one page. */
const pageMax = 1000

export class Reconciler {
  readonly #journal: JournalOfMissing
  #kept: { readonly state: string; readonly index: ChainIndex; readonly missing: Missing } | undefined

  constructor(journal: JournalOfMissing) {
    this.#journal = journal
  }

  readonly opening = (): ReadonlyArray<RangeMark> => openingMarks(this.#index())

  readonly refine = (ranges: ReadonlyArray<AuthorRange>): Refined => {
    const index = this.#index()
    const refined = ranges.map((range) => refine(index, range))
    return { marks: refined.flatMap(({ marks }) => marks), ranges: refined.flatMap((one) => one.ranges) }
  }

  readonly answer = (marks: ReadonlyArray<RangeMark>): ReadonlyArray<RangeAnswer> => {
    const index = this.#index()
    return marks.map((mark) => answerRange(index, mark))
  }

  readonly lacks = (shown: ReadonlyArray<ShownChain>): ReadonlyArray<Lack> => {
    const { index, missing } = this.#chains()
    return shown.flatMap((chain) => {
      // What follows an entry with a bad signature comes again with that one, from somebody who has a good one.
      const behind = lackOf(index.find(chain.author), chain, (id) => missing.isProven(id))
      return behind === undefined ? [] : [{ author: chain.author, behind, entries: lagOf(behind, chain) }]
    })
  }

  readonly branches = (): Wants["chains"] => this.#index().branches

  readonly head = (author: AccountId): Head | undefined => {
    const index = this.#index()
    const shown = index.find(author)
    if (shown !== undefined && "head" in shown) return shown.head
    const ends = index.branches.flatMap((one) => (one.author === author && one.behind !== null ? [one.behind] : []))
    return ends.toSorted((a, b) => b.seq - a.seq)[0]
  }

  /** The chains as they are now. What is only vouched for comes to count without a new version. */
  #chains() {
    const state = `${this.#journal.version()} ${this.#journal.vouched(1)[0]?.id ?? ""}`
    if (this.#kept?.state === state) return this.#kept
    const missing = new Missing(this.#journal)
    this.#kept = { state, missing, index: new ChainIndex(missing.provenChains(), this.#forks()) }
    return this.#kept
  }

  #index(): ChainIndex {
    return this.#chains().index
  }

  #forks(): ReadonlyArray<Fork> {
    const forks: Array<Fork> = []
    for (;;) {
      const page = this.#journal.forks(forks.at(-1)?.author, pageMax)
      if (page.length === 0) return forks
      forks.push(...page)
    }
  }
}
