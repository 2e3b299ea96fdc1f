import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { frame, VerificationKey } from "../../src/domain/ed25519.ts"
import {
  LinkOffer,
  linkOfferTag,
  offerAgeMaxMillis,
  offerFutureMaxMillis,
  signedBytes,
  timeVerdict
} from "../../src/domain/linkOffer.ts"
import { didNumber } from "../fixtures/dids.ts"
import { candidateAt, linkOffer, offerOf } from "../fixtures/linkOffers.ts"

const decode = Schema.decodeUnknownResult(LinkOffer)
const encode = Schema.encodeSync(LinkOffer)

const sample = offerOf(1, 2, 1_700_000_000_000)

const isSigned = (offer: LinkOffer): boolean =>
  Result.getOrThrow(VerificationKey.fromBytes(offer.from.publicKey)).verify(
    frame(linkOfferTag, signedBytes(offer)),
    offer.signature
  )

/** What is said of an offer of the time 1000 s. */
const at = (now: number) => timeVerdict({ timestamp: 1_000_000 }, now)

describe("LinkOffer", () => {
  it.prop(
    "is the same after a way through JSON, and still signed",
    [linkOffer],
    ([offer]) => {
      const decoded = Result.getOrThrow(decode(JSON.parse(JSON.stringify(encode(offer)))))
      assert.deepStrictEqual(encode(decoded), encode(offer))
      assert.isTrue(isSigned(decoded))
    },
    { arbitrary: { runs: 200, size: 1000 } }
  )

  it("is signed in all its parts", () => {
    const changes: ReadonlyArray<Partial<LinkOffer>> = [
      { kind: "answer" },
      { from: didNumber(3) },
      { to: didNumber(3) },
      { linkId: new Uint8Array(16).fill(2) },
      { ufrag: "uFrh" },
      { password: `${sample.password}a` },
      { ufrag: `${sample.ufrag}${sample.password.charAt(0)}`, password: sample.password.slice(1) },
      { candidates: sample.candidates.slice(1) },
      { candidates: sample.candidates.toReversed() },
      { candidates: [candidateAt("192.168.77.2", "peerReflexive"), ...sample.candidates.slice(1)] },
      { candidates: [candidateAt("192.168.77.3"), ...sample.candidates.slice(1)] },
      { candidates: [candidateAt("192.168.77.2", "host", 4001), ...sample.candidates.slice(1)] },
      { timestamp: sample.timestamp + 1 }
    ]
    for (const change of changes) {
      assert.notDeepEqual(signedBytes({ ...sample, ...change }), signedBytes(sample), JSON.stringify(change))
    }
  })

  it("is signed as these bytes", () => {
    const bytes = Buffer.from(signedBytes(sample)).toString("hex")
    const [from, to] = [sample.from, sample.to].map(({ publicKey }) => Buffer.from(publicKey).toString("hex"))
    const parts = [
      "0100",
      from,
      to,
      "01".repeat(16),
      "0000018bcfe56800",
      "0475467267",
      `16${Buffer.from(sample.password).toString("hex")}`,
      "02",
      "0004c0a84d020fa0",
      "0304cb0071050fa0"
    ]
    assert.strictEqual(bytes, parts.join(""))
  })

  it("is read strictly", () => {
    const good = encode(sample)
    assert.isTrue(Result.isSuccess(decode(good)))
    const one = good.candidates[0]
    const hostile: ReadonlyArray<object> = [
      { version: 2 },
      { kind: "hello" },
      { from: "did:key:z6MkNobody" },
      { to: null },
      { linkId: good.linkId.slice(1) },
      { linkId: `${good.linkId}A` },
      { linkId: `${good.linkId.slice(0, -1)}R` },
      { linkId: `${good.linkId.slice(0, -1)}=` },
      { ufrag: "abc" },
      { ufrag: "a".repeat(33) },
      { ufrag: "ab:d" },
      { ufrag: "abcd\n" },
      { password: "a".repeat(21) },
      { password: "a".repeat(65) },
      { password: `${"a".repeat(22)} ` },
      { candidates: Array.from({ length: 33 }, () => one) },
      { candidates: [{ ...one, kind: "friend" }] },
      { candidates: [{ ...one, address: { host: "name.example", port: 1 } }] },
      { candidates: [{ ...one, address: { host: "2001:DB8::1", port: 1 } }] },
      { candidates: [{ ...one, address: { host: "192.0.2.1", port: 0 } }] },
      { candidates: [{ ...one, address: { host: "192.0.2.1", port: 65_536 } }] },
      { candidates: {} },
      { timestamp: -1 },
      { timestamp: 0.5 },
      { timestamp: 2 ** 53 },
      { signature: good.signature.slice(1) },
      { signature: `${good.signature.slice(0, -1)}_` },
      { signature: 1 }
    ]
    for (const change of hostile) {
      assert.isTrue(Result.isFailure(decode({ ...good, ...change })), JSON.stringify(change))
    }
  })

  it("holds for half a minute, and for clocks that are as much ahead", () => {
    assert.strictEqual(at(1_000_000 + offerAgeMaxMillis), "fresh")
    assert.strictEqual(at(1_000_000 + offerAgeMaxMillis + 1), "expired")
    assert.strictEqual(at(1_000_000 - offerFutureMaxMillis), "fresh")
    assert.strictEqual(at(1_000_000 - offerFutureMaxMillis - 1), "future")
  })
})
