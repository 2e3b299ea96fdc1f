import { assert, describe, it } from "@effect/vitest"
import * as Retry from "../../src/domain/fileTransferRetry.ts"

/** The pauses until it is given up, when `progressed` says which tries brought something. */
const pauses = (progressed: (number: number) => boolean): ReadonlyArray<number> => {
  const delays: Array<number> = []
  let state = Retry.initial
  for (;;) {
    const decision = Retry.afterFailure(state, progressed(delays.length))
    if (decision._tag === "GiveUp") return delays
    delays.push(decision.delayMillis)
    state = decision.state
  }
}

describe("afterFailure", () => {
  it("waits longer each time and gives up when nothing is brought", () => {
    assert.deepStrictEqual(
      pauses(() => false),
      [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]
    )
  })

  it("starts over when the file got further", () => {
    assert.deepStrictEqual(pauses((number) => number === 3).slice(0, 6), [1000, 2000, 4000, 1000, 2000, 4000])
  })

  it("ends even when each try brings a little", () => {
    assert.strictEqual(pauses(() => true).length, Retry.triesMax - 1)
  })
})
