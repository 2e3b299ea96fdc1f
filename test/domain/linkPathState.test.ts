import { assert, describe, it } from "@effect/vitest"
import { type Pace, PathState } from "../../src/domain/linkPathState.ts"
import { defaultLinkTimings } from "../../src/domain/linkTimings.ts"

const active: Pace = { _tag: "Active" }
const standby: Pace = { _tag: "Standby" }
const wanted: Pace = { _tag: "Wanted", from: 0 }
const never = Number.POSITIVE_INFINITY

const path = (random = 0.5): PathState =>
  new PathState("udp", { host: "10.0.0.2", port: 4000 }, "host", 0, defaultLinkTimings, () => random)

/** With consent since `now`, its second answer included. */
const valid = (now: number, rtt = 20, random = 0.5): PathState => {
  const one = path(random)
  for (const at of [now - 1000, now]) {
    one.sent(at - rtt, true)
    one.answered(at, rtt, "10.0.0.1")
  }
  return one
}

const sends = (one: PathState, pace: Pace, count: number, connected = true): ReadonlyArray<number> => {
  const times: Array<number> = []
  while (times.length < count && one.dueAt(pace, undefined) !== never) {
    const at = one.dueAt(pace, undefined)
    times.push(at)
    one.sent(at, connected)
  }
  return times
}

describe("a path without an answer", () => {
  it("is checked five times in ever longer intervals, and then now and then", () => {
    assert.deepStrictEqual(sends(path(), standby, 5), [0, 250, 750, 1750, 2750])
    const one = path()
    const times = sends(one, standby, 13)
    assert.deepStrictEqual(times.slice(5), [12_750, 13_000, 33_000, 33_250, 63_250, 63_500, 93_500, 93_750])
    assert.strictEqual(one.status(0, false, false).state, "failed")
  })

  it("is checked once in two seconds when there is no other", () => {
    assert.deepStrictEqual(sends(path(), active, 8, false), [0, 250, 750, 1750, 2750, 4750, 6750, 8750])
  })

  it("is checked from the beginning when it is restarted, and at once when triggered", () => {
    const one = path()
    sends(one, standby, 5)
    one.trigger(2760)
    assert.strictEqual(one.dueAt(standby, undefined), 2850)
    one.sent(2850, true)
    one.restart(2900)
    assert.strictEqual(one.dueAt(standby, undefined), 2900)
    assert.deepStrictEqual(sends(one, standby, 3), [2900, 3150, 3650])
  })

  it("is put off when the network says twice that nothing gets there", () => {
    const one = path()
    one.sent(0, true)
    one.reportUnreachable(10, true)
    assert.strictEqual(one.dueAt(standby, undefined), 250)
    one.reportUnreachable(20, true)
    assert.strictEqual(one.dueAt(standby, undefined), 10_020)
    for (let report = 0; report < 10; report++) one.reportUnreachable(5000, true)
    assert.strictEqual(one.dueAt(standby, undefined), 10_020)
  })
})

describe("the round trip time", () => {
  it("is smoothed as RFC 6298 says", () => {
    const one = path()
    assert.isUndefined(one.rttMs)
    one.answered(0, 100, "10.0.0.1")
    assert.strictEqual(one.rttMs, 100)
    one.answered(0, 200, "10.0.0.1")
    assert.strictEqual(one.rttMs, 112.5)
  })

  it("makes repetitions of slow paths slower", () => {
    const slow = valid(2000, 600)
    slow.sent(3000, true)
    const first = slow.dueAt(active, undefined)
    assert.isAbove(first, 3600)
    assert.isAtMost(first, 4000)
  })
})

describe("consent in use", () => {
  it("is asked for each second, give or take a fifth", () => {
    for (const [random, delay] of [
      [0, 800],
      [0.5, 1000],
      [1, 1200]
    ] as const) {
      const one = valid(2000, 20, random)
      assert.strictEqual(one.dueAt(active, undefined), one.lastSentAt + delay)
    }
  })

  it("is lost after three sends and 1.3 s of silence, not before", () => {
    const one = valid(2000)
    const times = sends(one, active, 10)
    assert.deepStrictEqual(times, [2980, 3230, 3480, 3730, 3980])
    assert.strictEqual(one.lostInUseAt, 4280)
    const late = valid(2000)
    late.sent(2980, true)
    late.sent(9000, true)
    assert.strictEqual(late.lostInUseAt, never)
    late.sent(9250, true)
    assert.strictEqual(late.lostInUseAt, 9450)
  })

  it("is given more time on slow paths, but not without end", () => {
    const slow = valid(2000, 900)
    const times = sends(slow, active, 10)
    assert.lengthOf(times, 3)
    assert.isAtLeast(slow.lostInUseAt - (times[0] ?? 0), 2000)
    assert.isAtMost(slow.lostInUseAt - (times[0] ?? 0), 3000)
  })

  it("is lost sooner when the network says that nothing gets there, if silence agrees", () => {
    const one = valid(2000)
    one.reportUnreachable(2100, true)
    assert.strictEqual(one.dueAt(active, undefined), 2100)
    one.sent(2100, true)
    one.reportUnreachable(2110, true)
    assert.strictEqual(one.lostInUseAt, never)
    one.sent(2350, true)
    assert.strictEqual(one.lostInUseAt, 2600)
    one.answered(2370, 20, "10.0.0.1")
    assert.strictEqual(one.unreachable, 0)
    assert.strictEqual(one.lostInUseAt, never)
  })

  it("makes the path suspect after two unanswered sends and half a second", () => {
    const one = valid(2000)
    one.sent(3000, true)
    assert.isUndefined(one.suspectAt)
    one.sent(3250, true)
    assert.strictEqual(one.suspectAt, 3500)
    assert.isFalse(one.isSuspect(3499))
    assert.isTrue(one.isSuspect(3500))
    one.answered(3510, 20, "10.0.0.1")
    assert.isUndefined(one.suspectAt)
  })
})

describe("consent on standby", () => {
  it("is asked for every four to five seconds and lost after fifteen", () => {
    for (const [random, delay] of [
      [0, 4000],
      [1, 5000]
    ] as const) {
      const one = valid(2000, 20, random)
      assert.strictEqual(one.dueAt(standby, undefined), one.lastSentAt + delay)
      sends(one, standby, 10)
      assert.strictEqual(one.lostOnStandbyAt, Math.max(17_000, one.lastSentAt + 200))
    }
  })

  it("is asked for the second time after a moment", () => {
    const one = path()
    one.sent(0, true)
    one.answered(20, 20, "10.0.0.1")
    assert.strictEqual(one.dueAt(standby, undefined), 270)
  })

  it("is asked for at once when the path in use falls silent, and as often as in use when it is wanted", () => {
    const one = valid(2000)
    assert.strictEqual(one.dueAt(standby, 2300), 2300)
    assert.strictEqual(one.dueAt(standby, 1900), one.lastSentAt + 4500)
    assert.strictEqual(one.dueAt(wanted, undefined), one.lastSentAt + 1000)
    one.sent(2300, true)
    assert.strictEqual(one.dueAt(standby, 2300), 2550)
  })
})

describe("a path that was lost in use", () => {
  it("rests two seconds, twice as long after each loss, and a minute at most", () => {
    const one = valid(2000)
    const holds: Array<number> = []
    for (let loss = 1; loss <= 8; loss++) {
      const now = loss * 100_000
      one.answered(now - 5000, 20, "10.0.0.1")
      one.lose(now, now - 5000)
      holds.push(one.holdUntil - now)
    }
    assert.deepStrictEqual(holds, [2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000])
    assert.isUndefined(one.consent)
  })

  it("starts again after a minute in use, and does not rest after a loss on standby", () => {
    const one = valid(2000)
    one.lose(10_000, 5000)
    one.lose(20_000, 15_000)
    one.lose(100_000, 40_000)
    assert.strictEqual(one.holdUntil, 102_000)
    const other = valid(2000)
    other.lose(10_000, undefined)
    assert.isBelow(other.holdUntil, 0)
    assert.strictEqual(other.dueAt(standby, undefined), 20_000)
  })
})
