import { assert, describe, it } from "@effect/vitest"
import { groupCommit } from "../../../../src/layers/ledger/thread/groupCommit.ts"
import type { CallMessage } from "../../../../src/layers/ledger/thread/messages.ts"

/** A store of numbers whose commits can fail. */
class Store {
  committed: ReadonlyArray<number> = []
  commits = 0
  /** Called when a transaction commits, with what would be in it. */
  onCommit: (values: ReadonlyArray<number>) => void = () => undefined
  #values: Array<number> = []

  write<A>(body: () => A): A {
    this.#values = [...this.committed]
    const answer = body()
    this.onCommit(this.#values)
    this.committed = this.#values
    this.commits += 1
    return answer
  }

  readonly call = ({ args: [value] }: CallMessage): number => {
    if (typeof value !== "number") throw new TypeError("not a number")
    this.#values.push(value)
    return this.#values.length
  }
}

const calls = (...values: ReadonlyArray<unknown>): ReadonlyArray<CallMessage> =>
  values.map((value) => ({ name: "add", args: [value] }))

const make = () => {
  const store = new Store()
  return { store, run: groupCommit(store, store.call) }
}

describe("groupCommit", () => {
  it("commits once for a batch and answers each call", () => {
    const { run, store } = make()
    const answers = run(calls(5, 6, 7))
    assert.deepStrictEqual(
      answers.map((answer) => (answer._tag === "Returned" ? answer.value : answer.thrown)),
      [1, 2, 3]
    )
    assert.deepStrictEqual([store.committed, store.commits], [[5, 6, 7], 1])
  })

  it("lets a bad call fail alone", () => {
    const { run, store } = make()
    const answers = run(calls(5, "six", 7))
    assert.deepStrictEqual(
      answers.map((answer) => (answer._tag === "Returned" ? answer.value : answer.thrown.name)),
      [1, "TypeError", 2]
    )
    assert.deepStrictEqual([store.committed, store.commits], [[5, 7], 2])
  })

  it("writes those of a batch that have room when all of them have none", () => {
    const { run, store } = make()
    store.onCommit = ({ length }) => {
      if (length > 2)
        throw Object.assign(new Error("full"), { name: "StorageError", reason: "full", committing: false })
    }
    const answers = run(calls(1, 2, 3, 4))
    assert.deepStrictEqual(
      answers.map((answer) => (answer._tag === "Returned" ? answer.value : answer.thrown.facts["reason"])),
      [1, 2, "full", "full"]
    )
    assert.deepStrictEqual(store.committed, [1, 2])
  })

  it.each([
    ["of a batch", calls(1, 2)],
    ["of one call", calls(1)]
  ])("answers nobody when nobody knows whether the commit %s happened", (_, batch) => {
    const { run, store } = make()
    store.onCommit = () => {
      throw Object.assign(new Error("fsync failed"), { committing: true })
    }
    assert.throws(() => run(batch), "fsync failed")
    assert.strictEqual(store.commits, 0)
  })
})
