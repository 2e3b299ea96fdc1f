import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { FairRate, idleMillis } from "../../src/domain/fairRate.ts"

const rate = { ratePerSecond: 1_000_000, burst: 500_000 }
const packet = 1200

/** What each sender gets through in ten seconds, of what it wants to send in each millisecond. */
const sent = (fair: FairRate<number>, wanted: ReadonlyArray<number>, millis = 10_000): ReadonlyArray<number> => {
  const through = wanted.map(() => 0)
  const asked = wanted.map(() => 0)
  for (let now = 0; now < millis; now++) {
    for (const [sender, perMilli] of wanted.entries()) {
      for (asked[sender] = (asked[sender] ?? 0) + perMilli; (asked[sender] ?? 0) >= packet;) {
        asked[sender] = (asked[sender] ?? 0) - packet
        if (fair.take(sender, now, packet)) through[sender] = (through[sender] ?? 0) + packet
      }
    }
  }
  return through
}

describe("FairRate", () => {
  it("gives one sender alone all of it", () => {
    const [through = 0] = sent(new FairRate(rate), [5000])
    assert.closeTo(through, 10_500_000, 10_000)
  })

  it("divides it equally between those that want more than there is", () => {
    for (const through of sent(new FairRate(rate), [50_000, 5000, 2000, 400]))
      assert.closeTo(through, 2_550_000, 200_000)
  })

  it("gives what one leaves to the others, and takes nothing of its part away", () => {
    const [greedy = 0, modest = 0] = sent(new FairRate(rate), [50_000, 300])
    assert.closeTo(modest, 3_000_000, 2 * packet)
    assert.closeTo(greedy, 7_300_000, 200_000)
  })

  it("gives a newcomer its part at once", () => {
    const fair = new FairRate<number>(rate)
    sent(fair, [50_000], 5000)
    let [one, other] = [0, 0]
    for (let now = 5000; now < 6000; now++) {
      for (let count = 0; count < 5; count++) if (fair.take(0, now, packet)) one += packet
      if (fair.take(1, now, packet / 4)) other += packet / 4
    }
    assert.isAtLeast(other, 299_000)
    assert.isAtLeast(one, 499_000)
  })

  it("divides it where a part is less than a message", () => {
    const fair = new FairRate<number>({ ratePerSecond: 100_000, burst: 50_000 })
    for (const through of sent(
      fair,
      Array.from({ length: 40 }, () => 1000)
    )) {
      assert.isAbove(through, 20_000)
      assert.isBelow(through, 35_000)
    }
  })

  it("forgets who sends no more", () => {
    const fair = new FairRate<number>(rate)
    for (let sender = 0; sender < 100; sender++) fair.take(sender, 0, packet)
    assert.strictEqual(fair.size, 100)
    fair.take(0, idleMillis + 1, packet)
    assert.strictEqual(fair.size, 1)
  })

  const Step = Schema.Struct({
    sender: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5 })),
    amount: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 65_507 })),
    waitMillis: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 50 }))
  })
  it.prop(
    "lets no more pass than the rate, whoever sends when",
    [Schema.Array(Step)],
    ([steps]) => {
      const fair = new FairRate<number>(rate)
      let [now, through] = [0, 0]
      for (const { amount, sender, waitMillis } of steps) {
        now += waitMillis
        if (fair.take(sender, now, amount)) through += amount
        assert.isAtMost(through, rate.burst + (rate.ratePerSecond * now) / 1000 + 1)
      }
    },
    { arbitrary: { size: 400, runs: 200 } }
  )
})
