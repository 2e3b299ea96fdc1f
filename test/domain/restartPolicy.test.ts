import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import * as RestartPolicy from "../../src/domain/restartPolicy.ts"

const policy: RestartPolicy.RestartPolicy = {
  initialDelayMillis: 100,
  maxDelayMillis: 30_000,
  limit: 5,
  windowMillis: 60_000
}

describe("restartPolicy", () => {
  it("doubles the delay from 100 ms up to 30 s and stays there", () => {
    const delays = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1000].map((n) => RestartPolicy.delay(policy, n))
    assert.deepStrictEqual(delays, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000])
  })

  it("calls the sixth restart within the window flapping, not the fifth", () => {
    let history = RestartPolicy.none
    const flapping: Array<boolean> = []
    for (let crash = 0; crash < 6; crash++) {
      const decision = RestartPolicy.afterCrash(policy, history, { now: crash * 1000, upMillis: 0 })
      history = decision.history
      flapping.push(decision.flapping)
    }
    assert.deepStrictEqual(flapping, [false, false, false, false, false, true])
  })

  it("forgets restarts that left the window", () => {
    let history = RestartPolicy.none
    for (let crash = 0; crash < 6; crash++) {
      history = RestartPolicy.afterCrash(policy, history, { now: crash, upMillis: 0 }).history
    }
    const later = RestartPolicy.afterCrash(policy, history, { now: 60_006, upMillis: 0 })
    assert.isFalse(later.flapping)
    assert.deepStrictEqual(later.history.recent, [60_006])
  })

  it("starts again at the first delay once the actor was up for a whole window", () => {
    const crashed = { consecutive: 9, recent: [] }
    const short = RestartPolicy.afterCrash(policy, crashed, { now: 1e6, upMillis: 59_999 })
    const long = RestartPolicy.afterCrash(policy, crashed, { now: 1e6, upMillis: 60_000 })
    assert.deepStrictEqual([short.delayMillis, long.delayMillis], [30_000, 100])
  })

  const Gap = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 100_000 }))
  it.prop(
    "never waits longer than the cap, keeps a bounded history, and flaps exactly when the window holds too many",
    { gaps: Arbitrary.array(Arbitrary.schema(Gap), { minLength: 1, maxLength: 200 }) },
    ({ gaps }) => {
      let history = RestartPolicy.none
      let now = 0
      const crashes: Array<number> = []
      for (const gap of gaps) {
        now += gap
        crashes.push(now)
        const decision = RestartPolicy.afterCrash(policy, history, { now, upMillis: gap })
        history = decision.history
        const inWindow = crashes.filter((at) => now - at < policy.windowMillis).length
        assert.strictEqual(decision.flapping, inWindow > policy.limit)
        assert.isAtMost(decision.delayMillis, policy.maxDelayMillis)
        assert.isAtLeast(decision.delayMillis, policy.initialDelayMillis)
        assert.isAtMost(history.recent.length, policy.limit + 1)
      }
    },
    { arbitrary: { runs: 300, size: 1000 } }
  )
})
