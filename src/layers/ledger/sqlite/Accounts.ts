/** Accounts by number: a row refers to an account by a few bytes instead of 32. Numbers are for ever. */
import type { DatabaseSync, StatementSync } from "node:sqlite"
import type { AccountId } from "../../../domain/ledgerEntry.ts"
import { RecentCache } from "./RecentCache.ts"
import { fromHex, hexOf, integerOf } from "./values.ts"

/** Accounts remembered; about 200 bytes each. */
const rememberedMin = 8_192

export class Accounts {
  readonly #byKey: StatementSync
  readonly #byNumber: StatementSync
  readonly #insert: StatementSync
  readonly #count: StatementSync
  readonly #numbers = new RecentCache<AccountId, number>(rememberedMin)
  readonly #keys = new RecentCache<number, AccountId>(rememberedMin)

  constructor(database: DatabaseSync) {
    this.#byKey = database.prepare("SELECT number FROM account WHERE key = ?")
    this.#byNumber = database.prepare("SELECT key FROM account WHERE number = ?")
    this.#insert = database.prepare("INSERT INTO account (key) VALUES (?) RETURNING number")
    this.#count = database.prepare("SELECT count(*) AS accounts FROM account")
  }

  /** The number of an account, if any entry is about it. */
  numberOf(account: AccountId): number | undefined {
    const known = this.#numbers.get(account)
    if (known !== undefined) return known
    const row = this.#byKey.get(fromHex(account))
    return row === undefined ? undefined : this.#remember(account, integerOf(row, "number"))
  }

  /** The number of an account, a new one if it has none. */
  ensure(account: AccountId): number {
    const known = this.numberOf(account)
    if (known !== undefined) return known
    const row = this.#insert.get(fromHex(account))
    if (row === undefined) throw new Error("an account that was not inserted")
    return this.#remember(account, integerOf(row, "number"))
  }

  keyOf(number: number): AccountId {
    const known = this.#keys.get(number)
    if (known !== undefined) return known
    const row = this.#byNumber.get(number)
    if (row === undefined) throw new Error(`no account has the number ${number}`)
    const account = hexOf(row, "key")
    this.#remember(account, number)
    return account
  }

  count(): number {
    return integerOf(this.#count.get() ?? {}, "accounts")
  }

  /** After a rollback, when numbers may have gone to nobody. */
  forget(): void {
    this.#numbers.clear()
    this.#keys.clear()
  }

  #remember(account: AccountId, number: number): number {
    this.#numbers.set(account, number)
    this.#keys.set(number, account)
    return number
  }
}
