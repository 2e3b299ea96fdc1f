/**
 * Amounts as people write and read them, "1.50", and as the ledger has them: an integer in minor units of a currency
 * with so many digits after the point. Nothing is ever rounded: what has no exact integer is refused.
 */
import { Result } from "effect"
import { amountMax } from "./ledgerLimits.ts"

/** Why text is no amount. */
export type AmountProblem = "notANumber" | "negative" | "notPositive" | "tooManyDecimals" | "tooLarge"

/** Plain decimal digits with a point: no exponent, no comma, no grouping, which mean different things to people. */
const pattern = /^(-?)(\d+)(?:\.(\d+))?$/

/** Minor units of 0 or more, as a credit limit is. */
export const parseLimit = (text: string, decimals: number): Result.Result<number, AmountProblem> => {
  const [, sign, whole, fraction = ""] = pattern.exec(text) ?? []
  if (whole === undefined) return Result.fail("notANumber")
  if (fraction.length > decimals) return Result.fail("tooManyDecimals")
  const minor = Number(whole + fraction.padEnd(decimals, "0"))
  if (sign === "-") return Result.fail("negative")
  return minor > amountMax ? Result.fail("tooLarge") : Result.succeed(minor)
}

/** Minor units above 0, as a payment is. */
export const parseAmount = (text: string, decimals: number): Result.Result<number, AmountProblem> =>
  parseLimit(text, decimals).pipe(
    Result.mapError((problem) => (problem === "negative" ? "notPositive" : problem)),
    Result.flatMap((minor) => (minor > 0 ? Result.succeed(minor) : Result.fail("notPositive" as const)))
  )

/** Minor units as text with exactly so many digits after the point. */
export const formatAmount = (minor: number, decimals: number): string => {
  const digits = String(Math.abs(minor)).padStart(decimals + 1, "0")
  const whole = digits.slice(0, digits.length - decimals)
  return `${minor < 0 ? "-" : ""}${whole}${decimals > 0 ? `.${digits.slice(-decimals)}` : ""}`
}

/** What is wrong with an amount, in words for who wrote it. */
export const describeAmountProblem = (problem: AmountProblem, decimals: number): string => {
  switch (problem) {
    case "notANumber":
      return `not an amount: write digits and a point, like ${formatAmount(10 ** decimals, decimals)}`
    case "negative":
      return "too small: it has to be 0 or more"
    case "notPositive":
      return "too small: it has to be above 0"
    case "tooManyDecimals":
      return decimals === 0
        ? "too exact: this currency has no digits after the point"
        : `too exact: this currency has ${decimals} digits after the point`
    case "tooLarge":
      return `too large: at most ${formatAmount(amountMax, decimals)}`
  }
}
