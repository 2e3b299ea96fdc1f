import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { encode } from "cborg"
import { Result } from "effect"
import { VerificationKey } from "../../src/domain/ed25519.ts"
import { amountMax, entryBytesMax, legsMax, memoBytesMax } from "../../src/domain/ledgerLimits.ts"
import { decodeEntry, encodeEntry, entryId, entryTag, isSignedBy, reservedKinds } from "../../src/protocol/entry.ts"
import { bytes, thorough } from "../fixtures/arbitraries.ts"
import { anyEntry, keyOf, sampleEntries, seal } from "../fixtures/ledgerEntries.ts"
import type { LedgerVector } from "../fixtures/ledgerVectorsMaker.ts"
import { fuzzSeed, makeRandom } from "../fixtures/random.ts"

const vectors: ReadonlyArray<LedgerVector> = JSON.parse(
  readFileSync(join(import.meta.dirname, "../fixtures/ledgerVectors.json"), "utf8")
)
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"))
const problem = (body: Uint8Array) => Result.getOrUndefined(Result.flip(decodeEntry(body)))
const sample = (name: string) => {
  const entry = sampleEntries[name]
  if (entry === undefined) throw new Error(`no sample ${name}`)
  return entry
}
const alice = Result.getOrThrow(VerificationKey.fromBytes(keyOf("alice").publicKey))

/** The parts of a transfer as they are in the bytes, some of them replaced. */
const transferWith = (changes: Readonly<Record<number, unknown>>): Uint8Array => {
  const { acks, at, author, coop, deps, idempotencyKey, lamport, legs, memo, prev, seq } = sample("transfer")
  const parts: Array<unknown> = [
    1,
    3,
    hex(coop ?? ""),
    hex(author),
    seq,
    hex(prev ?? ""),
    lamport,
    at,
    legs.map(({ account, amount, currency }) => [hex(account), currency, amount]),
    acks.map(hex),
    deps.map(hex),
    hex(idempotencyKey),
    memo,
    []
  ]
  for (const [index, value] of Object.entries(changes)) parts[Number(index)] = value
  return encode(parts)
}
const legs = (...amounts: ReadonlyArray<readonly [Uint8Array, unknown, unknown]>) => transferWith({ 8: amounts })
const zeros = new Uint8Array(32)
const ones = new Uint8Array(32).fill(1)

describe("the committed vectors", () => {
  it("are of every kind and of the largest entry", () => {
    assert.deepStrictEqual(
      vectors.map(({ name }) => name),
      Object.keys(sampleEntries)
    )
  })

  it.each(vectors)("hold for $name", ({ body, entry, id, name, signature }) => {
    assert.deepStrictEqual(entry, JSON.parse(JSON.stringify(sample(name))))
    const written = seal(sample(name), keyOf("alice"))
    assert.strictEqual(Buffer.from(written.body).toString("hex"), body)
    assert.strictEqual(written.id, id)
    assert.strictEqual(Buffer.from(written.signature).toString("hex"), signature)
    assert.deepStrictEqual(decodeEntry(hex(body)), Result.succeed(sample(name)))
    assert.strictEqual(entryId(hex(body)), id)
    assert.isTrue(isSignedBy(alice, id, hex(signature)))
  })
})

describe("reading and writing", () => {
  it.prop(
    "reads what was written, whatever it is",
    { entry: anyEntry },
    ({ entry }) => {
      const body = encodeEntry(entry)
      assert.deepStrictEqual(decodeEntry(body), Result.succeed(entry))
      // A view into a larger buffer reads the same.
      const inside = Buffer.concat([ones, body, ones]).subarray(32, 32 + body.length)
      assert.deepStrictEqual(decodeEntry(inside), Result.succeed(entry))
    },
    thorough
  )

  it("refuses or gives another id to a body with any one bit changed", () => {
    for (const name of Object.keys(sampleEntries)) {
      if (name === "largest") continue
      const { body, id } = seal(sample(name), keyOf("alice"))
      for (let bit = 0; bit < body.length * 8; bit++) {
        const changed = Uint8Array.from(body)
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        const read = decodeEntry(changed)
        assert.notStrictEqual(entryId(changed), id)
        if (Result.isFailure(read)) continue
        // What it is read as is written as the changed bytes, so it is another entry than the one before.
        assert.isTrue(Buffer.from(encodeEntry(read.success)).equals(changed), `${name}, bit ${bit}`)
      }
    }
  })

  it("refuses every shorter and every longer body", () => {
    const body = encodeEntry(sample("transfer"))
    for (let length = 0; length < body.length; length++) assert.isDefined(problem(body.subarray(0, length)))
    assert.strictEqual(problem(Buffer.concat([body, Uint8Array.of(0)])), "malformed")
  })

  it("answers any bytes without throwing, and reads none that would be written differently", () => {
    const seed = fuzzSeed()
    const random = makeRandom(seed)
    const bodies = Object.values(sampleEntries).map(encodeEntry)
    let readable = 0
    for (let round = 0; round < 5000; round++) {
      const body = Uint8Array.from(random.pick(bodies))
      for (let edits = random.below(3); edits >= 0; edits--) {
        body[random.below(Math.min(body.length, 400))] = random.below(256)
      }
      const read = decodeEntry(body)
      if (Result.isFailure(read)) continue
      readable++
      assert.isTrue(Buffer.from(encodeEntry(read.success)).equals(body), `FUZZ_SEED=${seed}`)
    }
    assert.isAbove(readable, 100)
  })

  it.prop(
    "takes random bytes for no entry",
    { body: bytes(0, 60) },
    ({ body }) => assert.isDefined(problem(body)),
    thorough
  )

  it("survives nesting as deep as the size allows", () => {
    assert.strictEqual(problem(new Uint8Array(entryBytesMax).fill(0x81)), "malformed")
    assert.strictEqual(problem(new Uint8Array(entryBytesMax + 1).fill(0x81)), "tooLong")
  })

  it("has room for the largest entry", () => {
    assert.isAtMost(encodeEntry(sample("largest")).length, entryBytesMax)
  })
})

describe("other encodings of the same entry", () => {
  const body = Buffer.from(transferWith({}))

  it("starts from the same bytes", () => assert.deepStrictEqual(body, Buffer.from(encodeEntry(sample("transfer")))))

  it("refuses an integer with a longer head than it needs", () => {
    const longer = Buffer.concat([body.subarray(0, 1), Uint8Array.of(0x18, 1), body.subarray(2)])
    assert.strictEqual(problem(longer), "malformed")
  })

  it("refuses arrays without a length", () => {
    assert.strictEqual(body[0], 0x8e)
    assert.strictEqual(
      problem(Buffer.concat([Uint8Array.of(0x9f), body.subarray(1), Uint8Array.of(0xff)])),
      "malformed"
    )
  })

  it("refuses a float, a tag, a map and a simple value in the place of anything", () => {
    assert.strictEqual(problem(transferWith({ 6: 1.5 })), "badLamport")
    const float = Buffer.concat([body.subarray(0, 1), Uint8Array.of(0xf9, 0x3c, 0x00), body.subarray(2)])
    assert.strictEqual(problem(float), "notCanonical")
    const tagged = Buffer.concat([body.subarray(0, 1), Uint8Array.of(0xc1), body.subarray(1)])
    assert.strictEqual(problem(tagged), "malformed")
    assert.strictEqual(problem(transferWith({ 13: {} })), "badContent")
    assert.strictEqual(problem(transferWith({ 12: null })), "badMemo")
    assert.strictEqual(problem(transferWith({ 12: true })), "badMemo")
    assert.strictEqual(problem(encode({ 1: 2 })), "malformed")
  })

  it("refuses an integer of 2^53 and more", () => {
    assert.strictEqual(problem(transferWith({ 6: 2n ** 53n })), "malformed")
  })

  it("refuses text that is not UTF-8", () => {
    const at = body.indexOf("bread")
    const changed = Buffer.from(body)
    changed[at] = 0xff
    assert.strictEqual(problem(changed), "notCanonical")
  })
})

describe("the parts", () => {
  it.each([
    ["unknownVersion", { 0: 2 }],
    ["unknownKind", { 1: 13 }],
    ["unknownKind", { 1: -1 }],
    ["unknownKind", { 1: "transfer" }],
    ["wrongLength", { 14: 0 }],
    ["badCoop", { 2: ones.subarray(1) }],
    ["badAuthor", { 3: new Uint8Array(0) }],
    ["badSeq", { 4: -1 }],
    ["badPrev", { 5: "" }],
    ["badLamport", { 6: -1 }],
    ["badTime", { 7: -1 }],
    ["badAcks", { 9: [ones, zeros] }],
    ["badAcks", { 9: [ones, ones] }],
    ["badDeps", { 10: [ones, ones] }],
    ["badDeps", { 10: Array.from({ length: 17 }, (_, index) => new Uint8Array(32).fill(index)) }],
    ["badIdempotencyKey", { 11: new Uint8Array(15) }],
    ["badMemo", { 12: "m".repeat(memoBytesMax + 1) }],
    ["badMemo", { 12: "ü".repeat(memoBytesMax / 2 + 1) }],
    ["badMemo", { 12: "red \u001b[31m" }],
    ["badContent", { 13: [1] }],
    ["badContent", { 1: 2, 13: [zeros, 8, 1] }],
    ["badContent", { 1: 2, 13: [zeros, 0, -1] }],
    ["badContent", { 1: 2, 13: [zeros, 0, amountMax + 1] }],
    ["badContent", { 1: 0, 13: ["name", [], [zeros], 1] }],
    ["badContent", { 1: 0, 13: ["name", [["hours", 2, 0]], [], 1] }],
    ["badContent", { 1: 0, 13: ["name", [["hours", 7, 0]], [zeros], 1] }],
    ["badContent", { 1: 0, 13: ["name", [["no spaces", 2, 0]], [zeros], 1] }],
    [
      "badContent",
      {
        1: 0,
        13: [
          "name",
          [
            ["hours", 2, 0],
            ["hours", 2, 0]
          ],
          [zeros],
          1
        ]
      }
    ],
    ["badContent", { 1: 0, 13: ["", [["hours", 2, 0]], [zeros], 1] }],
    ["badContent", { 1: 0, 13: ["name", [["hours", 2, 0]], [ones, zeros], 1] }]
  ] as const)("are refused as %s: %o", (reason, changes) => assert.strictEqual(problem(transferWith(changes)), reason))

  it("refuses the kinds that are reserved by name of reason", () => {
    for (const [index] of reservedKinds.entries())
      assert.strictEqual(problem(transferWith({ 1: 9 + index })), "unsupportedKind")
  })

  it("takes amounts up to the largest and never 0", () => {
    assert.isUndefined(problem(legs([zeros, 0, amountMax], [ones, 0, -amountMax])))
    for (const amount of [0, amountMax + 1, -amountMax - 1, "1"])
      assert.strictEqual(problem(legs([zeros, 0, amount])), "badLegs")
  })

  it("takes legs in their order, each account once per currency, and not too many", () => {
    assert.isUndefined(problem(legs([zeros, 0, 1], [ones, 0, 1], [zeros, 1, 1])))
    assert.strictEqual(problem(legs([ones, 0, 1], [zeros, 0, 1])), "badLegs")
    assert.strictEqual(problem(legs([zeros, 0, 1], [zeros, 0, 2])), "badLegs")
    assert.strictEqual(problem(legs([zeros, 8, 1])), "badLegs")
    const many = Array.from({ length: legsMax + 1 }, (_, index) => [new Uint8Array(32).fill(index), 0, 1] as const)
    assert.strictEqual(problem(legs(...many)), "badLegs")
    assert.isUndefined(problem(legs(...many.slice(1))))
  })

  it("does not write what it would not read", () => {
    assert.throws(() => encodeEntry({ ...sample("ack"), seq: -1 }), RangeError)
    assert.throws(() => encodeEntry({ ...sample("ack"), seq: 0.5 }), RangeError)
    assert.throws(() => encodeEntry({ ...sample("ack"), memo: "\ud800" }), RangeError)
    assert.throws(() => encodeEntry({ ...sample("ack"), author: "alice" }), RangeError)
  })
})

describe("signatures", () => {
  it("covers the tag and the id, nothing else", () => {
    const { id, signature } = seal(sample("transfer"), keyOf("alice"))
    const framed = Buffer.concat([
      Buffer.from("icn-node signature v1"),
      Uint8Array.of(entryTag.length),
      Buffer.from(entryTag),
      hex(id)
    ])
    assert.deepStrictEqual(signature, keyOf("alice").sign(framed))
    assert.isFalse(isSignedBy(alice, id, keyOf("alice").sign(hex(id))))
    assert.isFalse(isSignedBy(alice, entryId(ones), signature))
    assert.isFalse(isSignedBy(alice, id, seal(sample("transfer"), keyOf("bob")).signature))
  })

  it("is refused with any one bit changed", () => {
    const { id, signature } = seal(sample("transfer"), keyOf("alice"))
    for (let bit = 0; bit < 512; bit++) {
      const changed = Uint8Array.from(signature)
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      assert.isFalse(isSignedBy(alice, id, changed), `bit ${bit}`)
    }
  })
})
