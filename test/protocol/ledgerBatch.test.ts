import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { createHash } from "node:crypto"
import { groupKeyId } from "../../src/domain/coopGroupKey.ts"
import { gossipMessageBytesMax } from "../../src/domain/gossipLimits.ts"
import { isTopicName } from "../../src/domain/gossipTopic.ts"
import { entryBytesMax } from "../../src/domain/ledgerLimits.ts"
import {
  type Batch,
  batchBytesMax,
  batchEntriesMax,
  batchKeyId,
  batchOverhead,
  batchSaltBytes,
  batchTopic,
  openBatch,
  packedLength,
  packEntries,
  sealBatch,
  type SealedBytes,
  unpackEntries
} from "../../src/protocol/ledgerBatch.ts"
import { envelopeHeaderBytes } from "../../src/protocol/gossipEnvelope.ts"
import { fuzzSeed, makeRandom, type Random } from "../fixtures/random.ts"

const anyEntry = (random: Random, bytesMax = 400): SealedBytes => ({
  body: random.bytes(random.below(bytesMax)),
  signature: random.bytes(64)
})
const entries = (random: Random, count: number) => Array.from({ length: count }, () => anyEntry(random))

const hash = (text: string) => createHash("sha256").update(text).digest()
const coop = hash("coop").toString("hex")
const keyOf = (name: string) => ({ key: hash(name), id: groupKeyId(hash(name)) })
const salt = (number: number) => new Uint8Array(batchSaltBytes).fill(number)
const place = { topic: batchTopic(coop), author: hash("alice").toString("hex") }

describe("packed entries", () => {
  const seed = fuzzSeed()
  it(`are read as they were written (seed ${seed})`, () => {
    const random = makeRandom(seed)
    for (let run = 0; run < 200; run++) {
      const written = entries(random, random.below(20))
      const packed = packEntries(written)
      assert.strictEqual(
        packed.length,
        written.reduce((sum, one) => sum + packedLength(one), 0)
      )
      const read = Result.getOrThrow(unpackEntries(packed, 20))
      assert.deepStrictEqual(
        read.map(({ body, signature }) => [Buffer.from(body), Buffer.from(signature)]),
        written.map(({ body, signature }) => [Buffer.from(body), Buffer.from(signature)])
      )
    }
  })

  it("are refused when they are cut, too many, or too long", () => {
    const random = makeRandom(seed)
    const packed = packEntries(entries(random, 3))
    assert.deepStrictEqual(unpackEntries(packed, 2), Result.fail("tooMany"))
    assert.deepStrictEqual(unpackEntries(packed.subarray(0, -1), 3), Result.fail("cut"))
    assert.deepStrictEqual(unpackEntries(packed.subarray(0, 1), 3), Result.fail("cut"))
    const long = packEntries([{ body: new Uint8Array(entryBytesMax + 1), signature: new Uint8Array(64) }])
    assert.deepStrictEqual(unpackEntries(long, 3), Result.fail("tooLong"))
    assert.isTrue(Result.isSuccess(unpackEntries(packEntries([]), 0)))
  })
})

describe("sealed batches", () => {
  const random = makeRandom(7)
  const batch: Batch = { kind: "entries", entries: entries(random, 5) }
  const key = keyOf("group")
  const sealed = sealBatch(key, salt(1), place, batch)

  it("are opened with the key that they name, as what they were", () => {
    assert.strictEqual(batchKeyId(sealed), key.id)
    for (const kind of ["entries", "fork"] as const) {
      const opened = openBatch(key.key, place, sealBatch(key, salt(2), place, { ...batch, kind }))
      assert.strictEqual(Result.getOrThrow(opened).kind, kind)
      assert.deepStrictEqual(
        Buffer.from(packEntries(Result.getOrThrow(opened).entries)),
        Buffer.from(packEntries(batch.entries))
      )
    }
    assert.strictEqual(sealed.length, packEntries(batch.entries).length + batchOverhead)
  })

  it("are the same bytes on every machine", () => {
    const plain = sealBatch(key, salt(1), place, {
      kind: "fork",
      entries: [{ body: hash("body"), signature: Buffer.concat([hash("one"), hash("two")]) }]
    })
    assert.strictEqual(
      createHash("sha256").update(plain).digest("hex"),
      "ab118eae8198f5997264338a470671424031575cb0f3d404a569bdd223250fe7"
    )
  })

  it("are not opened with another key, for another topic, as somebody else's, or changed", () => {
    const other = { ...place, topic: batchTopic(hash("other coop").toString("hex")) }
    assert.deepStrictEqual(openBatch(keyOf("another").key, place, sealed), Result.fail("badSeal"))
    assert.deepStrictEqual(openBatch(key.key, other, sealed), Result.fail("badSeal"))
    const stranger = { ...place, author: hash("mallory").toString("hex") }
    assert.deepStrictEqual(openBatch(key.key, stranger, sealed), Result.fail("badSeal"))
    for (let at = 0; at < sealed.length; at += 1 + random.below(5)) {
      const changed = Uint8Array.from(sealed)
      changed[at] = (changed[at] ?? 0) ^ (1 << random.below(8))
      assert.isTrue(Result.isFailure(openBatch(key.key, place, changed)), `byte ${at}`)
    }
    for (const length of [0, 1, batchOverhead - 1, batchOverhead, sealed.length - 1]) {
      assert.isTrue(Result.isFailure(openBatch(key.key, place, sealed.subarray(0, length))), `${length} bytes`)
    }
    assert.isUndefined(batchKeyId(sealed.subarray(0, batchOverhead - 1)))
    assert.isUndefined(batchKeyId(Uint8Array.from(sealed, (byte, at) => (at === 0 ? 2 : byte))))
  })

  it("with members' own nonsense in them are malformed, and nothing worse", () => {
    const tooMany = Array.from({ length: batchEntriesMax + 1 }, () => anyEntry(random, 10))
    const wrong = sealBatch(key, salt(3), place, { kind: "entries", entries: tooMany })
    assert.deepStrictEqual(openBatch(key.key, place, wrong), Result.fail("malformed"))
  })

  it("differ for each salt, and show nothing of what is in them", () => {
    const again = sealBatch(key, salt(2), place, batch)
    const start = 1 + 16 + batchSaltBytes
    assert.notDeepEqual(Buffer.from(again.subarray(start)), Buffer.from(sealed.subarray(start)))
    for (const { body } of batch.entries) {
      if (body.length >= 8) assert.strictEqual(Buffer.from(sealed).indexOf(Buffer.from(body.subarray(0, 8))), -1)
    }
    assert.notInclude(Buffer.from(sealed).toString("hex"), coop)
  })

  it("fit into a message of gossip when they are as large as they may be", () => {
    const json = JSON.stringify({ sealed: "=".repeat(Math.ceil((batchBytesMax + batchOverhead) / 3) * 4) })
    assert.isAtMost(json.length + envelopeHeaderBytes, gossipMessageBytesMax)
  })

  it("travel on a topic that does not tell the cooperative", () => {
    assert.isTrue(isTopicName(place.topic))
    assert.notInclude(coop, place.topic.slice("ledger:".length))
    assert.notStrictEqual(batchTopic(hash("other").toString("hex")), place.topic)
  })
})
