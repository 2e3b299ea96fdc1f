/**
 * How two nodes find what one of them lacks without telling each other all that they have. Both keep their chains in
 * the order of authors. Whoever asks sends fingerprints of ranges of authors; the other side says of each whether it
 * is the same, lists its chains there when they are few, or has the range split. So 10,000 authors with three
 * differences take three or four rounds and a few kilobytes (range-based set reconciliation, A. Meyer, SRDS 2023).
 *
 * Of an author who has forked only the position of the fork is compared: which of his branches a node keeps depends on
 * what refers to them (docs/ledger.md), and what is referred to comes along with what refers to it.
 */
import { createHash } from "node:crypto"
import type { AccountId, EntryId } from "./ledgerEntry.ts"

/** An author's chain as one node has it. */
export interface Chain {
  readonly author: AccountId
  /** The end of it; of a forked author, of each branch. Ascending by id. */
  readonly heads: ReadonlyArray<Head>
}

export interface Head {
  readonly seq: number
  readonly id: EntryId
}

/** What one node tells another of a chain. */
export type ShownChain =
  | { readonly author: AccountId; readonly head: Head }
  /** The lowest position with two entries. */
  | { readonly author: AccountId; readonly forkedAt: number }

/** Authors from `from` on and before `to`; an empty text is no bound. */
export interface AuthorRange {
  readonly from: AccountId
  readonly to: AccountId
}

/** A range, and what is in it on the side that asks. */
export interface RangeMark extends AuthorRange {
  /** 32 hex digits. */
  readonly fingerprint: string
}

/** What the side that is asked says of a range. */
export type RangeAnswer =
  /** It has the same, or nothing that the other one could lack. */
  | { readonly _tag: "Same" }
  | { readonly _tag: "Split" }
  | { readonly _tag: "Chains"; readonly chains: ReadonlyArray<ShownChain> }

/** What the side that asks lacks. */
export interface Wants {
  /** All chains of these ranges from their beginning. */
  readonly ranges: ReadonlyArray<AuthorRange>
  /** Chains behind an entry, or from their beginning; of a forked author, behind each of several. */
  readonly chains: ReadonlyArray<{ readonly author: AccountId; readonly behind: Head | null }>
}

/** A chain of which something is lacking: what is behind an entry, or all of it, and about how many entries that is. */
export interface Lack {
  readonly author: AccountId
  readonly behind: Head | null
  readonly entries: number
}

export const nothingWanted: Wants = { ranges: [], chains: [] }

/** Chains that are listed instead of splitting their range again: about as many bytes as its fingerprints take. */
export const listedMax = 16
/** Parts of a range that is split. */
const parts = 16
/** Hex digits of a fingerprint: 128 bits, far beyond chance; whoever makes two alike only hides what he has himself. */
const fingerprintDigits = 32

/** All authors. */
export const everybody: AuthorRange = { from: "", to: "" }

/** The first author after this one that there could be; no bound after the last. */
const after = (author: AccountId): AccountId => {
  const next = (BigInt(`0x${author}`) + 1n).toString(16).padStart(author.length, "0")
  return next.length > author.length ? "" : next
}

const only = (author: AccountId): AuthorRange => ({ from: author, to: after(author) })

const isEmpty = ({ from, to }: AuthorRange): boolean => to !== "" && from >= to

export const isWithin = (author: AccountId, { from, to }: AuthorRange): boolean =>
  author >= from && (to === "" || author < to)

/** Whether no author is in two of these ranges: then all of them together are no more work than one of all authors. */
export const areApart = (ranges: ReadonlyArray<AuthorRange>): boolean => {
  const sorted = ranges.toSorted((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0))
  return sorted.every(({ to }, place) => {
    const next = sorted[place + 1]
    return next === undefined || (to !== "" && to <= next.from)
  })
}

const markOf = (chain: ShownChain): string =>
  "head" in chain ? `${chain.author}${chain.head.id}` : `${chain.author}/${chain.forkedAt}/`

const sortedByAuthor = <A extends { readonly author: AccountId }>(items: ReadonlyArray<A>): ReadonlyArray<A> =>
  items.every(({ author }, index) => index === 0 || (items[index - 1]?.author ?? "") < author)
    ? items
    : items.toSorted((a, b) => (a.author < b.author ? -1 : 1))

/** The end of the longest branch. */
const longest = ({ heads }: Chain): Head | undefined =>
  heads.reduce<Head | undefined>((best, head) => (best === undefined || head.seq > best.seq ? head : best), undefined)

/** The chains of one node, by author. */
export class ChainIndex {
  readonly #chains: ReadonlyArray<ShownChain>
  /** The ends of all branches of forked authors, which are told only to get what was written upon them. */
  readonly branches: Wants["chains"]

  constructor(
    chains: ReadonlyArray<Chain>,
    forks: ReadonlyArray<{ readonly author: AccountId; readonly seq: number }> = []
  ) {
    const forkedAt = new Map(forks.map(({ author, seq }) => [author, seq]))
    this.branches = chains.flatMap(({ author, heads }) =>
      forkedAt.has(author) ? heads.map((behind) => ({ author, behind })) : []
    )
    this.#chains = sortedByAuthor(chains).flatMap((chain): ReadonlyArray<ShownChain> => {
      const fork = forkedAt.get(chain.author)
      if (fork !== undefined) return [{ author: chain.author, forkedAt: fork }]
      const head = longest(chain)
      return head === undefined ? [] : [{ author: chain.author, head }]
    })
  }

  /** The first place at or behind an author. */
  #place(author: AccountId): number {
    let low = 0
    let high = this.#chains.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#chains[middle]?.author ?? "") < author) low = middle + 1
      else high = middle
    }
    return low
  }

  #places({ from, to }: AuthorRange): readonly [number, number] {
    return [this.#place(from), to === "" ? this.#chains.length : this.#place(to)]
  }

  find(author: AccountId): ShownChain | undefined {
    const found = this.#chains[this.#place(author)]
    return found?.author === author ? found : undefined
  }

  count(range: AuthorRange): number {
    const [start, end] = this.#places(range)
    return Math.max(0, end - start)
  }

  within(range: AuthorRange): ReadonlyArray<ShownChain> {
    return this.#chains.slice(...this.#places(range))
  }

  fingerprint(range: AuthorRange): string {
    const hash = createHash("sha256")
    for (const chain of this.within(range)) hash.update(markOf(chain))
    return hash.digest("hex").slice(0, fingerprintDigits)
  }

  mark(range: AuthorRange): RangeMark {
    return { ...range, fingerprint: this.fingerprint(range) }
  }

  /** Cuts a range at authors of this node, into parts with about as many of them each. */
  split(range: AuthorRange): ReadonlyArray<AuthorRange> {
    const [start, end] = this.#places(range)
    const bounds = Array.from({ length: parts - 1 }, (_, index) => {
      return this.#chains[start + Math.floor(((end - start) * (index + 1)) / parts)]?.author ?? range.to
    })
    return [range.from, ...bounds].map((from, index) => ({ from, to: bounds[index] ?? range.to }))
  }
}

/** What the side that is asked says of a range of the other side. */
export const answerRange = (index: ChainIndex, mark: RangeMark): RangeAnswer => {
  const count = index.count(mark)
  if (count === 0 || index.fingerprint(mark) === mark.fingerprint) return { _tag: "Same" }
  return count <= listedMax ? { _tag: "Chains", chains: index.within(mark) } : { _tag: "Split" }
}

/** The ranges to ask about first. */
export const openingMarks = (index: ChainIndex): ReadonlyArray<RangeMark> =>
  (index.count(everybody) > listedMax ? index.split(everybody) : [everybody]).map((range) => index.mark(range))

/** What to ask next about ranges that are to be split, and what is lacking for certain. */
export interface Refined {
  readonly marks: ReadonlyArray<RangeMark>
  readonly ranges: ReadonlyArray<AuthorRange>
}

export const refine = (index: ChainIndex, range: AuthorRange): Refined => {
  const own = index.within(range)
  if (own.length > listedMax) return { marks: index.split(range).map((part) => index.mark(part)), ranges: [] }
  // A single author cannot be split: whoever says so gets to send the chain.
  const [first] = own
  if (first !== undefined && range.from === first.author && range.to === after(first.author)) {
    return { marks: [], ranges: [range] }
  }
  const bounds = [range.from, ...own.map(({ author }) => after(author))]
  const gaps = bounds.map((from, place) => ({ from, to: own[place]?.author ?? range.to }))
  return {
    marks: own.map(({ author }) => index.mark(only(author))),
    // Nothing follows the last author that there can be.
    ranges: gaps.filter((gap, place) => !isEmpty(gap) && (place === 0 || gap.from !== ""))
  }
}

/**
 * What this node lacks of a chain that another one shows: everything behind an entry, or all of it (`null`), or
 * nothing. `isHere` says whether an entry is on this node.
 */
export const lackOf = (
  own: ShownChain | undefined,
  shown: ShownChain,
  isHere: (id: EntryId) => boolean
): Head | null | undefined => {
  if (own === undefined) return null
  if ("forkedAt" in own) return "forkedAt" in shown && shown.forkedAt < own.forkedAt ? null : undefined
  // Who knows of the fork looks at both branches, and not only behind the end of one.
  if ("forkedAt" in shown) return own.head
  if (isHere(shown.head.id)) return undefined
  // As long as ours and not the same: one of the two branches of a fork that nobody knows of yet.
  return shown.head.seq > own.head.seq ? own.head : null
}

/** How many entries that is, as far as it can be told from the ends of chains. */
export const lagOf = (behind: Head | null, shown: ShownChain): number =>
  Math.max(1, ("head" in shown ? shown.head.seq : shown.forkedAt) - (behind?.seq ?? -1))

/**
 * What somebody has of an author who wants this of a node: his chain up to some ends, nothing, or all that is on the
 * node.
 */
export const havingOf = (wants: Wants): ((author: AccountId) => Chain | "all" | undefined) => {
  const chains = new Map<AccountId, Array<Head>>()
  for (const { author, behind } of wants.chains) {
    const heads = chains.get(author) ?? []
    if (behind !== null) heads.push(behind)
    chains.set(author, heads)
  }
  const ranges = joined(wants.ranges)
  return (author) => {
    if (isInAny(author, ranges)) return undefined
    const heads = chains.get(author)
    if (heads === undefined) return "all"
    return heads.length === 0 ? undefined : { author, heads }
  }
}

/** The same authors in ranges that do not overlap, ascending. */
const joined = (ranges: ReadonlyArray<AuthorRange>): ReadonlyArray<AuthorRange> => {
  const apart: Array<AuthorRange> = []
  for (const range of ranges.toSorted((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0))) {
    const last = apart.at(-1)
    if (last === undefined || (last.to !== "" && last.to < range.from)) apart.push(range)
    else if (last.to !== "" && (range.to === "" || range.to > last.to)) {
      apart[apart.length - 1] = { from: last.from, to: range.to }
    }
  }
  return apart
}

const isInAny = (author: AccountId, apart: ReadonlyArray<AuthorRange>): boolean => {
  let low = 0
  let high = apart.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((apart[middle]?.from ?? "") <= author) low = middle + 1
    else high = middle
  }
  const before = apart[low - 1]
  return before !== undefined && isWithin(author, before)
}
