/**
 * What a cooperative is founded with, and how far invitations may go: what people ask for, judged before it becomes an
 * entry. The bounds are those of entries (ledgerLimits.ts).
 */
import { inviteTtlMillisMax, inviteTtlMillisMin, inviteUsesMax } from "./coopInvite.ts"
import type { Currency } from "./ledgerEntry.ts"
import { amountMax, currenciesMax, decimalsMax, nameBytesMax } from "./ledgerLimits.ts"

/** Of a cooperative that says nothing else, in minor units: 100.00. */
export const startingLimitDefault = 10_000

export const defaultCurrency = (startingLimit: number = startingLimitDefault): Currency => ({
  symbol: "hours",
  decimals: 2,
  startingLimit
})

const isBetween = (value: number, minimum: number, maximum: number): boolean =>
  Number.isSafeInteger(value) && value >= minimum && value <= maximum

const currencyProblem = ({ decimals, startingLimit, symbol }: Currency): string | undefined => {
  if (!/^[A-Za-z][A-Za-z0-9-]{0,15}$/.test(symbol)) {
    return `${JSON.stringify(symbol)} is no symbol of a currency: a letter, then up to 15 letters, digits and "-"`
  }
  if (!isBetween(decimals, 0, decimalsMax)) return `a currency has 0 to ${decimalsMax} digits after the point`
  return isBetween(startingLimit, 0, amountMax) ? undefined : `a starting limit is 0 to ${amountMax} minor units`
}

/** Why no cooperative can be founded like this, if it can't. */
export const foundingProblem = (name: string, currencies: ReadonlyArray<Currency>): string | undefined => {
  if (name === "" || /\p{Cc}/u.test(name) || !name.isWellFormed()) {
    return "a cooperative has a name, without control characters"
  }
  if (Buffer.byteLength(name, "utf8") > nameBytesMax) return `the name takes more than ${nameBytesMax} bytes`
  if (!isBetween(currencies.length, 1, currenciesMax)) return `a cooperative has 1 to ${currenciesMax} currencies`
  if (new Set(currencies.map(({ symbol }) => symbol)).size < currencies.length) return "a currency is named twice"
  for (const currency of currencies) {
    const problem = currencyProblem(currency)
    if (problem !== undefined) return problem
  }
  return undefined
}

/** Why no invitation can be made like this, if it can't. */
export const invitationProblem = (ttlMillis: number, uses: number): string | undefined => {
  if (!isBetween(ttlMillis, inviteTtlMillisMin, inviteTtlMillisMax)) {
    return "an invitation is good for at least a minute and at most 90 days"
  }
  return isBetween(uses, 1, inviteUsesMax) ? undefined : `an invitation is for 1 to ${inviteUsesMax} members`
}
