import { assert, describe, it } from "@effect/vitest"
import { Arbitrary } from "effect"
import { KeptMembers, type Offer, type Place, type Standing } from "../../src/domain/keptMembers.ts"
import { integer } from "../fixtures/arbitraries.ts"
import { didNumber } from "../fixtures/dids.ts"

const dids = Array.from({ length: 40 }, (_, index) => didNumber(index))
const did = (number: number) => dids[number] ?? didNumber(number)
const make = () => new KeptMembers({ met: 2, heardOf: 3, givenUp: 4 })
const placeOf = (offer: Offer): Place => {
  assert.strictEqual(offer._tag, "taken")
  return offer._tag === "taken" ? offer.place : assert.fail()
}
const fail = (place: Place): void => {
  place.triedMillis = 1
  place.isPausing = true
}

describe("KeptMembers", () => {
  it("has places for members met and for those heard of, apart from each other and from the configured", () => {
    const members = make()
    for (let number = 0; number < 10; number++) placeOf(members.offer(did(number), "configured"))
    for (let number = 10; number < 12; number++) placeOf(members.offer(did(number), "met"))
    for (let number = 20; number < 23; number++) placeOf(members.offer(did(number), "heardOf"))
    assert.isFalse(members.isAwaited("met"))
    assert.strictEqual(members.offer(did(12), "met")._tag, "waiting")
    assert.isTrue(members.isAwaited("met"))
    assert.isFalse(members.isAwaited("heardOf"))
    assert.strictEqual(members.offer(did(23), "heardOf")._tag, "waiting")
    assert.isTrue(members.isAwaited("heardOf"))
    assert.strictEqual(members.offer(did(20), "met")._tag, "present")
    members.reconsider()
    assert.isFalse(members.isAwaited("met") || members.isAwaited("heardOf"))
  })

  it("lets one that was heard of and has failed yield to one that was not tried, and to no other", () => {
    const members = make()
    const places = [1, 2, 3].map((number) => placeOf(members.offer(did(number), "heardOf")))
    const second = places[1] ?? assert.fail()
    fail(second)
    const offer = members.offer(did(4), "heardOf")
    assert.strictEqual(offer._tag === "taken" && offer.insteadOf, second)
    assert.isUndefined(members.get(did(2)))
    assert.isTrue(members.isGivenUp(did(2)))
    fail(places[0] ?? assert.fail())
    members.reconsider()
    assert.strictEqual(members.offer(did(2), "heardOf")._tag, "waiting")
    // It waits to be heard of once more, not for a place.
    assert.isFalse(members.isAwaited("heardOf"))
  })

  it("remembers of one that was given up when it was tried, and that it gets one attempt", () => {
    const members = make()
    const place = placeOf(members.offer(did(1), "heardOf"))
    place.triedMillis = 77
    members.giveUp(place)
    const again = placeOf(members.offer(did(1), "heardOf"))
    assert.deepStrictEqual([again.isOnce, again.triedMillis], [true, 77])
    assert.isTrue(members.opened(again))
    assert.isFalse(again.isOnce)
  })

  it("forgets those given up the longest ago", () => {
    const members = make()
    for (let number = 1; number <= 5; number++) {
      const place = placeOf(members.offer(did(number), "heardOf"))
      place.triedMillis = number
      members.giveUp(place)
    }
    assert.deepStrictEqual(
      [1, 2, 3, 4, 5].map((number) => members.isGivenUp(did(number))),
      [false, true, true, true, true]
    )
  })

  it("takes one that was heard of among those met once there is a session, if there is a place", () => {
    const members = make()
    const places = [1, 2, 3].map((number) => placeOf(members.offer(did(number), "heardOf")))
    assert.deepStrictEqual(
      places.map((place) => members.opened(place)),
      [true, true, false]
    )
    assert.isTrue(members.isAwaited("met"))
    assert.isTrue(members.opened(places[0] ?? assert.fail()))
  })

  it("does not free another one's place", () => {
    const members = make()
    const place = placeOf(members.offer(did(1), "heardOf"))
    members.leave(place)
    const next = placeOf(members.offer(did(1), "heardOf"))
    members.leave(place)
    assert.strictEqual(members.get(did(1)), next)
  })

  const standings: ReadonlyArray<Standing> = ["configured", "met", "heardOf"]
  it.prop(
    "never has more members than places, whatever happens",
    { steps: Arbitrary.array(Arbitrary.all([integer(0, 4), integer(0, 39)]), { minLength: 0, maxLength: 300 }) },
    ({ steps }) => {
      const members = make()
      for (const [action, number] of steps) {
        const place = members.get(did(number))
        if (action < 2) members.offer(did(number), standings[1 + action] ?? "met")
        else if (place === undefined) continue
        else if (action === 2) fail(place)
        else if (action === 3) members.giveUp(place)
        else if (!members.opened(place)) members.leave(place)
        for (const [standing, max] of [
          ["met", 2],
          ["heardOf", 3]
        ] as const) {
          assert.isAtMost(dids.filter((did) => members.get(did)?.standing === standing).length, max)
        }
        assert.isAtMost(dids.filter((did) => members.isGivenUp(did)).length, 4)
      }
    },
    { arbitrary: { size: 300, runs: 200 } }
  )
})
