import { assert, describe, it } from "@effect/vitest"
import { compareRosters, hasNews, isExcluded, mergeStandings, turned } from "../../src/domain/coopRoster.ts"
import { thorough } from "../fixtures/arbitraries.ts"
import { coopRoster, hash, standings } from "../fixtures/coops.ts"

describe("which roster is in force", () => {
  it("is that of the highest epoch, then that with the smallest key id", () => {
    const ranks = [
      { epoch: 1, keyId: "b" },
      { epoch: 2, keyId: "c" },
      { epoch: 2, keyId: "a" },
      { epoch: 1, keyId: "a" }
    ]
    assert.deepStrictEqual(
      ranks.toSorted(compareRosters).map(({ epoch, keyId }) => `${epoch}${keyId}`),
      ["2a", "2c", "1a", "1b"]
    )
  })

  it.prop(
    "is the same from both sides",
    [coopRoster, coopRoster],
    ([a, b]) => {
      assert.strictEqual(Math.sign(compareRosters(a, b)), -Math.sign(compareRosters(b, a)))
      assert.strictEqual(compareRosters(a, a), 0)
    },
    thorough
  )
})

describe("standings", () => {
  it.prop(
    "come to the same in whatever order they are merged",
    [standings, standings, standings],
    ([a, b, c]) => {
      assert.deepStrictEqual(mergeStandings(a, b), mergeStandings(b, a))
      assert.deepStrictEqual(mergeStandings(mergeStandings(a, b), c), mergeStandings(a, mergeStandings(b, c)))
      assert.deepStrictEqual(mergeStandings(a, a), a)
      assert.isFalse(hasNews(mergeStandings(a, b), a))
      assert.isFalse(hasNews(mergeStandings(a, b), b))
    },
    thorough
  )

  it.prop(
    "differ by one member after a turn, and stay in order",
    [standings],
    ([before]) => {
      const account = hash("3")
      const after = turned(before, account, 9)
      assert.strictEqual(isExcluded({ standings: after }, account), !isExcluded({ standings: before }, account))
      assert.isTrue(hasNews(before, after))
      assert.isFalse(hasNews(after, before))
      const others = (all: typeof before) => all.filter((standing) => standing.account !== account)
      assert.deepStrictEqual(others(after), others(before))
      assert.deepStrictEqual(
        after,
        after.toSorted((a, b) => (a.account < b.account ? -1 : 1))
      )
    },
    thorough
  )

  it("shut out nobody who is not named", () => {
    assert.isFalse(isExcluded(undefined, hash("a")))
    assert.isFalse(isExcluded({ standings: [] }, hash("a")))
  })
})
