/**
 * The ledger as people and scripts see it: members as DIDs, amounts as decimal text with the digits of their currency,
 * times in ISO 8601. What the local socket answers and what `--json` prints.
 */
import { Result } from "effect"
import { Did } from "./did.ts"
import { formatAmount } from "./ledgerAmount.ts"
import type { Balance } from "./ledgerBooks.ts"
import type { AccountId, Currency, Entry, EntryId, EntryKind, Leg } from "./ledgerEntry.ts"

/** Texts kept, at about 250 bytes each: working one out costs as much as verifying a signature. */
const rememberedMax = 4096
const remembered = new Map<AccountId, string>()

const workedOut = (account: AccountId): string =>
  Result.match(Did.fromPublicKey(Buffer.from(account, "hex")), {
    onSuccess: ({ text }) => text,
    // Entries pay into keys only; a quarantined one may say anything.
    onFailure: () => `invalid:${account}`
  })

/** The DID of an account. */
export const accountDid = (account: AccountId): string => {
  const known = remembered.get(account)
  if (known !== undefined) return known
  const did = workedOut(account)
  if (remembered.size >= rememberedMax) {
    for (const oldest of remembered.keys()) {
      remembered.delete(oldest)
      break
    }
  }
  remembered.set(account, did)
  return did
}

/** The account of a member. */
export const didAccount = (did: Did): AccountId => Buffer.from(did.publicKey).toString("hex")

/** A currency whose position no genesis has; only entries in quarantine name one. */
const unknownCurrency = (position: number): Currency => ({ symbol: `#${position}`, decimals: 0, startingLimit: 0 })

export const currencyAt = (currencies: ReadonlyArray<Currency>, position: number): Currency =>
  currencies[position] ?? unknownCurrency(position)

/** Position of the currency with a symbol, which may be written in another case. */
export const currencyNamed = (currencies: ReadonlyArray<Currency>, symbol: string): number | undefined => {
  const exact = currencies.findIndex((currency) => currency.symbol === symbol)
  if (exact >= 0) return exact
  const alike = currencies.flatMap((currency, index) =>
    currency.symbol.toLowerCase() === symbol.toLowerCase() ? [index] : []
  )
  return alike.length === 1 ? alike[0] : undefined
}

/** One account in one currency; all amounts are decimal text. */
export interface BalanceView {
  readonly did: string
  readonly currency: string
  readonly posted: string
  readonly held: string
  /** Received, and not spendable before this member's next entry acknowledges it. */
  readonly unacked: string
  readonly available: string
  readonly limit: string
}

export const balanceView = (balance: Balance, currencies: ReadonlyArray<Currency>): BalanceView => {
  const { decimals, symbol } = currencyAt(currencies, balance.currency)
  const amount = (minor: number): string => formatAmount(minor, decimals)
  return {
    did: accountDid(balance.account),
    currency: symbol,
    posted: amount(balance.posted),
    held: amount(balance.held),
    unacked: amount(balance.unacked),
    available: amount(balance.available),
    limit: amount(balance.limit)
  }
}

/** One line of a history: what one counterparty gave or got, or an entry without a payment. */
export interface HistoryLine {
  readonly entryId: EntryId
  readonly kind: EntryKind
  readonly author: string
  readonly seq: number
  /** The author's time, ISO 8601. */
  readonly at: string
  /** Null in entries without a payment, as the next two. */
  readonly currency: string | null
  /** Decimal text from the point of view of the account asked for: positive is received, negative is given. */
  readonly amount: string | null
  /** Who is on the other side; of `member` and `grant`, whom it is about. */
  readonly counterparty: string | null
  readonly memo: string
  readonly booked: boolean
  /** The journal's version that began with it. */
  readonly version: number
}

/** An entry with what a ledger knows of it. */
interface KnownEntry {
  readonly id: EntryId
  readonly entry: Entry
  readonly version: number
  readonly booked: boolean
}

interface Side {
  readonly leg: Leg
  readonly counterparty: AccountId
}

/**
 * The legs that concern an account, one per counterparty: to its author, an entry is what each payee gets from him, and
 * to everybody else what he himself gets. Without an account the author's side is told.
 */
const sidesOf = ({ author, legs }: Entry, account: AccountId | undefined): ReadonlyArray<Side> =>
  legs
    .filter((leg) => leg.amount > 0 && (account === undefined || account === author || leg.account === account))
    .map((leg) =>
      account === undefined || account === author
        ? { leg: { ...leg, amount: -leg.amount }, counterparty: leg.account }
        : { leg, counterparty: author }
    )

/** Where dates end (ECMA-262, section 21.4.1.1); what an author says may be any integer below 2^53. */
const dateMillisMax = 8.64e15

/** The lines of an entry as an account sees it; `timeText` writes milliseconds since the epoch as ISO 8601. */
export const historyLines = (
  { booked, entry, id, version }: KnownEntry,
  account: AccountId | undefined,
  currencies: ReadonlyArray<Currency>,
  timeText: (millis: number) => string
): ReadonlyArray<HistoryLine> => {
  const line = (currency: string | null, amount: string | null, counterparty: AccountId | undefined): HistoryLine => ({
    entryId: id,
    kind: entry.kind,
    author: accountDid(entry.author),
    seq: entry.seq,
    at: timeText(Math.min(entry.at, dateMillisMax)),
    currency,
    amount,
    counterparty: counterparty === undefined ? null : accountDid(counterparty),
    memo: entry.memo,
    booked,
    version
  })
  if (entry.legs.length === 0) {
    return [line(null, null, entry.kind === "member" || entry.kind === "grant" ? entry.account : undefined)]
  }
  return sidesOf(entry, account).map(({ counterparty, leg }) => {
    const { decimals, symbol } = currencyAt(currencies, leg.currency)
    return line(symbol, formatAmount(leg.amount, decimals), counterparty)
  })
}

/** Whether an entry is about a payment: what histories show unless all is asked for. */
export const isPaymentKind = (kind: EntryKind): boolean =>
  kind === "transfer" || kind === "hold" || kind === "post" || kind === "void" || kind === "reverse"
