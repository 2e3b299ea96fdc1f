/**
 * From an intent to the parts of an entry that say it: kind and legs, or why it cannot be said at all. Whatever
 * numbers and texts an intent has, what comes out can be encoded. The limit and everything else that depends on the
 * past is for `admit` to judge.
 */
import { createHash } from "node:crypto"
import { isAccount } from "./ledgerAccount.ts"
import {
  type AccountId,
  compareLegs,
  creditsTo,
  type Entry,
  type EntryAct,
  type EntryId,
  type GenesisEntry,
  type IdentifiedEntry,
  type Leg
} from "./ledgerEntry.ts"
import type { LedgerIntent, Payment, Refusal } from "./ledgerIntent.ts"
import { amountMax, legsMax, memoBytesMax } from "./ledgerLimits.ts"

export interface Plan {
  readonly act: EntryAct
  /** In the order of entries. */
  readonly legs: ReadonlyArray<Leg>
}

/** Whose plan, and where the entries are that it is about. */
export interface PlanContext {
  readonly author: AccountId
  readonly genesis: GenesisEntry
  readonly find: (id: EntryId) => IdentifiedEntry | undefined
}

const isCurrency = ({ genesis }: PlanContext, currency: number): boolean =>
  Number.isInteger(currency) && currency >= 0 && currency < genesis.currencies.length

/** Payments to the same payee in the same currency become one. */
const merged = (payments: ReadonlyArray<Payment>): ReadonlyArray<Payment> => {
  const found = new Map<string, Payment>()
  for (const payment of payments) {
    const key = `${payment.currency} ${payment.to}`
    found.set(key, { ...payment, amount: payment.amount + (found.get(key)?.amount ?? 0) })
  }
  return [...found.values()]
}

const paymentProblem = (context: PlanContext, { amount, currency, to }: Payment): Refusal | undefined => {
  if (!isCurrency(context, currency)) return "unknownCurrency"
  if (!Number.isSafeInteger(amount) || amount <= 0) return "badAmount"
  if (amount > amountMax) return "amountTooLarge"
  if (to === context.author) return "creditToSelf"
  return isAccount(to) ? undefined : "notAnAccount"
}

const legsOf = (context: PlanContext, payments: ReadonlyArray<Payment>): ReadonlyArray<Leg> | Refusal => {
  if (payments.length === 0) return "noLegs"
  const sums = new Map<number, number>()
  for (const payment of payments) {
    const problem = paymentProblem(context, payment)
    if (problem !== undefined) return problem
    const sum = (sums.get(payment.currency) ?? 0) + payment.amount
    // It bounds the amounts to one payee as well.
    if (sum > amountMax) return "amountTooLarge"
    sums.set(payment.currency, sum)
  }
  const credits = merged(payments).map(({ amount, currency, to }) => ({ account: to, currency, amount }))
  const debits = [...sums].map(([currency, sum]) => ({ account: context.author, currency, amount: -sum }))
  return credits.length + debits.length > legsMax ? "tooLarge" : [...credits, ...debits].toSorted(compareLegs)
}

const withLegs = (act: EntryAct, legs: ReadonlyArray<Leg> | Refusal): Plan | Refusal =>
  typeof legs === "string" ? legs : { act, legs }

type Post = Extract<LedgerIntent, { kind: "post" }>

/** What a post pays: what it says, or all that was held. */
const paymentsOfPost = ({ amount, payments }: Post, hold: Entry): ReadonlyArray<Payment> | Refusal => {
  if (payments !== undefined) return payments
  const held = hold.legs
    .filter((leg) => leg.amount > 0)
    .map((leg) => ({ to: leg.account, currency: leg.currency, amount: leg.amount }))
  if (amount === undefined) return held
  return held.length === 1 ? held.map((payment) => ({ ...payment, amount })) : "severalPayments"
}

const planResolution = (
  context: PlanContext,
  intent: Extract<LedgerIntent, { kind: "post" | "void" }>
): Plan | Refusal => {
  const hold = context.find(intent.hold)?.entry
  if (hold === undefined) return "unknownEntry"
  if (hold.kind !== "hold" || hold.author !== context.author) return "notAHold"
  if (intent.kind === "void") return { act: { kind: "void", hold: intent.hold }, legs: [] }
  const payments = paymentsOfPost(intent, hold)
  if (typeof payments === "string") return payments
  return withLegs({ kind: "post", hold: intent.hold }, legsOf(context, payments))
}

const planReversal = ({ author, find }: PlanContext, id: EntryId): Plan | Refusal => {
  const reversed = find(id)?.entry
  if (reversed === undefined) return "unknownEntry"
  const received = reversed.kind === "reverse" ? [] : creditsTo(reversed, author)
  if (received.length === 0) return "notReversible"
  const legs = received.flatMap((leg) => [
    { ...leg, amount: -leg.amount },
    { ...leg, account: reversed.author }
  ])
  return { act: { kind: "reverse", reversed: id }, legs: legs.toSorted(compareLegs) }
}

const planGrant = (
  context: PlanContext,
  { account, currency, limit }: Extract<LedgerIntent, { kind: "grant" }>
): Plan | Refusal => {
  if (!isCurrency(context, currency)) return "unknownCurrency"
  if (!Number.isSafeInteger(limit) || limit < 0) return "badAmount"
  if (limit > amountMax) return "amountTooLarge"
  return isAccount(account) ? { act: { kind: "grant", account, currency, limit }, legs: [] } : "notAnAccount"
}

/** What an intent is as an entry, or why it is none. */
export const planOf = (intent: LedgerIntent, context: PlanContext): Plan | Refusal => {
  switch (intent.kind) {
    case "transfer":
      return withLegs({ kind: "transfer" }, legsOf(context, intent.payments))
    case "hold":
      if (!Number.isSafeInteger(intent.expiresAt) || intent.expiresAt < 0) return "badTime"
      return withLegs({ kind: "hold", expiresAt: intent.expiresAt }, legsOf(context, intent.payments))
    case "post":
    case "void":
      return planResolution(context, intent)
    case "reverse":
      return planReversal(context, intent.entry)
    case "member":
      return isAccount(intent.account) ? { act: { kind: "member", account: intent.account }, legs: [] } : "notAnAccount"
    case "grant":
      return planGrant(context, intent)
    case "ack":
      return { act: { kind: "ack" }, legs: [] }
  }
}

/** Whether a text can be the memo of an entry. */
export const isMemo = (memo: string): boolean =>
  memo.isWellFormed() && !/\p{Cc}/u.test(memo) && Buffer.byteLength(memo, "utf8") <= memoBytesMax

const wordsOfAct = (act: EntryAct): ReadonlyArray<unknown> => {
  switch (act.kind) {
    case "member":
      return [act.account]
    case "grant":
      return [act.account, act.currency, act.limit]
    case "post":
    case "void":
      return [act.hold]
    case "reverse":
      return [act.reversed]
    // Without the time at which it expires: whoever asks again counts it from another moment.
    case "hold":
    case "transfer":
    case "ack":
    case "genesis":
      return []
  }
}

/** Whether an entry says what is planned, so that the same request has come again. */
export const saysSame = (entry: Entry, { act, legs }: Plan, memo: string): boolean =>
  JSON.stringify([entry.kind, wordsOfAct(entry), legWords(entry.legs), entry.memo]) ===
  JSON.stringify([act.kind, wordsOfAct(act), legWords(legs), memo])

const legWords = (legs: ReadonlyArray<Leg>) => legs.map(({ account, amount, currency }) => [account, currency, amount])

const comparePayments = (a: Payment, b: Payment): number =>
  a.currency - b.currency || (a.to < b.to ? -1 : a.to > b.to ? 1 : 0)

const wordsOfPayments = (payments: ReadonlyArray<Payment>) =>
  merged(payments)
    .toSorted(comparePayments)
    .map(({ amount, currency, to }) => [to, currency, amount])

const wordsOfIntent = (intent: LedgerIntent): ReadonlyArray<unknown> => {
  switch (intent.kind) {
    case "transfer":
    case "hold":
      return wordsOfPayments(intent.payments)
    case "post":
      return [intent.hold, intent.amount ?? null, ...wordsOfPayments(intent.payments ?? [])]
    case "void":
      return [intent.hold]
    case "reverse":
      return [intent.entry]
    case "member":
      return [intent.account]
    case "grant":
      return [intent.account, intent.currency, intent.limit]
    case "ack":
      return []
  }
}

/** SHA-256 over what an intent says: the same for the same request, whenever it comes; 64 hex digits. */
export const intentDigest = (intent: LedgerIntent, memo: string): string =>
  createHash("sha256")
    .update(JSON.stringify([intent.kind, ...wordsOfIntent(intent), memo]))
    .digest("hex")
