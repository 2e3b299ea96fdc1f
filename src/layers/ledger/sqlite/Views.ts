/** What people and other nodes ask of the journal as a whole: pages of entries, of balances, of chains and of forks. */
import type { DatabaseSync, StatementSync } from "node:sqlite"
import { type Balance, balanceOf } from "../../../domain/ledgerBooks.ts"
import { type GrantRank, isLaterGrant } from "../../../domain/ledgerChain.ts"
import type { AccountId, EntryId, GenesisEntry } from "../../../domain/ledgerEntry.ts"
import type { Fork } from "../../../domain/ledgerHistory.ts"
import type { Sums } from "../../../domain/ledgerSums.ts"
import type { Head, HistoryQuery, Member } from "../Journal.ts"
import type { Accounts } from "./Accounts.ts"
import type { Authors } from "./Authors.ts"
import type { Branches } from "./Branches.ts"
import { chainFromText } from "./chainText.ts"
import type { Entries } from "./Entries.ts"
import type { References } from "./References.ts"
import { fromHex, hexOf, integerOf, textOf } from "./values.ts"

const zeroKey = new Uint8Array()

export class Views {
  readonly #accounts: Accounts
  readonly #authors: Authors
  readonly #branches: Branches
  readonly #entries: Entries
  readonly #references: References
  readonly #newest: StatementSync
  readonly #newestLegs: StatementSync
  readonly #newestLegless: StatementSync
  readonly #chain: StatementSync
  readonly #lastBooked: StatementSync
  readonly #balances: StatementSync
  readonly #tips: StatementSync
  readonly #branchTips: StatementSync
  readonly #forked: StatementSync
  readonly #proof: StatementSync

  constructor(
    database: DatabaseSync,
    parts: {
      readonly accounts: Accounts
      readonly authors: Authors
      readonly branches: Branches
      readonly entries: Entries
      readonly references: References
    }
  ) {
    this.#accounts = parts.accounts
    this.#authors = parts.authors
    this.#branches = parts.branches
    this.#entries = parts.entries
    this.#references = parts.references
    const prepare = (sql: string) => database.prepare(sql)
    this.#newest = prepare("SELECT version FROM entry WHERE version < ? ORDER BY version DESC LIMIT ?")
    this.#newestLegs = prepare(
      "SELECT version FROM leg WHERE account = ? AND currency = ? AND version < ? ORDER BY version DESC LIMIT ?"
    )
    this.#newestLegless = prepare(
      `SELECT version FROM entry INDEXED BY entry_legless
       WHERE author = ? AND kind IN (0, 1, 2, 6, 8) AND version < ? ORDER BY version DESC LIMIT ?`
    )
    this.#chain = prepare("SELECT chain FROM entry WHERE version = ?")
    this.#lastBooked = prepare(
      `SELECT chain FROM entry INDEXED BY entry_chain
       WHERE author = ? AND seq >= ? AND seq <= ? AND branch = ? AND booked = 1 ORDER BY seq DESC LIMIT 1`
    )
    this.#balances = prepare(
      `SELECT k.key, b.account, b.currency, b.posted, b.held, b.unacked
       FROM account k CROSS JOIN balance b ON b.account = k.number
       WHERE k.key >= :key AND (k.key > :key OR b.currency > :currency)
         AND (b.posted <> 0 OR b.held <> 0 OR b.unacked <> 0)
       ORDER BY k.key, b.currency LIMIT :max`
    )
    this.#tips = prepare(
      `SELECT k.key, a.account, a.lowest_fork IS NOT NULL AS forked, e.seq, e.id
       FROM account k CROSS JOIN author a ON a.account = k.number CROSS JOIN entry e ON e.version = a.tip
       WHERE k.key > ? ORDER BY k.key LIMIT ?`
    )
    this.#branchTips = prepare(
      "SELECT e.seq, e.id FROM branch b JOIN entry e ON e.version = b.tip WHERE b.author = ? ORDER BY e.id"
    )
    this.#forked = prepare(
      `SELECT k.key, a.account, a.lowest_fork FROM author a INDEXED BY author_forked
       JOIN account k ON k.number = a.account
       WHERE a.lowest_fork IS NOT NULL AND k.key > ? ORDER BY k.key LIMIT ?`
    )
    this.#proof = prepare("SELECT id FROM entry WHERE author = ? AND seq = ? ORDER BY id LIMIT 2")
  }

  /** Versions of the entries that a query is about, newest first. */
  history({ account, before = Number.MAX_SAFE_INTEGER, max }: HistoryQuery, currencies: number): ReadonlyArray<number> {
    if (account === undefined) return this.#newest.all(before, max).map((row) => integerOf(row, "version"))
    const number = this.#accounts.numberOf(account)
    if (number === undefined) return []
    const found = new Set<number>()
    for (let currency = 0; currency < currencies; currency++) {
      for (const row of this.#newestLegs.all(number, currency, before, max)) found.add(integerOf(row, "version"))
    }
    for (const row of this.#newestLegless.all(number, before, max)) found.add(integerOf(row, "version"))
    return [...found].toSorted((a, b) => b - a).slice(0, max)
  }

  /** The limit of an account, from booked entries alone. */
  limitOf(genesis: GenesisEntry | undefined, account: AccountId, number: number | undefined, currency: number): number {
    if (genesis === undefined) return 0
    const author = number === undefined ? undefined : this.#authors.get(number)
    if (author !== undefined && author.lowestFork === undefined) return this.#limitAt(author.tip, currency)
    const isMember = genesis.stewards.includes(account) || (number !== undefined && this.#references.isMember(number))
    let limit = isMember ? (genesis.currencies[currency]?.startingLimit ?? 0) : 0
    let latest: GrantRank | undefined
    // Along a chain grants only get later, so the last booked entry of each branch is enough.
    for (const { branch, firstSeq, lastSeq } of author === undefined ? [] : this.#branches.stretches(author.number)) {
      const row = this.#lastBooked.get(author?.number ?? 0, firstSeq, lastSeq, branch)
      const state = row === undefined ? undefined : chainFromText(textOf(row, "chain")).accounts[currency]
      if (state?.grant === undefined || !isLaterGrant(state.grant, latest)) continue
      latest = state.grant
      limit = state.limit
    }
    return limit
  }

  balances(
    genesis: GenesisEntry | undefined,
    after: { readonly account: AccountId; readonly currency: number } | undefined,
    max: number
  ): ReadonlyArray<Balance> {
    const key = after === undefined ? zeroKey : fromHex(after.account)
    return this.#balances.all({ key, currency: after?.currency ?? -1, max }).map((row) => {
      const account = hexOf(row, "key")
      const currency = integerOf(row, "currency")
      const sums: Sums = {
        posted: integerOf(row, "posted"),
        held: integerOf(row, "held"),
        unacked: integerOf(row, "unacked")
      }
      const limit = this.limitOf(genesis, account, integerOf(row, "account"), currency)
      return balanceOf(account, currency, sums, limit)
    })
  }

  members(genesis: GenesisEntry | undefined, coop: EntryId): ReadonlyArray<Member> {
    const members = new Map<AccountId, Member>()
    for (const account of genesis?.stewards ?? []) members.set(account, { account, steward: true, by: coop })
    for (const { account: number, version } of this.#references.memberships()) {
      const account = this.#accounts.keyOf(number)
      if (members.has(account)) continue
      members.set(account, { account, steward: false, by: this.#entries.byVersion(version).id })
    }
    return [...members.values()].toSorted((a, b) => (a.account < b.account ? -1 : 1))
  }

  /** All ends of an author's chain or none, so that a page can begin after an author. */
  heads(after: AccountId | undefined, max: number): ReadonlyArray<Head> {
    const found: Array<Head> = []
    for (const row of this.#tips.all(after === undefined ? zeroKey : fromHex(after), max)) {
      if (found.length >= max) break
      const author = hexOf(row, "key")
      const ends = row["forked"] === 1 ? this.#branchTips.all(integerOf(row, "account")) : [row]
      for (const end of ends) found.push({ author, seq: integerOf(end, "seq"), id: hexOf(end, "id") })
    }
    return found
  }

  forks(after: AccountId | undefined, max: number): ReadonlyArray<Fork> {
    const rows = this.#forked.all(after === undefined ? zeroKey : fromHex(after), max)
    return rows.map((row) => {
      const seq = integerOf(row, "lowest_fork")
      const [one, other] = this.#proof.all(integerOf(row, "account"), seq).map((proof) => hexOf(proof, "id"))
      if (one === undefined || other === undefined) throw new Error("a fork without its proof")
      return { author: hexOf(row, "key"), seq, entries: [one, other] }
    })
  }

  #limitAt(version: number, currency: number): number {
    const row = this.#chain.get(version)
    return row === undefined ? 0 : (chainFromText(textOf(row, "chain")).accounts[currency]?.limit ?? 0)
  }
}
