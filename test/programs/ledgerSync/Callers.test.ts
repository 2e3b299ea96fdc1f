import { assert, describe, it } from "@effect/vitest"
import { Callers } from "../../../src/programs/ledgerSync/Callers.ts"

describe("Callers", () => {
  it("lets in eight at a time, two of one member, and others when these leave", () => {
    const callers = new Callers()
    const enter = (peer: string) => callers.enter(peer, 0)
    assert.deepStrictEqual(["a", "a", "a"].map(enter), [true, true, false])
    assert.deepStrictEqual(["b", "b", "c", "c", "d", "d"].map(enter), [true, true, true, true, true, true])
    assert.isFalse(enter("e"))
    callers.leave("a")
    assert.isTrue(enter("e"))
    assert.isFalse(enter("a"))
    callers.leave("e")
    callers.leave("b")
    assert.isTrue(enter("a"))
  })

  it("lets a member begin twenty times at once and one every two seconds, whatever others do", () => {
    const callers = new Callers()
    const begin = (peer: string, nowMillis: number) => {
      const entered = callers.enter(peer, nowMillis)
      if (entered) callers.leave(peer)
      return entered
    }
    const begun = (nowMillis: number) => Array.from({ length: 30 }, () => begin("a", nowMillis)).filter(Boolean).length
    assert.strictEqual(begun(0), 20)
    assert.isTrue(begin("b", 0))
    assert.strictEqual(begun(1999), 0)
    assert.strictEqual(begun(10_000), 5)
    assert.strictEqual(begun(1_000_000), 20)
  })
})
