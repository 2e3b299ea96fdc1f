import { assert, describe, it } from "@effect/vitest"
import { Arbitrary } from "effect"
import { MdnsMembers, rememberedMax, unchangedMillis } from "../../src/domain/mdnsMembers.ts"
import { integer } from "../fixtures/arbitraries.ts"

describe("MdnsMembers", () => {
  it("takes what is unchanged for news once a minute", () => {
    const members = new MdnsMembers()
    assert.isTrue(members.isNews("a", "x", 0))
    assert.isFalse(members.isNews("a", "x", unchangedMillis - 1))
    assert.isTrue(members.isNews("a", "x", unchangedMillis))
    assert.isFalse(members.isNews("a", "x", unchangedMillis + 1))
  })

  it("takes a change, a return and a clock that was set back for news", () => {
    const members = new MdnsMembers()
    members.isNews("a", "x", 1000)
    assert.isTrue(members.isNews("a", "y", 1001))
    members.forget("a")
    assert.isTrue(members.isNews("a", "y", 1002))
    assert.isTrue(members.isNews("a", "y", 5))
  })

  it("keeps the names apart, and the newest of them", () => {
    const members = new MdnsMembers()
    for (let number = 0; number < rememberedMax + 10; number++) assert.isTrue(members.isNews(`${number}`, "x", 0))
    assert.strictEqual(members.size, rememberedMax)
    assert.isFalse(members.isNews(`${rememberedMax + 9}`, "x", 1))
    assert.isFalse(members.isNews("10", "x", 1))
    assert.isTrue(members.isNews("9", "x", 1))
  })

  it.prop(
    "never tells the same twice within a minute, and never grows beyond its bound",
    [
      Arbitrary.array(Arbitrary.all([integer(0, 300), integer(0, 2), integer(0, 5000)]), {
        minLength: 1,
        maxLength: 600
      })
    ],
    ([events]) => {
      const members = new MdnsMembers()
      const told = new Map<number, { readonly content: number; readonly at: number }>()
      const names = new Set<number>()
      let now = 0
      for (const [name, content, passed] of events) {
        now += passed
        names.add(name)
        const before = told.get(name)
        const isNews = members.isNews(`${name}`, `${content}`, now)
        const isRepeated = before?.content === content && now - before.at < unchangedMillis
        // Beyond the bound something may have been forgotten.
        if (names.size <= rememberedMax) assert.strictEqual(isNews, !isRepeated)
        if (!isRepeated) assert.isTrue(isNews)
        if (isNews) told.set(name, { content, at: now })
        assert.isAtMost(members.size, rememberedMax)
      }
    },
    { arbitrary: { runs: 100, size: 600 } }
  )
})
