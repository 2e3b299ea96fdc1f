import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import {
  NodeProfile,
  ProfileCache,
  profileFutureMaxMillis,
  ProfileMessage,
  profileSignedBytes,
  profileTtlMillis,
  type UnsignedProfile
} from "../../src/domain/nodeProfile.ts"
import { didNumber } from "../fixtures/dids.ts"

const now = 1_800_000_000_000
const decode = Schema.decodeUnknownResult(NodeProfile)

const unsigned = (number: number, timestamp = now): UnsignedProfile => ({
  version: 1,
  did: didNumber(number),
  software: "icn-node/0.1.0",
  role: "edge",
  timestamp
})
const profile = (number: number, timestamp = now): NodeProfile => ({
  ...unsigned(number, timestamp),
  signature: new Uint8Array(64)
})
const json = (over: object = {}) => ({
  ...unsigned(1),
  did: didNumber(1).text,
  signature: "A".repeat(86),
  ...over
})

describe("NodeProfile", () => {
  it("goes through JSON and back, with what may be absent and without", () => {
    for (const one of [profile(1), { ...profile(1), platform: "linux/x64", startedAt: now - 5 }]) {
      const text = Schema.encodeSync(Schema.fromJsonString(NodeProfile))(one)
      assert.deepStrictEqual(Schema.decodeSync(Schema.fromJsonString(NodeProfile))(text), one)
    }
  })

  it("skips keys that it does not know and refuses what is malformed", () => {
    assert.isTrue(Result.isSuccess(decode(json({ more: 1 }))))
    const bad = [
      { version: 2 },
      { software: "" },
      { software: "x".repeat(65) },
      { platform: "a\u0000b" },
      { role: "ü" },
      { timestamp: -1 },
      { timestamp: 0.5 },
      { startedAt: "now" },
      { did: "did:key:z6Mk" },
      { signature: "A".repeat(85) }
    ]
    for (const over of bad) assert.isTrue(Result.isFailure(decode(json(over))), JSON.stringify(over))
  })

  it("signs every value, so that none can be moved or left out", () => {
    const variants: ReadonlyArray<UnsignedProfile> = [
      unsigned(1),
      unsigned(2),
      unsigned(1, now + 1),
      { ...unsigned(1), software: "other" },
      { ...unsigned(1), role: "archive" },
      { ...unsigned(1), platform: "linux/x64" },
      { ...unsigned(1), startedAt: 0 }
    ]
    const texts = variants.map((one) => Buffer.from(profileSignedBytes(one)).toString("utf8"))
    assert.strictEqual(new Set(texts).size, variants.length)
    assert.strictEqual(texts[0], `[1,"${didNumber(1).text}","icn-node/0.1.0",null,null,"edge",${now}]`)
  })

  it("fits its topic in every message", () => {
    const longest: NodeProfile = {
      ...profile(1),
      software: '"'.repeat(64),
      platform: '"'.repeat(64),
      role: '"'.repeat(64),
      startedAt: Number.MAX_SAFE_INTEGER
    }
    const message: ProfileMessage = { _tag: "Response", did: didNumber(1), profile: longest }
    assert.isBelow(Schema.encodeSync(Schema.fromJsonString(ProfileMessage))(message).length, 1500)
  })
})

describe("ProfileCache", () => {
  it("keeps the newest of each member while it holds", () => {
    const cache = new ProfileCache()
    assert.strictEqual(cache.store(profile(1), now), "newer")
    assert.strictEqual(cache.store(profile(1), now), "older")
    assert.strictEqual(cache.store(profile(1, now - 1), now), "older")
    assert.strictEqual(cache.store(profile(1, now + 1), now), "newer")
    assert.strictEqual(cache.get(didNumber(1), now)?.timestamp, now + 1)
    assert.isUndefined(cache.get(didNumber(2), now))
    assert.isUndefined(cache.get(didNumber(1), now + 2 + profileTtlMillis))
    assert.deepStrictEqual(cache.all(now + 2 + profileTtlMillis), [])
    assert.strictEqual(cache.all(now).length, 1)
  })

  it("takes nothing expired nor from the future", () => {
    const cache = new ProfileCache()
    assert.strictEqual(cache.store(profile(1, now - profileTtlMillis - 1), now), "expired")
    assert.strictEqual(cache.store(profile(1, now + profileFutureMaxMillis + 1), now), "future")
    assert.strictEqual(cache.size, 0)
  })

  it("drops the oldest when there are too many", () => {
    const cache = new ProfileCache(2)
    for (const number of [1, 2, 3]) cache.store(profile(number, now + number), now + 3)
    assert.strictEqual(cache.size, 2)
    assert.isUndefined(cache.get(didNumber(1), now + 3))
    assert.isDefined(cache.get(didNumber(3), now + 3))
  })
})
