import { assert, describe, expect, it } from "@effect/vitest"
import { Arbitrary, Result } from "effect"
import { describeAmountProblem, formatAmount, parseAmount, parseLimit } from "../../src/domain/ledgerAmount.ts"
import { amountMax, decimalsMax } from "../../src/domain/ledgerLimits.ts"
import { integer, thorough } from "../fixtures/arbitraries.ts"

const read = (text: string, decimals: number) => Result.merge(parseAmount(text, decimals))

describe("amounts", () => {
  it("reads what people write", () => {
    expect(read("1.50", 2)).toBe(150)
    expect(read("1.5", 2)).toBe(150)
    expect(read("1", 2)).toBe(100)
    expect(read("0.01", 2)).toBe(1)
    expect(read("007", 0)).toBe(7)
    expect(read("10000000.00", 2)).toBe(amountMax)
  })

  it("says what is wrong, and rounds nothing", () => {
    expect(read("1.505", 2)).toBe("tooManyDecimals")
    expect(read("1.500", 2)).toBe("tooManyDecimals")
    expect(read("1.0", 0)).toBe("tooManyDecimals")
    expect(read("10000000.01", 2)).toBe("tooLarge")
    expect(read("9".repeat(40), 2)).toBe("tooLarge")
    expect(read("9".repeat(400), 2)).toBe("tooLarge")
    for (const text of ["0", "0.00", "-0", "-1", "-1.50"]) expect([text, read(text, 2)]).toEqual([text, "notPositive"])
    for (const text of ["", " 1", "1 ", "1,50", "1e3", "+1", ".5", "5.", "0x10", "1_000", "1.2.3", "NaN", "--1", "١"]) {
      expect([text, read(text, 2)]).toEqual([text, "notANumber"])
    }
  })

  it("lets a limit be 0", () => {
    expect(Result.merge(parseLimit("0", 2))).toBe(0)
    expect(Result.merge(parseLimit("-1", 2))).toBe("negative")
    expect(Result.merge(parseLimit("12.3", 2))).toBe(1_230)
  })

  it("writes exactly the digits that a currency has", () => {
    expect(formatAmount(150, 2)).toBe("1.50")
    expect(formatAmount(-5, 2)).toBe("-0.05")
    expect(formatAmount(0, 2)).toBe("0.00")
    expect(formatAmount(7, 0)).toBe("7")
    expect(formatAmount(-7, 0)).toBe("-7")
    expect(formatAmount(Number.MAX_SAFE_INTEGER, 6)).toBe("9007199254.740991")
  })

  it("explains each problem", () => {
    expect(describeAmountProblem("notANumber", 2)).toContain("1.00")
    expect(describeAmountProblem("notPositive", 2)).toContain("above 0")
    expect(describeAmountProblem("negative", 2)).toContain("0 or more")
    expect(describeAmountProblem("tooManyDecimals", 2)).toContain("2 digits")
    expect(describeAmountProblem("tooManyDecimals", 0)).toContain("no digits")
    expect(describeAmountProblem("tooLarge", 2)).toContain("10000000.00")
  })

  it.prop(
    "reads back what it writes",
    [integer(1, amountMax), integer(0, decimalsMax)],
    ([minor, decimals]) => {
      assert.strictEqual(read(formatAmount(minor, decimals), decimals), minor)
      assert.strictEqual(formatAmount(-minor, decimals), `-${formatAmount(minor, decimals)}`)
      assert.strictEqual(Number(formatAmount(minor, decimals)), minor / 10 ** decimals)
    },
    thorough
  )

  const digits = Arbitrary.map(integer(0, 2 ** 31), String)
  it.prop(
    "says the same amount however many of its digits after the point are written",
    [digits, digits, integer(0, decimalsMax)],
    ([whole, fraction, decimals]) => {
      const short = fraction.slice(0, decimals)
      const text = short === "" ? whole : `${whole}.${short}`
      const padded = decimals === 0 ? whole : `${whole}.${short.padEnd(decimals, "0")}`
      assert.strictEqual(read(text, decimals), read(padded, decimals))
      if (fraction.length > decimals) assert.strictEqual(read(`${whole}.${fraction}`, decimals), "tooManyDecimals")
    },
    thorough
  )
})
