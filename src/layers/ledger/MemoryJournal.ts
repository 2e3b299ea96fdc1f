/**
 * `Journal` in memory, over the domain's own history and books: for LedgerMemory.ts and for tests.
 *
 * `write` simply runs its body and undoes nothing: `Bookkeeper` judges before it changes anything, and memory does not
 * fail in the middle of a change.
 */
import type { PastEntry, Use } from "../../domain/ledgerAdmit.ts"
import { type Balance, LedgerBooks } from "../../domain/ledgerBooks.ts"
import type { AccountId, EntryId } from "../../domain/ledgerEntry.ts"
import { type Author, type Fork, type HistoryEntry, LedgerHistory } from "../../domain/ledgerHistory.ts"
import type {
  Head,
  HistoryQuery,
  Journal,
  Member,
  OpenHold,
  Proof,
  Quarantined,
  SealedBytes,
  StoredEntry,
  SumCorrection
} from "./Journal.ts"
import { MemoryQuarantine } from "./MemoryQuarantine.ts"

/** Refusals that are remembered. */
const refusalsMax = 100_000

interface Row {
  readonly one: HistoryEntry
  readonly version: number
  sealed: SealedBytes
  proof: Proof
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** Where the branches of an author end; nothing follows the last entry of a branch. */
const endsOf = ({ entries }: Author): ReadonlyArray<HistoryEntry> => {
  const ends = new Map(entries.map((entry) => [entry.branch, entry] as const))
  return [...ends.values()].toSorted((a, b) => compareText(a.id, b.id))
}

export class MemoryJournal implements Journal {
  readonly coop: EntryId
  /** The entries as a graph; what a recomputation starts from. */
  readonly graph: LedgerHistory
  readonly #books: LedgerBooks
  /** Version 1 is first. */
  readonly #rows: Array<Row> = []
  readonly #byId = new Map<EntryId, Row>()
  readonly #vouched = new Set<Row>()
  readonly #memberships: Array<HistoryEntry> = []
  readonly #refusals = new Map<string, { readonly digest: string; readonly reason: string }>()
  readonly #quarantine = new MemoryQuarantine()

  constructor(coop: EntryId) {
    this.coop = coop
    this.graph = new LedgerHistory(coop)
    this.#books = new LedgerBooks(this.graph)
  }

  read<A>(body: () => A): A {
    return body()
  }

  write<A>(body: () => A): A {
    return body()
  }

  // --- entries ---

  version(): number {
    return this.#rows.length
  }

  #stored({ one, proof, sealed, version }: Row): StoredEntry {
    return { id: one.id, entry: one.entry, version, booked: this.#books.isBooked(one), proof, sealed }
  }

  entry(id: EntryId): StoredEntry | undefined {
    const row = this.#byId.get(id)
    return row === undefined ? undefined : this.#stored(row)
  }

  entriesAfter(version: number, max: number): ReadonlyArray<StoredEntry> {
    return this.#rows.slice(version, version + max).map((row) => this.#stored(row))
  }

  history({ account, before = Infinity, max }: HistoryQuery): ReadonlyArray<StoredEntry> {
    const found: Array<StoredEntry> = []
    for (let version = Math.min(before - 1, this.#rows.length); version > 0 && found.length < max; version--) {
      const row = this.#rows[version - 1]
      if (row === undefined) continue
      const { author, legs } = row.one.entry
      const concerned = account === undefined || author === account || legs.some((leg) => leg.account === account)
      if (concerned) found.push(this.#stored(row))
    }
    return found
  }

  add(admitted: PastEntry, sealed: SealedBytes, proof: Proof): number {
    const one = this.graph.add(admitted)
    this.#books.added(one)
    const row = { one, version: this.#rows.length + 1, sealed, proof }
    this.#rows.push(row)
    this.#byId.set(one.id, row)
    if (proof === "vouched") this.#vouched.add(row)
    if (one.entry.kind === "member") this.#memberships.push(one)
    return row.version
  }

  vouched(max: number, after = 0): ReadonlyArray<StoredEntry> {
    const rows = [...this.#vouched].filter(({ version }) => version > after)
    return rows.slice(0, max).map((row) => this.#stored(row))
  }

  prove(id: EntryId, signature: Uint8Array): void {
    const row = this.#byId.get(id)
    if (row === undefined) return
    row.sealed = { body: row.sealed.body, signature }
    row.proof = "signed"
    this.#vouched.delete(row)
  }

  // --- the past, for admission and drafts ---

  find(id: EntryId): HistoryEntry | undefined {
    return this.graph.find(id)
  }

  uses(author: AccountId, use: Use, what: string): ReadonlyArray<HistoryEntry> {
    return this.graph.uses(author, use, what)
  }

  isOnChain(tip: PastEntry, earlier: PastEntry): boolean {
    return this.graph.isOnChain(tip, earlier)
  }

  seesFork(author: AccountId, from: ReadonlyArray<PastEntry>): boolean {
    return this.graph.seesFork(author, from)
  }

  tip(author: AccountId): HistoryEntry | undefined {
    return this.graph.tip(author)
  }

  concerning(account: AccountId): ReadonlyArray<HistoryEntry> {
    return this.graph.concerning(account)
  }

  isForked(author: AccountId): boolean {
    return this.graph.isForked(author)
  }

  lowestFork(author: AccountId): number | undefined {
    return this.graph.author(author)?.lowestFork
  }

  isBeyondEnd(author: AccountId, seq: number): boolean {
    const tip = this.tip(author)
    return tip === undefined || (!this.isForked(author) && seq > tip.entry.seq)
  }

  at(author: AccountId, seq: number): ReadonlyArray<EntryId> {
    return (this.graph.author(author)?.bySeq[seq] ?? []).map(({ id }) => id)
  }

  // --- the books ---

  balance(account: AccountId, currency: number): Balance {
    return this.#books.balance(account, currency)
  }

  balances(
    after: { readonly account: AccountId; readonly currency: number } | undefined,
    max: number
  ): ReadonlyArray<Balance> {
    const isLater = ({ account, currency }: Balance) =>
      after === undefined || account > after.account || (account === after.account && currency > after.currency)
    return this.#books.balances().filter(isLater).slice(0, max)
  }

  correct(corrections: ReadonlyArray<SumCorrection>): void {
    for (const correction of corrections) this.#books.correct(correction.account, correction.currency, correction)
  }

  members(): ReadonlyArray<Member> {
    const members = new Map<AccountId, Member>()
    const genesis = this.graph.find(this.coop)?.entry
    for (const account of genesis?.kind === "genesis" ? genesis.stewards : []) {
      members.set(account, { account, steward: true, by: this.coop })
    }
    for (const one of this.#memberships) {
      const { entry, id } = one
      if (entry.kind !== "member" || members.has(entry.account) || !this.#books.isBooked(one)) continue
      members.set(entry.account, { account: entry.account, steward: false, by: id })
    }
    return [...members.values()].toSorted((a, b) => compareText(a.account, b.account))
  }

  #authorsAfter(after: AccountId | undefined): ReadonlyArray<Author> {
    return [...this.graph.authors()]
      .filter(({ account }) => after === undefined || account > after)
      .toSorted((a, b) => compareText(a.account, b.account))
  }

  heads(after: AccountId | undefined, max: number): ReadonlyArray<Head> {
    const found: Array<Head> = []
    for (const author of this.#authorsAfter(after)) {
      // All of an author or nothing, since the next page begins after an author.
      if (found.length >= max) break
      for (const { entry, id } of endsOf(author)) found.push({ author: author.account, seq: entry.seq, id })
    }
    return found
  }

  forks(after: AccountId | undefined, max: number): ReadonlyArray<Fork> {
    return this.#authorsAfter(after)
      .flatMap(({ account }) => this.graph.fork(account) ?? [])
      .slice(0, max)
  }

  openHolds(account: AccountId, max: number): ReadonlyArray<OpenHold> {
    const found: Array<OpenHold> = []
    for (const { entry, id } of this.#books.openHolds()) {
      if (entry.kind === "hold" && entry.author === account) found.push({ id, expiresAt: entry.expiresAt })
    }
    return found.toSorted((a, b) => a.expiresAt - b.expiresAt || compareText(a.id, b.id)).slice(0, max)
  }

  creditsToAck(account: AccountId, max: number): ReadonlyArray<EntryId> {
    return this.#books
      .creditsToAck(account)
      .flatMap(({ id }) => this.#byId.get(id) ?? [])
      .filter(({ proof }) => proof === "signed")
      .toSorted((a, b) => a.version - b.version)
      .slice(0, max)
      .map(({ one }) => one.id)
  }

  // --- what did not become an entry ---

  refusal(idempotencyKey: string): { readonly digest: string; readonly reason: string } | undefined {
    return this.#refusals.get(idempotencyKey)
  }

  refuse(idempotencyKey: string, digest: string, reason: string): void {
    if (this.#refusals.size >= refusalsMax) {
      for (const oldest of this.#refusals.keys()) {
        this.#refusals.delete(oldest)
        break
      }
    }
    this.#refusals.set(idempotencyKey, { digest, reason })
  }

  quarantined(id: EntryId): Quarantined | undefined {
    return this.#quarantine.get(id)
  }

  quarantinedAs(id: EntryId): Quarantined["state"] | undefined {
    return this.#quarantine.get(id)?.state
  }

  quarantine(after: EntryId | undefined, max: number): ReadonlyArray<Quarantined> {
    return this.#quarantine.page(after, max)
  }

  quarantineSize(): { readonly entries: number; readonly bytes: number; readonly pending: number } {
    return this.#quarantine.size()
  }

  setAside(entry: Quarantined): void {
    this.#quarantine.set(entry)
  }

  takeOut(id: EntryId): void {
    this.#quarantine.delete(id)
  }

  waitingFor(id: EntryId): ReadonlyArray<EntryId> {
    return this.#quarantine.waitingFor(id)
  }

  arrived(id: EntryId): ReadonlyArray<EntryId> {
    return this.#quarantine.arrived(id)
  }

  biggestOffender(): { readonly owner: AccountId; readonly oldest: EntryId } | undefined {
    return this.#quarantine.biggestOffender()
  }
}
