import { assert, describe, it } from "@effect/vitest"
import { Arbitrary } from "effect"
import * as TokenBucket from "../../src/domain/tokenBucket.ts"
import { integer, thorough } from "../fixtures/arbitraries.ts"

const rate: TokenBucket.TokenRate = { ratePerSecond: 10, burst: 5 }
const allowance: TokenBucket.Allowance = { messages: rate, bytes: { ratePerSecond: 1000, burst: 2000 } }

/** By how much the most that passed in any span is more than the rate allows. */
const excess = (passed: ReadonlyArray<{ readonly at: number; readonly amount: number }>): number => {
  let most = Number.NEGATIVE_INFINITY
  passed.forEach(({ at: from }, first) => {
    let sum = 0
    for (const { amount, at } of passed.slice(first)) {
      sum += amount
      most = Math.max(most, sum - rate.burst - (rate.ratePerSecond * (at - from)) / 1000)
    }
  })
  return most
}

/** Moments at which somebody asks, and how much it asks for. */
const asks = Arbitrary.array(Arbitrary.all([integer(0, 700), integer(0, 3), integer(0, 3)]), {
  minLength: 1,
  maxLength: 200
})

describe("tokenBucket", () => {
  it("admits a burst at once, and then as much as flows back", () => {
    let bucket = TokenBucket.full(rate, 0)
    const admitted = (nowMillis: number, amount: number) => {
      const taken = TokenBucket.take(rate, bucket, nowMillis, amount)
      bucket = taken.bucket
      return taken.admitted
    }
    assert.deepStrictEqual(
      [1, 1, 1, 1, 1, 1].map((amount) => admitted(0, amount)),
      [true, true, true, true, true, false]
    )
    assert.isFalse(admitted(99, 1))
    assert.isTrue(admitted(100, 1))
    assert.isFalse(admitted(100, 1))
    assert.isTrue(admitted(3_600_000, 5))
    assert.isFalse(admitted(3_600_000, 1))
  })

  it("takes nothing when there is not enough, and says how long that lasts", () => {
    const bucket: TokenBucket.TokenBucket = { tokens: 2, updatedMillis: 0 }
    const taken = TokenBucket.take(rate, bucket, 0, 3)
    assert.deepStrictEqual(taken, { bucket, admitted: false })
    assert.strictEqual(TokenBucket.waitMillis(rate, bucket, 3), 100)
    assert.strictEqual(TokenBucket.waitMillis(rate, bucket, 2), 0)
    assert.strictEqual(TokenBucket.waitMillis(rate, bucket, 6), Number.POSITIVE_INFINITY)
  })

  it("refills nothing when the clock is set back, and goes on from there", () => {
    const empty: TokenBucket.TokenBucket = { tokens: 0, updatedMillis: 10_000 }
    const back = TokenBucket.refilled(rate, empty, 0)
    assert.deepStrictEqual(back, { tokens: 0, updatedMillis: 0 })
    assert.strictEqual(TokenBucket.refilled(rate, back, 100).tokens, 1)
  })

  it.prop(
    "never admits more than burst and flow over any span",
    { asks },
    ({ asks }) => {
      const passed: Array<{ readonly at: number; readonly amount: number }> = []
      let bucket = TokenBucket.full(rate, 0)
      let now = 0
      for (const [wait, amount] of asks) {
        now += wait
        const taken = TokenBucket.take(rate, bucket, now, amount)
        bucket = taken.bucket
        if (taken.admitted) passed.push({ at: now, amount })
      }
      assert.isAtMost(excess(passed), 1e-9)
    },
    thorough
  )
})

describe("Allowances", () => {
  it("limits messages and bytes of each sender apart", () => {
    const table = new TokenBucket.Allowances(allowance, 10)
    assert.strictEqual(table.take("a", 0, 1500), 0)
    assert.strictEqual(table.take("a", 0, 600), 100)
    assert.strictEqual(table.take("a", 0, 500), 0)
    assert.strictEqual(table.take("b", 0, 1), 0)
    for (let message = 0; message < 3; message++) assert.strictEqual(table.take("a", 0, 0), 0)
    assert.strictEqual(table.take("a", 0, 0), 100)
    assert.strictEqual(table.take("a", 100, 0), 0)
  })

  it("forgets who was quiet for longest, whose return gains nothing", () => {
    const table = new TokenBucket.Allowances(allowance, 2)
    for (let message = 0; message < 5; message++) assert.strictEqual(table.take("a", 0, 0), 0)
    table.take("b", 0, 0)
    table.take("c", 0, 0)
    assert.strictEqual(table.size, 2)
    assert.isAbove(table.take("a", 0, 0), 0)
    // Somebody new begins as low, and is served as soon as anybody would be.
    assert.isAbove(table.take("d", 0, 0), 0)
    assert.strictEqual(table.take("d", 100, 0), 0)
    assert.strictEqual(table.take("e", 1000, 0), 0)
  })

  it.prop(
    "never admits more than burst and flow of one sender, whoever else is made up",
    { asks },
    ({ asks }) => {
      const table = new TokenBucket.Allowances({ messages: rate, bytes: { ratePerSecond: 1, burst: 1e9 } }, 2)
      const passed = new Map<string, Array<number>>()
      let now = 0
      for (const [wait, sender] of asks) {
        now += wait
        const name = String(sender)
        if (table.take(name, now, 0) === 0) passed.set(name, [...(passed.get(name) ?? []), now])
        assert.isAtMost(table.size, 2)
      }
      for (const times of passed.values()) {
        assert.isAtMost(excess(times.map((at) => ({ at, amount: 1 }))), 1e-9)
      }
    },
    thorough
  )
})
