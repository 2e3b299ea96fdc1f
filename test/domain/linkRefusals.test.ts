import { assert, describe, it } from "@effect/vitest"
import { LinkRefusals, refusalsMax } from "../../src/domain/linkRefusals.ts"
import { didNumber } from "../fixtures/dids.ts"

const [one, other] = [didNumber(1), didNumber(2)]
const idOf = (number: number): Uint8Array => Uint8Array.of(number >> 8, number, ...new Uint8Array(14))

describe("LinkRefusals", () => {
  it("remembers a member's refusal of one link for as long as its offer could come", () => {
    const refusals = new LinkRefusals()
    refusals.add(one, idOf(1), 1000)
    assert.isTrue(refusals.has(one, idOf(1), 31_000))
    assert.isFalse(refusals.has(one, idOf(1), 31_001))
    assert.isFalse(refusals.has(one, idOf(2), 1000))
    assert.isFalse(refusals.has(other, idOf(1), 1000))
  })

  it("forgets those that are over, and the oldest of too many", () => {
    const refusals = new LinkRefusals()
    for (let number = 0; number <= refusalsMax; number++) refusals.add(one, idOf(number), number)
    assert.strictEqual(refusals.size, refusalsMax)
    assert.isFalse(refusals.has(one, idOf(0), refusalsMax))
    assert.isTrue(refusals.has(one, idOf(1), refusalsMax))
    refusals.add(other, idOf(0), 40_000)
    assert.strictEqual(refusals.size, 1)
  })
})
