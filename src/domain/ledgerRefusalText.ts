/**
 * Why something was not written, in words for who wanted it. Every text begins with the rule's own name, so that
 * scripts can tell them apart: `overLimit: this takes 150.00 hours, …`.
 */
import { formatAmount } from "./ledgerAmount.ts"
import type { Balance } from "./ledgerBooks.ts"
import type { Currency } from "./ledgerEntry.ts"
import type { Refusal } from "./ledgerIntent.ts"
import { currencyAt } from "./ledgerView.ts"

/** What was wanted, as far as the words need it. */
export interface RefusedRequest {
  readonly currencies: ReadonlyArray<Currency>
  /** The payer's own balances now. */
  readonly balances: ReadonlyArray<Balance>
  /** What it would have taken. */
  readonly payments: ReadonlyArray<{ readonly currency: number; readonly amount: number }>
}

const overLimitText = ({ balances, currencies, payments }: RefusedRequest): string => {
  const texts = payments.flatMap(({ amount, currency }) => {
    const balance = balances.find((row) => row.currency === currency)
    if (balance === undefined) return []
    const { decimals, symbol } = currencyAt(currencies, currency)
    const text = (minor: number) => formatAmount(minor, decimals)
    const parts = [
      `balance ${text(balance.posted)}`,
      `limit ${text(balance.limit)}`,
      ...(balance.held > 0 ? [`held ${text(balance.held)}`] : []),
      ...(balance.unacked > 0 ? [`not acknowledged yet ${text(balance.unacked)}`] : [])
    ]
    return [`this takes ${text(amount)} ${symbol}, and ${text(balance.available)} is available (${parts.join(", ")})`]
  })
  return texts.length > 0 ? texts.join("; ") : "it takes more than is available"
}

const broken = "this node drafted an entry that breaks a rule; please report it"

const texts: Readonly<Record<Exclude<Refusal, "overLimit">, string>> = {
  badGenesis: broken,
  unsupportedThreshold: "more than one steward would have to agree, which is not supported yet",
  noCoop: broken,
  brokenChain: broken,
  noLegs: "it pays nobody",
  unexpectedLegs: broken,
  foreignDebit: "only the owner of an account can take from it",
  creditToSelf: "a payment to oneself is none; name another member",
  unbalanced: broken,
  nothingToAck: "no credit waits to be acknowledged",
  foreignCoop: "it is of another cooperative",
  wrongLamport: broken,
  notAnAccount: "the payee is nobody's key",
  unknownCurrency: 'the cooperative has no such currency; "icn-node ledger balance" shows those it has',
  notMember: 'this node\'s member does not belong to the cooperative yet; join with "icn-node coop join"',
  notSteward: 'only stewards may do this; "icn-node coop members" shows who they are',
  idempotencyKeyUsed: "the idempotency key was used before; take another one",
  notACredit: "what is to be acknowledged gives this member nothing",
  ackedBefore: "the credit was acknowledged before",
  ackOfForked: "the payer has written two chains; what he gave on one of them cannot be relied on",
  notAHold: "that is no hold of this node's member",
  resolvedBefore: "the hold was posted or voided before",
  beyondHold: "it pays others or more than was held",
  notReversible: "this member received nothing from that entry, or it is a reversal itself",
  reversedBefore: "it was given back before",
  notWhatWasReceived: "a reversal gives back exactly what was received",
  amountTooLarge: "the amounts would leave the range that is exact",
  idempotencyKeyReused: "the idempotency key was used for something else; take another one",
  unknownEntry: "there is no entry with that id here",
  nothingToDo: "there is nothing to do",
  tooLarge: "it would be larger than an entry may be; a shorter memo or fewer payees make it fit",
  badAmount: "an amount has to be above 0, and a limit 0 or more, with no more digits than the currency has",
  severalPayments: "the hold is for several payees, so a part of it cannot be told by one amount",
  badMemo: "a memo has at most 256 bytes, and no control characters",
  badTime: "the time is none",
  ownChainForked:
    "two chains were written with this member's key, so nothing that it writes now would be booked; " +
    "the key was used by two nodes at a time, or by an old copy of a data directory; " +
    "this member needs a new key (a new data directory) and an invitation from a steward"
}

/** `overLimit: this takes …`. */
export const refusalText = (refusal: Refusal, request: RefusedRequest): string =>
  `${refusal}: ${refusal === "overLimit" ? overLimitText(request) : texts[refusal]}`
