/**
 * `Journal` in a file (schema.ts), for a thread of its own: everything here is synchronous. Nothing is kept per entry
 * but what was used last. The parts are
 *
 * - Entries, Accounts, Authors, Branches, References: what there is and how it hangs together;
 * - Booking, Books, Sums: what is booked and what follows from it (domain/ledgerBooking.ts, ledgerBooks.ts);
 * - ForkSights: what admission asks about forked payers (domain/ledgerForkSight.ts);
 * - Views, Quarantine, Refusals: the rest of what is asked;
 * - Transactions, LogLimit, connection: the file.
 *
 * What only happens when somebody forks may cost walks; entries of everybody else cost a few rows each. Failures of the
 * file come out of `openJournal`, `read` and `write` as `StorageError`.
 */
import type { DatabaseSync } from "node:sqlite"
import type { PastEntry, Use } from "../../../domain/ledgerAdmit.ts"
import { type Balance, balanceOf } from "../../../domain/ledgerBooks.ts"
import type { AccountId, EntryId, GenesisEntry } from "../../../domain/ledgerEntry.ts"
import type { Fork } from "../../../domain/ledgerHistory.ts"
import { currenciesMax } from "../../../domain/ledgerLimits.ts"
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
} from "../Journal.ts"
import { Accounts } from "./Accounts.ts"
import { type BooksRepair, repairBooks, type RepairOutcome } from "./AuditorRepair.ts"
import { Authors, type AuthorState } from "./Authors.ts"
import { Booking, type BookingChange } from "./Booking.ts"
import { Books } from "./Books.ts"
import { Branches } from "./Branches.ts"
import { type JournalOptions, openDatabase } from "./connection.ts"
import { Entries, type Located } from "./Entries.ts"
import { ForkSights, sightsWith } from "./ForkSights.ts"
import { LogLimit } from "./LogLimit.ts"
import { Quarantine } from "./Quarantine.ts"
import { References } from "./References.ts"
import { Refusals } from "./Refusals.ts"
import { SumsRows } from "./Sums.ts"
import { Transactions } from "./Transactions.ts"
import { Views } from "./Views.ts"

export class SqliteJournal implements Journal {
  readonly coop: EntryId
  readonly path: string
  /** The connection, for who works on the same tables (Auditor.ts) within `read` or `write`. */
  readonly database: DatabaseSync
  readonly #accounts: Accounts
  readonly #authors: Authors
  readonly #entries: Entries
  readonly #branches: Branches
  readonly #references: References
  readonly #sums: SumsRows
  readonly #booking: Booking
  readonly #books: Books
  readonly #sights: ForkSights
  readonly #views: Views
  readonly #quarantine: Quarantine
  readonly #refusals: Refusals
  readonly #transactions: Transactions
  readonly #log: LogLimit
  /** While something is written. */
  #version = 0

  constructor(path: string, options: JournalOptions) {
    const database = openDatabase(path, options)
    this.coop = options.coop
    this.path = path
    this.database = database
    this.#accounts = new Accounts(database)
    this.#authors = new Authors(database)
    this.#entries = new Entries(database)
    this.#branches = new Branches(database, this.#entries)
    this.#references = new References(database, this.#accounts, this.#entries)
    this.#sums = new SumsRows(database)
    this.#booking = new Booking(database)
    this.#books = new Books(database, this.#accounts, this.#entries, this.#references, this.#sums)
    this.#sights = new ForkSights(database, this.#entries, this.#branches, this.#authors)
    this.#views = new Views(database, {
      accounts: this.#accounts,
      authors: this.#authors,
      branches: this.#branches,
      entries: this.#entries,
      references: this.#references
    })
    this.#quarantine = new Quarantine(database)
    this.#refusals = new Refusals(database)
    this.#log = new LogLimit(database, path)
    const counter = { begin: () => (this.#version = this.#entries.version()) }
    this.#transactions = new Transactions(database, path, [
      this.#accounts,
      this.#authors,
      this.#entries,
      this.#branches,
      this.#sums,
      this.#references.usersOfKey,
      this.#references.concerned,
      this.#books.isNothingOpen,
      this.#quarantine.isEmpty,
      counter
    ])
  }

  close(): void {
    if (this.database.isOpen) this.database.close()
  }

  read<A>(body: () => A): A {
    return this.#transactions.read(body)
  }

  write<A>(body: () => A): A {
    const answer = this.#transactions.write(body)
    if (!this.#transactions.writing) this.#log.keep()
    return answer
  }

  // --- entries ---

  version(): number {
    return this.#transactions.writing ? this.#version : this.#entries.version()
  }

  entry(id: EntryId): StoredEntry | undefined {
    return this.#entries.stored(id)
  }

  entriesAfter(version: number, max: number): ReadonlyArray<StoredEntry> {
    return this.#entries.storedAfter(version, max)
  }

  history(query: HistoryQuery): ReadonlyArray<StoredEntry> {
    return this.#entries.storedAt(this.#views.history(query, this.#genesis()?.currencies.length ?? currenciesMax))
  }

  vouched(max: number, after = 0): ReadonlyArray<StoredEntry> {
    return this.#entries.vouched(max, after)
  }

  prove(id: EntryId, signature: Uint8Array): void {
    this.#entries.prove(id, signature)
  }

  /** Puts in the signature of an own entry that was added without it. Within the `write` of `add`. */
  sign(version: number, signature: Uint8Array): void {
    this.#entries.sign(version, signature)
  }

  add(admitted: PastEntry, sealed: SealedBytes, proof: Proof): number {
    const { chain, entry, id } = admitted
    const author = this.#accounts.ensure(entry.author)
    const before = this.#authors.get(author)
    const prev = entry.prev === null ? undefined : this.#entries.get(entry.prev)
    const branch = this.#branches.next(admitted, before, prev)
    const one: Located = { id, entry, chain, version: ++this.#version, author, branch: branch.number }
    const after = this.#follow(before, one)
    const booked = after.lowestFork === undefined
    this.#entries.insert(one, prev, booked, proof === "signed", sealed)
    if (branch.isNew) this.#branches.insert(one, prev)
    else if (!booked) this.#branches.setTip(one.branch, one.version)
    this.#references.insert(one)
    this.#books.insert(one, booked)
    const changes = booked ? this.#takeAlong(one) : this.#forked(before, after)
    if (changes.length > 0) this.#books.apply(changes)
    return one.version
  }

  /** The author's chain goes on, or turns out to be two. */
  #follow(before: AuthorState | undefined, { author, entry: { seq }, version }: Located): AuthorState {
    const isLast = before === undefined || seq > before.tipSeq
    const lowestFork = isLast ? before?.lowestFork : Math.min(seq, before.lowestFork ?? seq)
    const after: AuthorState = {
      number: author,
      tip: isLast ? version : before.tip,
      tipSeq: isLast ? seq : before.tipSeq,
      lowestFork,
      ...sightsWith(before, lowestFork)
    }
    this.#authors.set(after)
    // Joins need the row; where a chain ends they hear of at the end.
    if (before === undefined || lowestFork !== before.lowestFork) this.#authors.flush()
    return after
  }

  /** What the new entry of an author without forks has of forked authors in its past. */
  #takeAlong({ entry, version }: Located): ReadonlyArray<BookingChange> {
    const ids = [...entry.acks, ...entry.deps]
    if (entry.kind === "reverse") ids.push(entry.reversed)
    if (entry.prev === null && entry.coop !== null) ids.push(entry.coop)
    return ids.some((id) => this.#authors.isForked(this.#entries.get(id).author)) ? this.#booking.cover(version) : []
  }

  /** What a new entry of a forked author changes: nothing, unless it is a fork of its own. */
  #forked(before: AuthorState | undefined, after: AuthorState): ReadonlyArray<BookingChange> {
    const { lowestFork, number } = after
    if (before === undefined || lowestFork === undefined || lowestFork === before.lowestFork) return []
    if (after.sightTo === undefined) this.#sights.forget(number)
    if (before.lowestFork !== undefined) return this.#booking.forkedLower(after, lowestFork, before.lowestFork)
    this.#branches.setTip(this.#entries.place(before.tip).branch, before.tip)
    return this.#booking.coverAnew()
  }

  // --- the past, for admission and drafts ---

  find(id: EntryId): PastEntry | undefined {
    return this.#entries.find(id)
  }

  uses(author: AccountId, use: Use, what: string): ReadonlyArray<PastEntry> {
    const number = this.#accounts.numberOf(author)
    return number === undefined ? [] : this.#references.uses(number, use, what)
  }

  isOnChain(tip: PastEntry, earlier: PastEntry): boolean {
    const [one, other] = [this.#entries.find(tip.id), this.#entries.find(earlier.id)]
    return one !== undefined && other !== undefined && this.#branches.isOnChain(placeOf(one), placeOf(other))
  }

  seesFork(author: AccountId, from: ReadonlyArray<PastEntry>): boolean {
    const state = this.#authorOf(author)
    if (state?.lowestFork === undefined) return false
    return this.#sights.seesFork(
      state,
      from.flatMap(({ id }) => this.#entries.find(id) ?? []),
      this.#transactions.writing
    )
  }

  tip(author: AccountId): PastEntry | undefined {
    const state = this.#authorOf(author)
    return state === undefined ? undefined : this.#entries.byVersion(state.tip)
  }

  concerning(account: AccountId): ReadonlyArray<PastEntry> {
    const number = this.#accounts.numberOf(account)
    return number === undefined ? [] : this.#references.concerning(number)
  }

  isForked(author: AccountId): boolean {
    return this.lowestFork(author) !== undefined
  }

  lowestFork(author: AccountId): number | undefined {
    return this.#authorOf(author)?.lowestFork
  }

  isBeyondEnd(author: AccountId, seq: number): boolean {
    const state = this.#authorOf(author)
    return state === undefined || seq > state.tipSeq
  }

  at(author: AccountId, seq: number): ReadonlyArray<EntryId> {
    const number = this.#accounts.numberOf(author)
    return number === undefined ? [] : this.#entries.at(number, seq)
  }

  #authorOf(account: AccountId): AuthorState | undefined {
    const number = this.#accounts.numberOf(account)
    return number === undefined ? undefined : this.#authors.get(number)
  }

  #genesis(): GenesisEntry | undefined {
    const entry = this.#entries.find(this.coop)?.entry
    return entry?.kind === "genesis" ? entry : undefined
  }

  // --- the books ---

  balance(account: AccountId, currency: number): Balance {
    const number = this.#accounts.numberOf(account)
    const sums = number === undefined ? { posted: 0, held: 0, unacked: 0 } : this.#sums.get(number, currency)
    return balanceOf(account, currency, sums, this.#views.limitOf(this.#genesis(), account, number, currency))
  }

  balances(
    after: { readonly account: AccountId; readonly currency: number } | undefined,
    max: number
  ): ReadonlyArray<Balance> {
    this.#transactions.flush()
    return this.#views.balances(this.#genesis(), after, max)
  }

  correct(corrections: ReadonlyArray<SumCorrection>): void {
    for (const { account, currency, held, posted, unacked } of corrections) {
      this.#sums.change(this.#accounts.ensure(account), currency, posted, held, unacked)
    }
  }

  /** Puts right what an audit found wrong (AuditorRepair.ts), and forgets what was kept of the tables. In `write`. */
  repair(found: BooksRepair, onlyAt: number | undefined): RepairOutcome {
    return this.#transactions.around(() => repairBooks(this.database, found, onlyAt))
  }

  members(): ReadonlyArray<Member> {
    return this.#views.members(this.#genesis(), this.coop)
  }

  heads(after: AccountId | undefined, max: number): ReadonlyArray<Head> {
    this.#transactions.flush()
    return this.#views.heads(after, max)
  }

  forks(after: AccountId | undefined, max: number): ReadonlyArray<Fork> {
    return this.#views.forks(after, max)
  }

  openHolds(account: AccountId, max: number): ReadonlyArray<OpenHold> {
    const number = this.#accounts.numberOf(account)
    return number === undefined ? [] : this.#books.openHolds(number, max)
  }

  creditsToAck(account: AccountId, max: number): ReadonlyArray<EntryId> {
    const number = this.#accounts.numberOf(account)
    return number === undefined ? [] : this.#books.creditsToAck(number, max)
  }

  // --- what did not become an entry ---

  refusal(idempotencyKey: string): { readonly digest: string; readonly reason: string } | undefined {
    return this.#refusals.get(idempotencyKey)
  }

  refuse(idempotencyKey: string, digest: string, reason: string): void {
    this.#refusals.put(idempotencyKey, digest, reason)
  }

  quarantined(id: EntryId): Quarantined | undefined {
    return this.#quarantine.get(id)
  }

  quarantinedAs(id: EntryId): Quarantined["state"] | undefined {
    return this.#quarantine.stateOf(id)
  }

  quarantine(after: EntryId | undefined, max: number): ReadonlyArray<Quarantined> {
    return this.#quarantine.page(after, max)
  }

  quarantineSize(): { readonly entries: number; readonly bytes: number; readonly pending: number } {
    return this.#quarantine.size()
  }

  setAside(entry: Quarantined): void {
    this.#quarantine.put(entry)
  }

  takeOut(id: EntryId): void {
    this.#quarantine.remove(id)
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

const placeOf = ({ author, branch, entry: { seq }, version }: Located) => ({ version, author, seq, branch })

/** Opens the journal of a cooperative, an empty one where there is none; throws a `StorageError`. */
export const openJournal = (path: string, options: JournalOptions): SqliteJournal => new SqliteJournal(path, options)
