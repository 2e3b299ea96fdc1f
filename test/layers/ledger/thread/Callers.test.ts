import { assert, describe, it } from "@effect/vitest"
import { type CallOutcome, Callers, type PendingCall } from "../../../../src/layers/ledger/thread/Callers.ts"
import { fuzzSeed, makeRandom } from "../../../fixtures/random.ts"

const limits = {
  callsMax: 40,
  batchCallsMax: 8,
  batchBytesMax: 1000,
  batchesMax: 2,
  earlyCallsMin: 6,
  earlyBytesMin: 500
}

interface Watched extends PendingCall {
  readonly outcomes: Array<CallOutcome>
}

const callOf = (name: string, bytes: number): Watched => {
  const outcomes: Array<CallOutcome> = []
  return { name, args: [], bytes, transfer: [], outcomes, settle: (outcome) => outcomes.push(outcome) }
}

const tags = ({ outcomes }: Watched) => outcomes.map(({ _tag }) => _tag).join()

describe("Callers", () => {
  it("sends what waits in order, small batches one at a time and large ones early", () => {
    const callers = new Callers(limits)
    const names = () =>
      callers
        .next()
        ?.calls.map(({ name }) => name)
        .join("")
    for (const name of "abc") callers.add(callOf(name, 1))
    assert.strictEqual(names(), "abc")
    for (const name of "defgh") callers.add(callOf(name, 1))
    assert.isUndefined(names())
    callers.add(callOf("i", 1))
    assert.strictEqual(names(), "defghi")
    for (const name of "jklmnopqr") callers.add(callOf(name, 1))
    // Two are out.
    assert.isUndefined(names())
    callers.answered(
      1,
      "abc".split("").map(() => ({ _tag: "Returned", value: 0 }))
    )
    assert.strictEqual(names(), "jklmnopq")
  })

  it("halves what many bring at once, so that the thread has the one half while the other comes again", () => {
    const callers = new Callers({ ...limits, batchCallsMax: 100 })
    for (let call = 0; call < 10; call++) callers.add(callOf("few", 1))
    assert.strictEqual(callers.next()?.calls.length, 10)
    callers.answered(1, [])
    for (let call = 0; call < 25; call++) callers.add(callOf("many", 1))
    assert.strictEqual(callers.next()?.calls.length, 13)
    assert.strictEqual(callers.next()?.calls.length, 12)
    callers.answered(2, [])
    // They come again while the others are out.
    for (let call = 0; call < 13; call++) callers.add(callOf("again", 1))
    assert.strictEqual(callers.next()?.calls.length, 13)
  })

  it("keeps batches below the bytes that they may have, and sends a larger call alone", () => {
    const callers = new Callers(limits)
    for (const [name, bytes] of [
      ["a", 5000],
      ["b", 600],
      ["c", 400],
      ["d", 1]
    ] as const)
      callers.add(callOf(name, bytes))
    assert.deepStrictEqual(
      callers.next()?.calls.map(({ name }) => name),
      ["a"]
    )
    assert.deepStrictEqual(
      callers.next()?.calls.map(({ name }) => name),
      ["b", "c"]
    )
  })

  it("settles every call exactly once, whatever happens", () => {
    const seed = fuzzSeed()
    const { below } = makeRandom(seed)
    const callers = new Callers(limits)
    const calls: Array<Watched> = []
    const gone = new Set<Watched>()
    const out = new Map<number, number>()
    const steps: ReadonlyArray<() => void> = [
      () => {
        const call = callOf("x", below(400))
        calls.push(call)
        callers.add(call)
      },
      () => {
        const batch = callers.next()
        if (batch !== undefined) out.set(batch.number, batch.calls.length)
      },
      () => {
        const [number] = out.keys()
        if (number === undefined) return
        callers.answered(
          number,
          Array.from({ length: out.get(number) ?? 0 }, () => ({ _tag: "Returned", value: 1 }))
        )
        out.delete(number)
      },
      () => {
        const call = calls[below(calls.length + 1)]
        if (call === undefined || call.outcomes.length > 0) return
        callers.withdraw(call)
        gone.add(call)
      },
      () => {
        if (below(20) > 0) return
        callers.lost("it ended")
        out.clear()
      },
      () => {
        if (below(20) > 0) return
        callers.refuse({ _tag: "Closed" })
        callers.accept()
      }
    ]
    for (let step = 0; step < 20_000; step++) {
      steps[below(below(2) === 0 ? 3 : steps.length)]?.()
      assert.isAtMost(callers.size, limits.callsMax)
    }
    callers.lost("it ended")
    callers.refuse({ _tag: "Closed" })
    assert.strictEqual(callers.size, 0)
    for (const call of calls) {
      assert.isTrue(call.outcomes.length === 1 || (gone.has(call) && call.outcomes.length === 0), `FUZZ_SEED=${seed}`)
    }
    assert.includeMembers([...new Set(calls.map(tags))], ["Returned", "Lost", "NotSent"])
  })
})
