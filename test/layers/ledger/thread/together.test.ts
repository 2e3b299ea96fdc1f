import { assert, describe, it } from "@effect/vitest"
import { together } from "../../../../src/layers/ledger/thread/together.ts"
import { fuzzSeed, makeRandom } from "../../../fixtures/random.ts"

describe("together", () => {
  it("keeps the bytes and everything else, in one piece of memory", () => {
    const seed = fuzzSeed()
    const random = makeRandom(seed)
    const entries = Array.from({ length: random.below(200) }, (_, index) => {
      // Cut out of something larger, as what comes from the network is.
      const memory = random.bytes(600)
      const end = random.below(500)
      return { body: memory.subarray(random.below(end + 1), end), signature: memory.subarray(end, end + 64), index }
    })
    const packed = together(entries)
    assert.deepStrictEqual(packed.entries, entries, `FUZZ_SEED=${seed}`)
    for (const { body, signature } of packed.entries) {
      assert.strictEqual(body.buffer, packed.memory)
      assert.strictEqual(signature.buffer, packed.memory)
    }
    const bytes = entries.reduce((sum, { body, signature }) => sum + body.length + signature.length, 0)
    assert.strictEqual(packed.memory.byteLength, bytes)
    assert.deepStrictEqual(structuredClone(packed.entries, { transfer: [packed.memory] }), entries)
  })
})
