import { assert, describe, it } from "@effect/vitest"
import { decode, encode } from "cborg"
import { encodeEntry } from "../../src/protocol/entry.ts"
import { type CborValue, decodeCbor, encodeCbor } from "../../src/protocol/entryCbor.ts"
import { bytes, integer, thorough } from "../fixtures/arbitraries.ts"
import { anyEntry, sampleEntries } from "../fixtures/ledgerEntries.ts"
import { fuzzSeed, makeRandom } from "../fixtures/random.ts"

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"))

/** Plain byte strings, so that values can be compared. */
const plain = (value: unknown): unknown => {
  if (value instanceof Uint8Array) return Uint8Array.from(value)
  return Array.isArray(value) ? value.map(plain) : value
}

/** What the whole codec reads, where it would write the same bytes. */
const readByAll = (body: Uint8Array): unknown => {
  try {
    const value: unknown = decode(body, { strict: true, allowIndefinite: false, useMaps: true })
    return Buffer.from(encode(value)).equals(body) ? plain(value) : undefined
  } catch {
    return undefined
  }
}

describe("encoding", () => {
  it.prop(
    "writes any entry's values as the whole codec does",
    { entry: anyEntry, number: integer(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER), some: bytes(0, 300) },
    ({ entry, number, some }) => {
      for (const value of [number, some, entry.memo, [number, [some, [entry.memo]]]]) {
        const body = encodeCbor(value)
        assert.deepStrictEqual(body, Uint8Array.from(encode(value)))
        assert.deepStrictEqual(plain(decodeCbor(body ?? some)), plain(value))
      }
    },
    thorough
  )

  it("has the shortest head at each length", () => {
    for (const number of [0, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1]) {
      for (const value of [number, -number]) {
        const body = encodeCbor(value)
        assert.deepStrictEqual(body, Uint8Array.from(encode(value === 0 ? 0 : value)))
        assert.strictEqual(decodeCbor(body ?? hex("")), value === 0 ? 0 : value)
      }
    }
  })

  it("leaves alone what has no exact integers, and what is none of the four", () => {
    assert.isUndefined(encodeCbor(0.5))
    assert.isUndefined(encodeCbor([1, [2 ** 53]]))
    assert.isUndefined(encodeCbor(Number.NaN))
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- not what the type says, on purpose
    assert.isUndefined(encodeCbor([null] as unknown as CborValue))
  })
})

describe("decoding", () => {
  it.each([
    ["an integer with a longer head", "1801"],
    ["two bytes for one", "1900ff"],
    ["four bytes for two", "1a0000ffff"],
    ["eight bytes for four", "1b00000000ffffffff"],
    ["an integer above 2^53 - 1", "1b0020000000000000"],
    ["an integer below -(2^53 - 1)", "3b001fffffffffffff"],
    ["a text that is not UTF-8", "61ff"],
    ["half of a surrogate pair", "63eda080"],
    ["an end in the middle of a character", "62f09f"],
    ["a byte string that ends early", "4201"],
    ["an array that ends early", "8201"],
    ["an array of more than there is", "9affffffff00"],
    ["an array without a length", "9f01ff"],
    ["a reserved length", "1c"],
    ["a float", "f93c00"],
    ["a tag", "c101"],
    ["a map", "a0"],
    ["a simple value", "f6"],
    ["bytes behind the end", "0101"],
    ["nothing", ""]
  ])("leaves alone %s", (_, body) => assert.isUndefined(decodeCbor(hex(body))))

  it("leaves alone what is nested deeper than any entry", () => {
    assert.isUndefined(decodeCbor(new Uint8Array(10_000).fill(0x81)))
  })

  it("keeps a mark of byte order in a text", () => {
    assert.strictEqual(decodeCbor(hex("64efbbbf61")), "\ufeffa")
  })

  it("reads, of any bytes, what the whole codec reads and would write the same, and nothing else", () => {
    const seed = fuzzSeed()
    const random = makeRandom(seed)
    const bodies = Object.values(sampleEntries).map(encodeEntry)
    const telling = [0x18, 0x19, 0x1a, 0x1b, 0x38, 0x58, 0x78, 0x98, 0xef, 0xbb, 0xc1, 0xa0, 0x9f, 0xff]
    let readable = 0
    for (let round = 0; round < 5000; round++) {
      const body = Uint8Array.from(random.pick(bodies))
      for (let edits = random.below(3); edits >= 0; edits--) {
        const value = random.below(2) === 0 ? random.pick(telling) : random.below(256)
        body[random.below(Math.min(body.length, 400))] = value
      }
      const value = decodeCbor(body)
      if (value === undefined) continue
      readable++
      assert.deepStrictEqual(plain(value), readByAll(body), `FUZZ_SEED=${seed}`)
    }
    assert.isAbove(readable, 100)
  })
})
