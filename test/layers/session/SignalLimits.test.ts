import { assert, describe, it } from "@effect/vitest"
import { offerSendersMax } from "../../../src/domain/linkOfferReplay.ts"
import { SignalLimits } from "../../../src/layers/session/SignalLimits.ts"
import { didNumber } from "../../fixtures/dids.ts"

const dids = Array.from({ length: 64 }, (_, number) => didNumber(number))
const [one, other] = dids

/** How many of so many at once are admitted. */
const admitted = (count: number, take: () => boolean): number =>
  Array.from({ length: count }, take).filter(Boolean).length

describe("SignalLimits", () => {
  it("takes 20 at once of a neighbour and then 2 a second, whatever others send", () => {
    assert.isDefined(one)
    assert.isDefined(other)
    const limits = new SignalLimits()
    assert.strictEqual(
      admitted(100, () => limits.admitsFrom(one, 0, 0, 1000)),
      20
    )
    assert.strictEqual(
      admitted(100, () => limits.admitsFrom(other, 0, 0, 1000)),
      20
    )
    assert.strictEqual(
      admitted(100, () => limits.admitsFrom(one, 0, 5000, 1000)),
      10
    )
  })

  it("takes more of what a neighbour passes on than a neighbour passes on to one member", () => {
    assert.isDefined(one)
    const limits = new SignalLimits()
    const taken = admitted(100, () => limits.admitsFrom(one, 1, 0, 8192))
    const passedOn = admitted(100, () => limits.admitsFor(one, 0, 8192))
    assert.isAbove(taken, passedOn)
    const takenLater = admitted(1000, () => limits.admitsFrom(one, 1, 4000, 8192))
    assert.isAtLeast(
      takenLater,
      admitted(1000, () => limits.admitsFor(one, 4000, 8192))
    )
  })

  it("takes no more in a minute than the replay guard remembers senders", () => {
    const limits = new SignalLimits()
    assert.isDefined(one)
    let taken = 0
    for (let now = 0; now <= 60_000; now += 100) {
      for (const did of dids) {
        for (const hops of [0, 1]) if (limits.admitsFrom(did, hops, now, 1000)) taken++
        limits.earnReply(did, one, now)
        if (limits.takeReply(did, one, now)) taken++
      }
    }
    assert.isAbove(taken, 2500)
    assert.isBelow(taken, offerSendersMax)
  })

  it("lets a reply through for each signal that went the other way, whatever else was sent, for half a minute", () => {
    assert.isDefined(one)
    assert.isDefined(other)
    const limits = new SignalLimits()
    admitted(100, () => limits.admitsFrom(one, 0, 0, 1000))
    limits.earnReply(one, other, 0)
    limits.earnReply(one, other, 0)
    assert.isFalse(limits.takeReply(other, one, 0))
    assert.strictEqual(
      admitted(5, () => limits.takeReply(one, other, 0)),
      2
    )
    for (let count = 0; count < 100; count++) limits.earnReply(one, other, 0)
    assert.isAtMost(
      admitted(100, () => limits.takeReply(one, other, 0)),
      8
    )
    limits.earnReply(one, other, 0)
    assert.isFalse(limits.takeReply(one, other, 30_001))
  })

  it("forgets the replies of the pair that was quiet for longest", () => {
    assert.isDefined(one)
    assert.isDefined(other)
    const limits = new SignalLimits()
    limits.earnReply(one, other, 0)
    for (const from of dids) for (const to of dids) limits.earnReply(from, to, 1)
    limits.earnReply(other, one, 1)
    assert.isTrue(limits.takeReply(other, one, 2))
    assert.isFalse(limits.takeReply(one, other, 2))
  })
})
