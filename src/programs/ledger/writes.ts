/**
 * What people want to write, from decimal text and symbols to the ledger's own terms, and its answer in words.
 */
import { Effect, Option, type Result } from "effect"
import { accountDid, currencyAt, currencyNamed, didAccount } from "../../domain/ledgerView.ts"
import {
  type AmountProblem,
  describeAmountProblem,
  formatAmount,
  parseAmount,
  parseLimit
} from "../../domain/ledgerAmount.ts"
import type { Currency } from "../../domain/ledgerEntry.ts"
import type { LedgerIntent, Payment } from "../../domain/ledgerIntent.ts"
import { refusalText } from "../../domain/ledgerRefusalText.ts"
import type { CooperativeInfo, Ledger, LedgerError, Written } from "../../services/Ledger.ts"
import {
  LedgerRequestInvalid,
  type LedgerWriteIntent,
  type LedgerWriteRequest,
  type LedgerWritten
} from "../rpc/ledgerApi.ts"

type Service = Ledger["Service"]

const invalid = (problem: string) => new LedgerRequestInvalid({ problem })

/** The position of the currency with a symbol; the first one unless said. */
export const positionOf = (
  { currencies, name }: Pick<CooperativeInfo, "currencies" | "name">,
  symbol: string | null
): Effect.Effect<number, LedgerRequestInvalid> => {
  if (symbol === null) return Effect.succeed(0)
  const position = currencyNamed(currencies, symbol)
  if (position !== undefined) return Effect.succeed(position)
  const known = currencies.map((currency) => currency.symbol).join(", ")
  return invalid(`unknown currency ${JSON.stringify(symbol)}; the cooperative ${JSON.stringify(name)} has ${known}`)
}

const amountIn = (
  parse: (text: string, decimals: number) => Result.Result<number, AmountProblem>,
  text: string,
  currency: Currency | undefined
): Effect.Effect<number, LedgerRequestInvalid> => {
  const decimals = currency?.decimals ?? 0
  return Effect.mapError(Effect.fromResult(parse(text, decimals)), (problem) =>
    invalid(
      `amount ${JSON.stringify(text)} in ${currency?.symbol ?? ""} is ${describeAmountProblem(problem, decimals)}`
    )
  )
}

/** One payment, as it was asked for. */
const paymentOf = Effect.fnUntraced(function* (
  info: CooperativeInfo,
  { amount, currency, to }: Extract<LedgerWriteIntent, { readonly _tag: "Pay" | "Hold" }>
) {
  const position = yield* positionOf(info, currency)
  const minor = yield* amountIn(parseAmount, amount, info.currencies[position])
  const payment: Payment = { to: didAccount(to), currency: position, amount: minor }
  return payment
})

/** Part of a hold has the currency of the hold. */
const postOf = Effect.fnUntraced(function* (
  ledger: Service,
  info: CooperativeInfo,
  { amount, hold }: Extract<LedgerWriteIntent, { readonly _tag: "Post" }>
) {
  const whole: LedgerIntent = { kind: "post", hold }
  if (amount === null) return whole
  const found = yield* ledger.entry(hold)
  const legs = Option.isSome(found) ? found.value.entry.legs.filter((leg) => leg.amount > 0) : []
  const [leg, another] = legs
  if (leg === undefined) return yield* invalid(`there is no hold ${hold} here`)
  if (another !== undefined) return yield* invalid("the hold is for several payees; it can only be posted as a whole")
  const minor = yield* amountIn(parseAmount, amount, info.currencies[leg.currency])
  const part: LedgerIntent = {
    kind: "post",
    hold,
    payments: [{ to: leg.account, currency: leg.currency, amount: minor }]
  }
  return part
})

const intentOf = Effect.fnUntraced(function* (
  ledger: Service,
  info: CooperativeInfo,
  intent: LedgerWriteIntent
): Effect.fn.Return<LedgerIntent, LedgerError | LedgerRequestInvalid> {
  switch (intent._tag) {
    case "Pay":
      return { kind: "transfer", payments: [yield* paymentOf(info, intent)] }
    case "Hold":
      return { kind: "hold", payments: [yield* paymentOf(info, intent)], expiresAt: intent.expiresAtMillis }
    case "Post":
      return yield* postOf(ledger, info, intent)
    case "Void":
      return { kind: "void", hold: intent.hold }
    case "Reverse":
      return { kind: "reverse", entry: intent.entry }
    case "Grant": {
      const currency = yield* positionOf(info, intent.currency)
      const limit = yield* amountIn(parseLimit, intent.limit, info.currencies[currency])
      return { kind: "grant", account: didAccount(intent.to), currency, limit }
    }
  }
})

/** What an intent takes from this member, as far as it says. */
const takenBy = (intent: LedgerIntent): ReadonlyArray<Pick<Payment, "amount" | "currency">> =>
  "payments" in intent && intent.payments !== undefined ? intent.payments : []

/** `1.50 hours to did:key:z6Mk…`. */
const describe = (intent: LedgerIntent, { currencies }: CooperativeInfo): string => {
  const money = (minor: number, currency: number): string => {
    const { decimals, symbol } = currencyAt(currencies, currency)
    return `${formatAmount(minor, decimals)} ${symbol}`
  }
  switch (intent.kind) {
    case "transfer":
    case "hold":
      return intent.payments
        .map(({ amount, currency, to }) => `${money(amount, currency)} to ${accountDid(to)}`)
        .join(", ")
    case "post": {
      const [part] = intent.payments ?? []
      return part === undefined ? `hold ${intent.hold}` : `${money(part.amount, part.currency)} of hold ${intent.hold}`
    }
    case "void":
      return `hold ${intent.hold}`
    case "reverse":
      return `entry ${intent.entry}`
    case "grant":
      return `${money(intent.limit, intent.currency)} to ${accountDid(intent.account)}`
    case "member":
      return accountDid(intent.account)
    case "ack":
      return "credits"
  }
}

/** What became of a request, in words; `unknown` is to be asked for again with its key. */
const told = Effect.fnUntraced(function* (ledger: Service, written: Written, intent: LedgerIntent | undefined) {
  const info = yield* ledger.ensureCooperative
  const what = intent === undefined ? null : describe(intent, info)
  const answer: LedgerWritten = { status: "committed", entryId: null, reason: null, what }
  switch (written._tag) {
    case "Committed":
      return { ...answer, entryId: written.entryId }
    case "Unknown":
      return { ...answer, status: "unknown", reason: written.detail } satisfies LedgerWritten
    case "Refused": {
      const payments = intent === undefined ? [] : takenBy(intent)
      const balances = yield* ledger.balance(ledger.account)
      const reason = refusalText(written.reason, { currencies: info.currencies, balances, payments })
      return { ...answer, status: "refused", reason } satisfies LedgerWritten
    }
  }
})

/** Writes what was asked for; a fresh node founds its own cooperative with it. */
export const write = Effect.fnUntraced(function* (ledger: Service, request: LedgerWriteRequest) {
  const info = yield* ledger.ensureCooperative
  const intent = yield* intentOf(ledger, info, request.intent)
  const options = {
    // Amounts and currencies were read as this cooperative's.
    coop: info.id,
    idempotencyKey: request.idempotencyKey,
    ...(request.memo === "" ? {} : { memo: request.memo })
  }
  return yield* told(ledger, yield* ledger.append(intent, options), intent)
})

/** What became of the request with a key; null when there was none. */
export const outcome = Effect.fnUntraced(function* (ledger: Service, idempotencyKey: string) {
  const found = yield* ledger.outcome(idempotencyKey)
  return Option.isNone(found) ? null : yield* told(ledger, found.value, undefined)
})
