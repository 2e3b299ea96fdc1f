import { assert, describe, it } from "@effect/vitest"
import { LastAnswer } from "../../../../src/layers/ledger/sqlite/LastAnswer.ts"

const make = () => {
  const asked: Array<string> = []
  const answers = new LastAnswer<number>()
  const get = (question: string) => answers.get(question, () => asked.push(question))
  return { answers, asked, get }
}

describe("LastAnswer", () => {
  it("asks each time while others may change the table", () => {
    const { answers, asked, get } = make()
    assert.deepStrictEqual([get("a"), get("a")], [1, 2])
    answers.begin()
    get("a")
    answers.end()
    get("a")
    assert.strictEqual(asked.length, 4)
  })

  it("keeps one answer over transactions until the table changes or one is undone", () => {
    const { answers, asked, get } = make()
    answers.begin()
    assert.deepStrictEqual([get("a"), get("a")], [1, 1])
    answers.end()
    answers.begin()
    assert.strictEqual(get("a"), 1)
    answers.changed()
    assert.strictEqual(get("a"), 2)
    answers.forget()
    assert.strictEqual(get("a"), 3)
    get("b")
    get("a")
    assert.deepStrictEqual(asked, ["a", "a", "a", "b", "a"])
  })

  it("keeps an answer when the table changes in what another question is about", () => {
    const { answers, get } = make()
    answers.begin()
    get("a")
    answers.changed("b")
    assert.strictEqual(get("a"), 1)
    answers.changed("a")
    assert.strictEqual(get("a"), 2)
  })
})
