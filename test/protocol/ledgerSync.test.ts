import { assert, describe, it } from "@effect/vitest"
import { encode } from "cborg"
import { Result } from "effect"
import { createHash } from "node:crypto"
import type { RangeAnswer } from "../../src/domain/ledgerReconcile.ts"
import { frameBytesMax } from "../../src/protocol/frames.ts"
import { packedOverhead } from "../../src/protocol/ledgerBatch.ts"
import {
  type AnswererMessage,
  type AskerMessage,
  coopHash,
  decodeAnswerer,
  decodeAsker,
  encodeAnswerer,
  encodeAsker,
  fetchDepthMax,
  fetchedMax,
  marksMax,
  membershipMax,
  type SyncProblem,
  syncRefusals,
  wantsMax,
  windowBytesMax,
  windowEntriesMax
} from "../../src/protocol/ledgerSync.ts"
import { fuzzSeed, makeRandom, type Random } from "../fixtures/random.ts"

const id = (text: string): string => createHash("sha256").update(text).digest("hex")
const bytes = (text: string) => Uint8Array.from(Buffer.from(id(text), "hex"))
const last = "f".repeat(64)

const sealed = (random: Random, count: number) =>
  Array.from({ length: count }, () => ({ body: random.bytes(random.below(300)), signature: random.bytes(64) }))

const seed = fuzzSeed()

const askers = (random: Random): ReadonlyArray<AskerMessage> => [
  { _tag: "Hello", coop: id("coop"), entries: Number.MAX_SAFE_INTEGER, membership: sealed(random, membershipMax) },
  { _tag: "Hello", coop: id("coop"), entries: 0, membership: [] },
  { _tag: "Compare", marks: [] },
  {
    _tag: "Compare",
    marks: Array.from({ length: marksMax }, (_, index) => ({
      from: index === 0 ? "" : `${id("from").slice(0, 62).replace(/^./, "1")}00`,
      to: index % 2 === 0 ? "" : last,
      fingerprint: id(`${index}`).slice(0, 32)
    }))
  },
  {
    _tag: "Want",
    wants: {
      ranges: Array.from({ length: wantsMax }, () => ({ from: "1".repeat(64), to: last })),
      chains: Array.from({ length: wantsMax }, (_, index) => ({
        author: id(`${index}`),
        behind: index % 2 === 0 ? null : { seq: Number.MAX_SAFE_INTEGER, id: id("head") }
      }))
    },
    last: false
  },
  { _tag: "Want", wants: { ranges: [], chains: [] }, last: true },
  { _tag: "Next" },
  { _tag: "Fetch", ids: Array.from({ length: fetchedMax }, (_, index) => id(`${index}`)), depth: fetchDepthMax }
]

const chains: RangeAnswer = {
  _tag: "Chains",
  chains: Array.from({ length: 16 }, (_, index) =>
    index % 2 === 0
      ? { author: id(`${index}`), forkedAt: index }
      : { author: id(`${index}`), head: { seq: Number.MAX_SAFE_INTEGER, id: id("head") } }
  )
}

const answerers = (random: Random): ReadonlyArray<AnswererMessage> => [
  { _tag: "Welcome", entries: 3, own: [] },
  { _tag: "Welcome", entries: 3, own: sealed(random, 1) },
  ...syncRefusals.map((reason) => ({ _tag: "Refused", reason }) as const),
  { _tag: "Answers", answers: [{ _tag: "Same" }, { _tag: "Split" }, chains] },
  { _tag: "Answers", answers: Array.from({ length: marksMax }, () => chains) },
  { _tag: "Window", entries: sealed(random, 500), done: false },
  { _tag: "Window", entries: [], done: true }
]

/** Entries come back as views: compared by their bytes. */
const plain = (message: unknown): unknown =>
  JSON.parse(
    JSON.stringify(message, (_key, value: unknown) =>
      value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value
    )
  )

const refused = (value: unknown) => decodeAsker(encode(value))
const refusedAnswer = (value: unknown) => decodeAnswerer(encode(value))
const hex = (text: string) => decodeAsker(Uint8Array.from(Buffer.from(text, "hex")))
const problem = (found: Result.Result<unknown, SyncProblem>, expected: SyncProblem) =>
  assert.strictEqual(Result.isFailure(found) ? found.failure : "none", expected)

describe("ledgerSync", () => {
  it(`reads what it writes (seed ${seed})`, () => {
    const random = makeRandom(seed)
    for (const message of askers(random)) {
      const frame = encodeAsker(message)
      assert.isAtMost(frame.length, frameBytesMax)
      assert.deepStrictEqual(plain(Result.getOrThrow(decodeAsker(frame))), plain(message))
      assert.isTrue(Result.isFailure(decodeAnswerer(frame)))
    }
    for (const message of answerers(random)) {
      const frame = encodeAnswerer(message)
      assert.isAtMost(frame.length, frameBytesMax)
      assert.deepStrictEqual(plain(Result.getOrThrow(decodeAnswerer(frame))), plain(message))
      assert.isTrue(Result.isFailure(decodeAsker(frame)))
    }
  })

  it("has windows that fit into a frame, however their entries are cut", () => {
    assert.isAtMost(windowBytesMax + windowEntriesMax * packedOverhead + 16, frameBytesMax)
  })

  it("has these bytes", () => {
    const hello: AskerMessage = { _tag: "Hello", coop: coopHash(id("coop")), entries: 24, membership: [] }
    assert.strictEqual(Buffer.from(encodeAsker(hello)).toString("hex"), `8500015820${coopHash(id("coop"))}181840`)
    assert.strictEqual(
      coopHash(id("coop")),
      createHash("sha256").update("icn-node/ledger-sync/v1").update(bytes("coop")).digest("hex")
    )
    assert.strictEqual(Buffer.from(encodeAsker({ _tag: "Next" })).toString("hex"), "8103")
    assert.strictEqual(Buffer.from(encodeAnswerer({ _tag: "Refused", reason: "busy" })).toString("hex"), "821102")
  })

  it("refuses what is out of bounds, of another type or in another place", () => {
    const coop = bytes("coop")
    const none = Uint8Array.of()
    assert.isTrue(Result.isSuccess(refused([3])))
    problem(refused([]), "unknownMessage")
    problem(refused([5]), "unknownMessage")
    problem(refused([16, 0, none]), "unknownMessage")
    problem(refused("text"), "malformed")
    problem(refused([0, 2]), "unknownVersion")
    problem(refused([0, 1, coop.subarray(1), 0, none]), "badContent")
    problem(refused([0, 1, coop, -1, none]), "badContent")
    problem(refused([0, 1, coop, 0, none, 0]), "badContent")
    problem(refused([0, 1, coop, 0, Uint8Array.of(1)]), "badContent")
    const mark = [none, none, new Uint8Array(16)]
    problem(refused([1, Array.from({ length: marksMax + 1 }, () => mark)]), "badContent")
    problem(refused([1, [[none, none, new Uint8Array(15)]]]), "badContent")
    problem(refused([1, [[bytes("a"), bytes("a"), new Uint8Array(16)]]]), "badContent")
    problem(refused([1, [mark.slice(1)]]), "badContent")
    problem(refused([2, [], [[coop, 1]], 1]), "badContent")
    problem(refused([2, [], [[coop, -1, coop]], 1]), "badContent")
    problem(refused([2, [], [], true]), "badContent")
    problem(refused([2, [], []]), "badContent")
    problem(refused([3, 0]), "badContent")
    problem(refused([4, [coop], fetchDepthMax + 1]), "badContent")
    problem(refused([4, Array.from({ length: fetchedMax + 1 }, () => coop), 0]), "badContent")
    problem(refusedAnswer([17, syncRefusals.length]), "badContent")
    problem(refusedAnswer([18, [2]]), "badContent")
    problem(refusedAnswer([18, [Array.from({ length: 17 }, () => [coop, 1])]]), "badContent")
    problem(refusedAnswer([19, new Uint8Array(66 * (windowEntriesMax + 1)), 1]), "badContent")
    problem(refusedAnswer([19, none, 2]), "badContent")
    problem(refusedAnswer([0, 1, coop, 0, none]), "unknownMessage")
  })

  it("refuses other encodings of the same message, and what is no CBOR", () => {
    // The array's length in one byte more, the number in one byte more, an array without a length, something behind.
    for (const text of ["980103", "811803", "9f03ff", "810300", "", "ff", "81", "d9d9f78103"]) {
      assert.isTrue(Result.isFailure(hex(text)), text)
    }
    problem(decodeAsker(new Uint8Array(frameBytesMax + 1)), "tooLong")
    problem(decodeAsker(new Uint8Array(frameBytesMax).fill(0x81)), "malformed")
  })

  it(`never throws at garbage (seed ${seed})`, () => {
    const random = makeRandom(seed)
    const frames = [...askers(random).map(encodeAsker), ...answerers(random).map(encodeAnswerer)]
    for (let run = 0; run < 3000; run++) {
      const frame = Uint8Array.from(random.pick(frames).subarray(0, 4096))
      for (let change = random.below(4); change >= 0; change--) frame[random.below(frame.length)] = random.below(256)
      assert.doesNotThrow(() => {
        decodeAsker(frame)
        decodeAnswerer(frame)
        decodeAsker(random.bytes(random.below(40)))
      })
    }
  })
})
