import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { linkCandidatesMax } from "../../src/domain/linkCandidate.ts"
import { sealOverhead } from "../../src/layers/identity/sealedBox.ts"
import { decodeLinkOffer, encodeLinkOffer, linkOfferBytesMax, paddingBytes } from "../../src/protocol/linkOffer.ts"
import { sealedTextMax } from "../../src/protocol/sessionControl.ts"
import { candidateAt, linkOffer, offerOf } from "../fixtures/linkOffers.ts"
import { fuzzSeed, makeRandom } from "../fixtures/random.ts"

const longestHost = "2001:1db8:1db8:1db8:1db8:1db8:1db8:1db8"

const padded = (text: string) => Buffer.from(text.padEnd(paddingBytes, " "))

describe("a link offer as bytes", () => {
  it.prop(
    "is the same after decoding, in a length that says little",
    [linkOffer],
    ([offer]) => {
      const bytes = encodeLinkOffer(offer)
      assert.strictEqual(bytes.length % paddingBytes, 0)
      assert.deepStrictEqual(encodeLinkOffer(Result.getOrThrow(decodeLinkOffer(bytes))), bytes)
    },
    { arbitrary: { runs: 200, size: 1000 } }
  )

  it("has one of ten lengths with any number of candidates", () => {
    const lengths = Array.from({ length: linkCandidatesMax + 1 }, (_, count) => {
      const candidates = Array.from({ length: count }, (_, index) => candidateAt(`192.0.2.${index}`))
      return encodeLinkOffer(offerOf(1, 2, 1_700_000_000_000, { candidates })).length
    })
    assert.isAtMost(new Set(lengths).size, 10)
  })

  it("fits into a signal, sealed, in its longest form", () => {
    const candidates = Array.from({ length: linkCandidatesMax }, (_, index) =>
      candidateAt(longestHost, "serverReflexive", 65_000 + index)
    )
    const longest = { kind: "refusal" as const, ufrag: "u".repeat(32), password: "p".repeat(64), candidates }
    const bytes = encodeLinkOffer(offerOf(1, 2, Number.MAX_SAFE_INTEGER, longest))
    assert.isAtMost(bytes.length, linkOfferBytesMax)
    assert.isTrue(Result.isSuccess(decodeLinkOffer(bytes)))
    assert.isAtMost(Math.ceil(((linkOfferBytesMax + sealOverhead) * 4) / 3), sealedTextMax)
  })

  it("is refused with a reason where it is none", () => {
    const good = encodeLinkOffer(offerOf(1, 2, 1_700_000_000_000))
    const hostile = [
      new Uint8Array(),
      good.subarray(0, -1),
      Buffer.concat([good, Uint8Array.of(0x20)]),
      Buffer.concat([good, good]),
      new Uint8Array(paddingBytes),
      new Uint8Array(paddingBytes).fill(0xff),
      new Uint8Array(linkOfferBytesMax + paddingBytes).fill(0x20),
      ...["", "null", "[]", "{}", "1e999", "[".repeat(200), '{"version":1}'].map(padded)
    ]
    for (const bytes of hostile) {
      const decoded = decodeLinkOffer(bytes)
      assert.isTrue(Result.isFailure(decoded) && decoded.failure.length > 0)
    }
  })

  it("is never anything but refused or read, whatever was changed", () => {
    const seed = fuzzSeed()
    const random = makeRandom(seed)
    const good = encodeLinkOffer(offerOf(1, 2, 1_700_000_000_000))
    for (let round = 0; round < 2000; round++) {
      const bytes = Uint8Array.from(good)
      for (let changes = random.below(4); changes >= 0; changes--) bytes[random.below(bytes.length)] = random.below(256)
      assert.doesNotThrow(() => decodeLinkOffer(bytes), `FUZZ_SEED=${seed}`)
    }
  })
})
