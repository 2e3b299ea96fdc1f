import { assert, describe, it } from "@effect/vitest"
import { LedgerSyncPlan, plannedPeersMax, roundMillis } from "../../src/domain/ledgerSyncPlan.ts"

/** A session that has begun a while ago. */
const settled = (plan: LedgerSyncPlan, ...peers: ReadonlyArray<string>): void => {
  for (const peer of peers) {
    plan.opened(peer, 0, 0)
    plan.ended(peer, "complete", 0)
    plan.ended(peer, "complete", 0)
  }
}

const next = (plan: LedgerSyncPlan, now: number, chance = 0) => plan.next(now, chance, 0.5)

describe("LedgerSyncPlan", () => {
  it("asks whoever comes, soon after it came, the first to come first", () => {
    const plan = new LedgerSyncPlan(0, 0.5)
    assert.isUndefined(next(plan, 0))
    plan.opened("b", 0, 0.5)
    plan.opened("a", 100, 0)
    assert.isUndefined(next(plan, 99))
    assert.strictEqual(plan.wait(99), 1)
    assert.strictEqual(next(plan, 300), "a")
    plan.ended("a", "complete", 310)
    assert.strictEqual(next(plan, 310), "b")
    plan.ended("b", "complete", 320)
    assert.isUndefined(next(plan, 320))
    plan.opened("a", 330, 0)
    assert.isUndefined(next(plan, 330))
  })

  it("asks a second time soon after a session began, for what gossip lost meanwhile, and not a third time", () => {
    const plan = new LedgerSyncPlan(0, 0.5)
    plan.opened("a", 0, 0)
    plan.ended("a", "more", 10)
    plan.ended("a", "complete", 20)
    assert.isUndefined(next(plan, 5019))
    assert.strictEqual(next(plan, 5020), "a")
    plan.ended("a", "complete", 5030)
    assert.strictEqual(plan.wait(5030), roundMillis - 5030)
  })

  it("asks somebody every minute, more or less", () => {
    for (const [chance, expected] of [
      [0, 45_000],
      [0.5, roundMillis],
      [1, 75_000]
    ] as const) {
      const plan = new LedgerSyncPlan(0, chance)
      settled(plan, "a", "b")
      assert.strictEqual(plan.wait(0), expected)
      assert.isUndefined(next(plan, expected - 1))
      assert.strictEqual(next(plan, expected, 0.99), "b")
      plan.ended("b", "complete", expected)
      assert.strictEqual(plan.wait(expected), roundMillis)
    }
  })

  it("goes on with who has more, after others had their turn", () => {
    const plan = new LedgerSyncPlan(0, 0.5)
    plan.opened("a", 0, 0)
    assert.strictEqual(next(plan, 0), "a")
    plan.opened("b", 10, 0)
    plan.ended("a", "more", 50)
    assert.strictEqual(next(plan, 50), "b")
    plan.ended("b", "complete", 60)
    assert.strictEqual(next(plan, 60), "a")
  })

  it("lets whoever fails wait, longer each time up to five minutes, until it succeeds", () => {
    const plan = new LedgerSyncPlan(0, 0.5)
    plan.opened("a", 0, 0)
    const waits: Array<number> = []
    let now = 0
    for (let failure = 0; failure < 12; failure++) {
      plan.ended("a", "failed", now)
      const since = now
      // The rounds in between leave it alone.
      while (next(plan, now) === undefined) now += Math.max(1, plan.wait(now))
      waits.push(now - since)
    }
    assert.deepStrictEqual(waits.slice(0, 3), [2000, 4000, 8000])
    assert.strictEqual(waits.at(-1), 300_000)
    plan.ended("a", "complete", now)
    plan.ended("a", "complete", now)
    plan.gap("a", now, 0)
    assert.strictEqual(plan.wait(now), 2000)
  })

  it("asks for what is missing: who has it, else anybody, and not again and again", () => {
    const plan = new LedgerSyncPlan(0, 0.5)
    plan.gap("a", 0, 0)
    assert.isUndefined(next(plan, 1000))
    settled(plan, "a", "b", "c")
    plan.gap("b", 5000, 0)
    plan.gap("b", 5100, 0)
    assert.isUndefined(next(plan, 5299))
    assert.strictEqual(next(plan, 5300), "b")
    plan.ended("b", "complete", 5400)
    plan.gap("b", 5400, 0)
    assert.isUndefined(next(plan, 7399))
    assert.strictEqual(next(plan, 7400), "b")
    plan.ended("b", "failed", 7500)
    plan.gap("b", 7500, 0.99)
    assert.strictEqual(next(plan, 7800), "c")
  })

  it("forgets who is gone, and keeps a bounded number", () => {
    const plan = new LedgerSyncPlan(0, 0.5)
    for (let number = 0; number < plannedPeersMax + 10; number++) plan.opened(`${number}`, 0, 0)
    assert.lengthOf(plan.peers, plannedPeersMax)
    plan.closed("0")
    assert.strictEqual(next(plan, 0), "1")
    plan.ended("0", "complete", 0)
    assert.lengthOf(plan.peers, plannedPeersMax - 1)
  })

  it("gives others as much time as a member took who failed slowly", () => {
    const plan = new LedgerSyncPlan(0, 0.5)
    plan.opened("slow", 0, 0)
    assert.strictEqual(next(plan, 0), "slow")
    plan.ended("slow", "failed", 40_000)
    assert.isUndefined(next(plan, 59_999))
    plan.opened("b", 60_000, 0)
    assert.strictEqual(next(plan, 60_000), "b")
    plan.ended("b", "complete", 60_100)
    assert.isUndefined(next(plan, 65_000))
    assert.strictEqual(next(plan, 65_100), "b")
    plan.ended("b", "complete", 65_200)
    assert.isUndefined(next(plan, 79_999))
    assert.strictEqual(next(plan, 80_000), "slow")
  })
})
