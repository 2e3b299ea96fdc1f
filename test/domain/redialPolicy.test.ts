import { assert, describe, it } from "@effect/vitest"
import { defaultPolicy, goesOn, redialDelay } from "../../src/domain/redialPolicy.ts"
import { integer, thorough } from "../fixtures/arbitraries.ts"

const almostOne = 1 - Number.EPSILON

describe("redialDelay", () => {
  it("doubles from 1 s up to 60 s and stays there, of which at least half is waited", () => {
    const failures = [0, 1, 2, 3, 4, 5, 6, 7, 1000]
    const full = [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]
    assert.deepStrictEqual(
      failures.map((count) => redialDelay(defaultPolicy, count, almostOne)),
      full
    )
    assert.deepStrictEqual(
      failures.map((count) => redialDelay(defaultPolicy, count, 0)),
      full.map((millis) => millis / 2)
    )
  })

  it.prop(
    "is a whole number of milliseconds between half and all of the pause, for every policy",
    [integer(1, 100_000), integer(1, 1_000_000), integer(0, 100_000), integer(0, 999_999)],
    ([initialMillis, maxMillis, failures, millionths]) => {
      const policy = { initialMillis, maxMillis, attemptsMax: 10 }
      const delay = redialDelay(policy, failures, millionths / 1e6)
      const full = Math.min(maxMillis, initialMillis * 2 ** Math.min(failures, 30))
      assert.isTrue(Number.isInteger(delay))
      assert.isAtLeast(delay, Math.floor(full / 2))
      assert.isAtMost(delay, full)
      assert.isAtMost(redialDelay(policy, failures, 0), delay)
    },
    thorough
  )
})

describe("goesOn", () => {
  it("gives up after ten failures in a row, and never on a member that is configured", () => {
    assert.isTrue(goesOn(defaultPolicy, 9, false))
    assert.isFalse(goesOn(defaultPolicy, 10, false))
    assert.isTrue(goesOn(defaultPolicy, 1_000_000, true))
  })
})
