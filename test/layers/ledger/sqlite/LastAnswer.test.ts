import { assert, describe, it } from "@effect/vitest"
import { LastAnswer } from "../../../../src/layers/ledger/sqlite/LastAnswer.ts"

const make = () => {
  const asked: Array<string> = []
  const answers = new LastAnswer((key: string) => {
    asked.push(key)
    return asked.length
  })
  return { answers, asked }
}

describe("LastAnswer", () => {
  it("asks each time while others may change the table", () => {
    const { answers, asked } = make()
    assert.deepStrictEqual([answers.get("a"), answers.get("a")], [1, 2])
    answers.begin()
    answers.get("a")
    answers.end()
    answers.get("a")
    assert.strictEqual(asked.length, 4)
  })

  it("keeps one answer over transactions until the table changes or one is undone", () => {
    const { answers, asked } = make()
    answers.begin()
    assert.deepStrictEqual([answers.get("a"), answers.get("a"), answers.isAbout("a")], [1, 1, true])
    answers.end()
    answers.begin()
    assert.strictEqual(answers.get("a"), 1)
    answers.changed()
    assert.deepStrictEqual([answers.isAbout("a"), answers.get("a")], [false, 2])
    answers.forget()
    assert.strictEqual(answers.get("a"), 3)
    answers.get("b")
    answers.get("a")
    assert.deepStrictEqual(asked, ["a", "a", "a", "b", "a"])
  })
})
