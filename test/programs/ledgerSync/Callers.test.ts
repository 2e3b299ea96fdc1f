import { assert, describe, it } from "@effect/vitest"
import { Callers } from "../../../src/programs/ledgerSync/Callers.ts"

describe("Callers", () => {
  it("lets in eight at a time, two of one member, and others when these leave", () => {
    const callers = new Callers()
    const enter = (peer: string) => callers.enter(peer, "members", 0)
    assert.deepStrictEqual(["a", "a", "a"].map(enter), [true, true, false])
    assert.deepStrictEqual(["b", "b", "c", "c", "d", "d"].map(enter), [true, true, true, true, true, true])
    assert.isFalse(enter("e"))
    callers.leave("a", "members")
    assert.isTrue(enter("e"))
    assert.isFalse(enter("a"))
    callers.leave("e", "members")
    callers.leave("b", "members")
    assert.isTrue(enter("a"))
  })

  it("lets a member begin twenty times at once and one every two seconds, whatever others do", () => {
    const callers = new Callers()
    const begin = (peer: string, nowMillis: number) => {
      const entered = callers.enter(peer, "members", nowMillis)
      if (entered) callers.leave(peer, "members")
      return entered
    }
    const begun = (nowMillis: number) => Array.from({ length: 30 }, () => begin("a", nowMillis)).filter(Boolean).length
    assert.strictEqual(begun(0), 20)
    assert.isTrue(begin("b", 0))
    assert.strictEqual(begun(1999), 0)
    assert.strictEqual(begun(10_000), 5)
    assert.strictEqual(begun(1_000_000), 20)
  })

  it("lets no number of strangers keep members out", () => {
    const callers = new Callers()
    const strangers = Array.from({ length: 20 }, (_, at) => callers.enter(`stranger ${at}`, "strangers", 0))
    assert.strictEqual(strangers.filter(Boolean).length, 8)
    assert.isTrue(callers.enter("a", "members", 0))
    callers.leave("stranger 0", "strangers")
    assert.isTrue(callers.enter("b", "strangers", 0))
    assert.isFalse(callers.enter("c", "strangers", 0))
  })
})
