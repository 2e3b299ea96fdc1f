import { assert, describe, it } from "@effect/vitest"
import { Partings } from "../../src/domain/partings.ts"
import { didNumber } from "../fixtures/dids.ts"

const [alice, bob] = [didNumber(1), didNumber(2)]

describe("Partings", () => {
  it("leave a member alone that this node has closed, even one of the configuration, until it is cleared", () => {
    const partings = new Partings()
    assert.isTrue(partings.allows(alice, false))
    partings.closedHere(alice)
    assert.deepStrictEqual([partings.allows(alice, false), partings.allows(alice, true)], [false, false])
    assert.isTrue(partings.allows(bob, false))
    assert.isTrue(partings.clear(alice))
    assert.isFalse(partings.clear(alice))
    assert.isTrue(partings.allows(alice, false))
  })

  it("leave a member alone that wants it so, unless it is of the configuration", () => {
    const partings = new Partings()
    partings.closedThere(alice)
    assert.isTrue(partings.isClosedThere(alice))
    assert.deepStrictEqual([partings.allows(alice, false), partings.allows(alice, true)], [false, true])
    partings.closedHere(alice)
    assert.isFalse(partings.allows(alice, true))
    assert.isTrue(partings.clear(alice))
    assert.isTrue(partings.allows(alice, false))
  })

  it("forget the oldest of too many, of each kind by itself", () => {
    const partings = new Partings(10)
    partings.closedHere(alice)
    for (let number = 10; number < 20; number++) partings.closedThere(didNumber(number))
    partings.closedThere(didNumber(10))
    partings.closedThere(bob)
    assert.isFalse(partings.allows(alice, false))
    assert.isFalse(partings.allows(didNumber(10), false))
    assert.isTrue(partings.allows(didNumber(11), false))
    assert.isFalse(partings.allows(bob, false))
  })
})
