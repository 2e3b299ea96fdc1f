import { assert, describe, it } from "@effect/vitest"
import { Arbitrary } from "effect"
import { messageAgeMaxMillis, messageFutureMaxMillis, nextStamp, ReplayGuard } from "../../src/domain/gossipReplay.ts"
import { integer, thorough } from "../fixtures/arbitraries.ts"

const now = 1_800_000_000_000

const passes = (guard: ReplayGuard, author: string, stamp: number, at = now): boolean => {
  if (guard.check(author, stamp, at) !== "fresh") return false
  guard.record(author, stamp, at)
  return true
}

describe("ReplayGuard", () => {
  it("lets each stamp of an author pass once, in any order", () => {
    const guard = new ReplayGuard()
    for (const offset of [0, 5, 3, -100_000, 4]) assert.isTrue(passes(guard, "a", now + offset), String(offset))
    for (const offset of [0, 5, 3, -100_000, 4]) assert.strictEqual(guard.check("a", now + offset, now), "seen")
    assert.isTrue(passes(guard, "b", now))
  })

  it("drops what is older than 300 s or more than 30 s ahead", () => {
    const guard = new ReplayGuard()
    assert.strictEqual(guard.check("a", now - messageAgeMaxMillis, now), "fresh")
    assert.strictEqual(guard.check("a", now - messageAgeMaxMillis - 1, now), "old")
    assert.strictEqual(guard.check("a", now + messageFutureMaxMillis, now), "fresh")
    assert.strictEqual(guard.check("a", now + messageFutureMaxMillis + 1, now), "future")
  })

  it("hears an author that restarted at once, whatever it sent before", () => {
    const guard = new ReplayGuard()
    let last = 0
    for (let message = 0; message < 5000; message++) {
      last = nextStamp(last, now)
      passes(guard, "a", last)
    }
    // Five thousand within a millisecond are ahead of its clock by less than a restart takes.
    assert.isTrue(passes(guard, "a", nextStamp(0, now + 5000), now + 5000))
  })

  it("raises the floor of an author whose window is full, and no other's", () => {
    const guard = new ReplayGuard(4, 10)
    for (const offset of [10, 20, 30, 40, 50]) assert.isTrue(passes(guard, "a", now + offset))
    assert.strictEqual(guard.check("a", now + 10, now), "seen")
    assert.strictEqual(guard.check("a", now + 9, now), "seen")
    assert.strictEqual(guard.check("a", now + 11, now), "fresh")
    assert.strictEqual(guard.check("a", now + 20, now), "seen")
    assert.strictEqual(guard.check("b", now + 9, now), "fresh")
  })

  it("does not let a forgotten author's messages pass again, nor shuts out newcomers", () => {
    const guard = new ReplayGuard(4, 2)
    passes(guard, "a", now)
    passes(guard, "b", now + 1, now + 1)
    passes(guard, "c", now + 2, now + 2)
    assert.strictEqual(guard.size, 2)
    assert.strictEqual(guard.check("a", now, now + 2), "seen")
    assert.strictEqual(guard.check("a", now + 3, now + 3), "fresh")
    // Somebody whose stamps are ahead is forgotten; those who keep time are heard.
    passes(guard, "d", now + 30_000, now + 3)
    passes(guard, "e", now + 4, now + 4)
    passes(guard, "f", now + 5, now + 5)
    assert.strictEqual(guard.check("g", now + 6, now + 6), "fresh")
  })

  it.prop(
    "never lets a stamp pass twice, and keeps its bounds",
    {
      stamps: Arbitrary.array(Arbitrary.all([integer(0, 3), integer(-50, 0)]), { minLength: 1, maxLength: 300 })
    },
    ({ stamps }) => {
      const guard = new ReplayGuard(8, 2)
      const passed = new Set<string>()
      for (const [author, offset] of stamps) {
        const key = `${author} ${offset}`
        if (!passes(guard, String(author), now + offset)) continue
        assert.isFalse(passed.has(key), key)
        passed.add(key)
        assert.isAtMost(guard.size, 2)
      }
    },
    thorough
  )
})

describe("nextStamp", () => {
  it("is the time, and strictly increasing", () => {
    assert.strictEqual(nextStamp(0, now), now)
    assert.strictEqual(nextStamp(now, now), now + 1)
    assert.strictEqual(nextStamp(now + 10, now), now + 11)
    assert.strictEqual(nextStamp(now, now + 0.7), now + 1)
    assert.strictEqual(nextStamp(0, now + 0.7), now)
  })

  it("starts again from the time when the clock was set back by much", () => {
    assert.strictEqual(nextStamp(now + 3_600_000, now), now)
  })
})
