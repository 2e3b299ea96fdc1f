import { assert, describe, it } from "@effect/vitest"
import { Arbitrary } from "effect"
import { type LinkOffer, linkOfferKinds, offerAgeMaxMillis, timeVerdict } from "../../src/domain/linkOffer.ts"
import { LinkOfferReplay } from "../../src/domain/linkOfferReplay.ts"
import { integer } from "../fixtures/arbitraries.ts"
import { didNumber } from "../fixtures/dids.ts"

const start = 1_700_000_000_000

type Stamped = Pick<LinkOffer, "from" | "linkId" | "kind" | "timestamp">

const dids = Array.from({ length: 5 }, (_, number) => didNumber(number))

const stamped = (
  kind: LinkOffer["kind"],
  timestamp: number,
  { from = 1, link = 1 }: { readonly from?: number; readonly link?: number } = {}
): Stamped => ({ from: dids[from] ?? didNumber(from), linkId: new Uint8Array(16).fill(link), kind, timestamp })

describe("LinkOfferReplay", () => {
  it("takes each message once, and those that differ in sender, link, kind or time", () => {
    const replay = new LinkOfferReplay()
    const all = [
      stamped("offer", start),
      stamped("answer", start),
      stamped("update", start),
      stamped("refusal", start),
      stamped("offer", start, { link: 2 }),
      stamped("offer", start, { from: 2 }),
      stamped("offer", start + 1)
    ]
    for (const one of all) assert.strictEqual(replay.take(one, start), "fresh")
    for (const one of all) assert.strictEqual(replay.take(one, start + 1), "duplicate")
  })

  it("takes no offer that is older than the sender's last one, even when that has expired", () => {
    const replay = new LinkOfferReplay()
    assert.strictEqual(replay.take(stamped("offer", start), start), "fresh")
    assert.strictEqual(replay.take(stamped("offer", start - 1, { link: 2 }), start), "superseded")
    assert.strictEqual(replay.take(stamped("offer", start - 1, { from: 2 }), start), "fresh")
    const later = start + offerAgeMaxMillis + 1000
    assert.strictEqual(replay.take(stamped("answer", later), later), "fresh")
    assert.strictEqual(replay.take(stamped("offer", start - 1, { link: 3 }), later), "superseded")
    assert.strictEqual(replay.take(stamped("offer", start + 1, { link: 3 }), later), "fresh")
  })

  it("takes updates of a link in the order of their times, and answers in any", () => {
    const replay = new LinkOfferReplay()
    assert.strictEqual(replay.take(stamped("update", start + 5), start), "fresh")
    assert.strictEqual(replay.take(stamped("update", start + 4), start), "superseded")
    assert.strictEqual(replay.take(stamped("update", start + 4, { link: 2 }), start), "fresh")
    assert.strictEqual(replay.take(stamped("update", start + 6), start), "fresh")
    assert.strictEqual(replay.take(stamped("answer", start + 5), start), "fresh")
    assert.strictEqual(replay.take(stamped("answer", start + 4), start), "fresh")
  })

  it("lets a sender that floods fill its own part only, until that has expired", () => {
    const replay = new LinkOfferReplay(4)
    const verdicts = [0, 1, 2, 3, 4, 5].map((index) => replay.take(stamped("update", start + index), start))
    assert.deepStrictEqual(verdicts, ["fresh", "fresh", "fresh", "fresh", "flood", "flood"])
    assert.strictEqual(replay.take(stamped("update", start, { from: 2 }), start), "fresh")
    assert.strictEqual(replay.take(stamped("update", start), start), "duplicate")
    const later = start + offerAgeMaxMillis + 1
    assert.strictEqual(replay.take(stamped("update", later), later), "fresh")
    assert.strictEqual(replay.take(stamped("update", later + 1), later), "flood")
  })

  it("forgets who was quiet for longest, and still takes nothing of it a second time", () => {
    const replay = new LinkOfferReplay(4, 2)
    for (const from of [1, 2, 3]) replay.take(stamped("offer", start + from, { from }), start + from)
    assert.strictEqual(replay.size, 2)
    assert.strictEqual(replay.take(stamped("offer", start + 1, { from: 1 }), start + 4), "superseded")
    assert.strictEqual(replay.take(stamped("offer", start + 2, { from: 2 }), start + 4), "duplicate")
    assert.strictEqual(replay.take(stamped("offer", start + 4, { from: 1 }), start + 4), "fresh")
  })

  it("shuts nobody out by a forgotten stamp that was ahead of time", () => {
    const replay = new LinkOfferReplay(4, 1)
    replay.take(stamped("offer", start + 30_000, { from: 1 }), start)
    replay.take(stamped("offer", start, { from: 2 }), start + 1)
    assert.strictEqual(replay.take(stamped("offer", start + 2, { from: 3 }), start + 2), "fresh")
  })

  const event = Arbitrary.map(
    Arbitrary.all([integer(0, 3), integer(0, 2), integer(1, 3), integer(-40, 40), integer(0, 3000)]),
    ([kind, from, link, offset, passed]) => ({ kind: linkOfferKinds[kind] ?? "offer", from, link, offset, passed })
  )
  it.prop(
    "never takes anything twice, however time, senders and copies come, and stays bounded",
    [Arbitrary.array(event, { minLength: 0, maxLength: 150 })],
    ([events]) => {
      const replay = new LinkOfferReplay(8, 3)
      const taken = new Set<string>()
      let now = start
      for (const { from, kind, link, offset, passed } of events) {
        now += passed
        const timestamp = now - (now % 1000) + offset * 1000
        if (timeVerdict({ timestamp }, now) !== "fresh") continue
        if (replay.take(stamped(kind, timestamp, { from, link }), now) !== "fresh") continue
        const key = `${kind} ${from} ${link} ${timestamp}`
        assert.isFalse(taken.has(key), key)
        taken.add(key)
        assert.isAtMost(replay.size, 3)
      }
    },
    { arbitrary: { runs: 60, size: 1000 } }
  )
})
