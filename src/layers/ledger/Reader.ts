/**
 * Everything that only looks at a cooperative's books, as plain synchronous code over any `Journal`, so that it can run
 * in a thread of its own. Each call sees one version.
 */
import type { Balance } from "../../domain/ledgerBooks.ts"
import type { AccountId, EntryId } from "../../domain/ledgerEntry.ts"
import type { Fork } from "../../domain/ledgerHistory.ts"
import type {
  AuthorRange,
  Chain,
  Head,
  Lack,
  RangeAnswer,
  RangeMark,
  Refined,
  ShownChain,
  Wants
} from "../../domain/ledgerReconcile.ts"
import type { LedgerStatus } from "../../services/Ledger.ts"
import type { ReaderCalls } from "./Engine.ts"
import type { HistoryQuery, Journal, Member, OpenHold, Quarantined, SealedBytes, StoredEntry } from "./Journal.ts"
import { Missing, type MissingPage, type PageFrom } from "./Missing.ts"
import { Reconciler } from "./Reconciler.ts"
import { type Tally, tallyOf } from "./tally.ts"

/** Rows of one page, where a journal is gone through as a whole. */
const pageMax = 1000
/** Entries up to which accounts are counted exactly: there are not more accounts. */
const countedMin = 10_000
/** Vouched entries that are counted for a status; more than that is told as this. */
const vouchedCountMax = 1000

type JournalOfReader = Omit<Journal, "write">

/** All pages of something, one after the other. */
const pages = <A>(page: (after: A | undefined) => ReadonlyArray<A>): Array<A> => {
  const found: Array<A> = []
  for (;;) {
    const more = page(found.at(-1))
    if (more.length === 0) return found
    found.push(...more)
  }
}

export class Reader implements ReaderCalls {
  readonly #journal: JournalOfReader
  readonly #reconciler: Reconciler
  /** Counting takes a look at each account, so those of a large ledger are counted when it grew by a hundredth. */
  #accounts = { version: -1, count: 0 }

  constructor(journal: JournalOfReader) {
    this.#journal = journal
    this.#reconciler = new Reconciler(journal)
  }

  readonly version = (): number => this.#journal.version()

  readonly status = (account: AccountId): Omit<LedgerStatus, "seenSeq"> =>
    this.#journal.read(() => ({
      journalVersion: this.#journal.version(),
      accounts: this.#countAccounts(),
      quarantine: this.#journal.quarantineSize(),
      forks: this.forks().length,
      vouched: this.#journal.vouched(vouchedCountMax).length,
      ownSeq: this.#journal.tip(account)?.entry.seq ?? -1
    }))

  readonly entry = (id: EntryId): StoredEntry | undefined => this.#journal.entry(id)

  readonly entriesAfter = (version: number, max: number): ReadonlyArray<StoredEntry> =>
    this.#journal.entriesAfter(version, max)

  readonly tally = (account: AccountId, version: number, max: number): Tally =>
    tallyOf(this.#journal.entriesAfter(version, max), account, version)

  readonly history = (query: HistoryQuery): ReadonlyArray<StoredEntry> => this.#journal.history(query)

  readonly balance = (account: AccountId): ReadonlyArray<Balance> =>
    this.#journal.read(() => {
      const genesis = this.#journal.find(this.#journal.coop)?.entry
      const currencies = genesis?.kind === "genesis" ? genesis.currencies : []
      return currencies.map((_, currency) => this.#journal.balance(account, currency))
    })

  readonly balances = (): ReadonlyArray<Balance> =>
    this.#journal.read(() => pages<Balance>((after) => this.#journal.balances(after, pageMax)))

  readonly members = (): ReadonlyArray<Member> => this.#journal.members()

  readonly forks = (): ReadonlyArray<Fork> =>
    this.#journal.read(() => pages<Fork>((after) => this.#journal.forks(after?.author, pageMax)))

  readonly openHolds = (account: AccountId, max: number): ReadonlyArray<OpenHold> =>
    this.#journal.openHolds(account, max)

  readonly creditsToAck = (account: AccountId, max: number): ReadonlyArray<EntryId> =>
    this.#journal.creditsToAck(account, max)

  readonly chains = (): ReadonlyArray<Chain> => this.#journal.read(() => new Missing(this.#journal).provenChains())

  readonly missing = (have: ReadonlyArray<Chain>, from: PageFrom): MissingPage =>
    this.#journal.read(() => new Missing(this.#journal).page(have, from))

  readonly wanted = (wants: Wants, from: PageFrom): MissingPage =>
    this.#journal.read(() => new Missing(this.#journal).pageOf(wants, from))

  readonly openingMarks = (): ReadonlyArray<RangeMark> => this.#journal.read(this.#reconciler.opening)

  readonly refined = (ranges: ReadonlyArray<AuthorRange>): Refined =>
    this.#journal.read(() => this.#reconciler.refine(ranges))

  readonly answered = (marks: ReadonlyArray<RangeMark>): ReadonlyArray<RangeAnswer> =>
    this.#journal.read(() => this.#reconciler.answer(marks))

  readonly lacks = (shown: ReadonlyArray<ShownChain>): ReadonlyArray<Lack> =>
    this.#journal.read(() => this.#reconciler.lacks(shown))

  readonly branches = (): Wants["chains"] => this.#journal.read(this.#reconciler.branches)

  readonly provenHead = (author: AccountId): Head | undefined => this.#journal.read(() => this.#reconciler.head(author))

  readonly sealed = (ids: ReadonlyArray<EntryId>): ReadonlyArray<SealedBytes> =>
    this.#journal.read(() =>
      ids.flatMap((id) => {
        const found = this.#journal.entry(id)
        return found?.proof === "signed" ? [found.sealed] : []
      })
    )

  readonly vouched = (max: number, after = 0): ReadonlyArray<StoredEntry> => this.#journal.vouched(max, after)

  readonly quarantined = (id: EntryId): Quarantined | undefined => this.#journal.quarantined(id)

  readonly quarantine = (): ReadonlyArray<Omit<Quarantined, "sealed"> & { readonly bytes: number }> =>
    this.#journal.read(() =>
      pages<Quarantined>((after) => this.#journal.quarantine(after?.id, pageMax)).map(({ sealed, ...rest }) => ({
        ...rest,
        bytes: sealed.body.length + sealed.signature.length
      }))
    )

  #countAccounts(): number {
    const version = this.#journal.version()
    const isRecent = this.#accounts.version >= 0 && version - this.#accounts.version <= version / 100
    if (isRecent && (version > countedMin || version === this.#accounts.version)) return this.#accounts.count
    let count = 0
    let last: Balance | undefined
    for (;;) {
      const page = this.#journal.balances(last, pageMax)
      for (const row of page) {
        if (row.account !== last?.account) count++
        last = row
      }
      if (page.length === 0) break
    }
    this.#accounts = { version, count }
    return count
  }
}
