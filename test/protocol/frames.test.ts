import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Result } from "effect"
import { end, frameBytesMax, type FrameProblem, FrameReader, header, headerBytes } from "../../src/protocol/frames.ts"
import { boolean, bytes, integer } from "../fixtures/arbitraries.ts"
import { fuzzSeed, makeRandom } from "../fixtures/random.ts"

interface Seen {
  readonly frames: ReadonlyArray<ReadonlyArray<number>>
  readonly problem: FrameProblem | undefined
  readonly ended: boolean
  readonly isAtBoundary: boolean
}

/** What a reader makes of bytes that come in these chunks, up to the first problem. */
const read = (reader: FrameReader, chunks: ReadonlyArray<Uint8Array>): Seen => {
  const frames: Array<Array<number>> = []
  let problem: FrameProblem | undefined
  for (const chunk of chunks) {
    const result = reader.push(chunk)
    const found = Result.isSuccess(result) ? result.success.frames : result.failure.frames
    frames.push(...found.map((frame) => [...frame]))
    if (Result.isSuccess(result)) continue
    problem = result.failure.problem
    break
  }
  return { frames, problem, ended: reader.hasEnded, isAtBoundary: reader.isAtBoundary }
}

/** The bytes cut after the given lengths in turn. */
const cut = (whole: Uint8Array, lengths: ReadonlyArray<number>): ReadonlyArray<Uint8Array> => {
  const chunks: Array<Uint8Array> = []
  for (let at = 0, index = 0; at < whole.length; index++) {
    const length = lengths[index % lengths.length] ?? 1
    chunks.push(whole.slice(at, at + length))
    at += length
  }
  return chunks
}

const encode = (frames: ReadonlyArray<Uint8Array>): Uint8Array =>
  Buffer.concat(frames.flatMap((frame) => [header(frame.length), frame]))

const sequence = Arbitrary.array(bytes(0, 40), { minLength: 0, maxLength: 20 })
const cuts = Arbitrary.array(integer(1, 50), { minLength: 1, maxLength: 20 })

describe("FrameReader", () => {
  it("writes lengths as four bytes, the most significant first, and the end as all ones", () => {
    assert.deepStrictEqual([...header(0x01020304)], [1, 2, 3, 4])
    assert.deepStrictEqual([...end], [255, 255, 255, 255])
  })

  it.prop(
    "returns any sequence of frames, however it is cut",
    [sequence, cuts, boolean],
    ([frames, lengths, ends]) => {
      const whole = Buffer.concat([encode(frames), ends ? end : Uint8Array.of()])
      const seen = read(new FrameReader(), cut(whole, lengths))
      assert.deepStrictEqual(seen, {
        frames: frames.map((frame) => [...frame]),
        problem: undefined,
        ended: ends,
        isAtBoundary: true
      })
    },
    { arbitrary: { runs: 300, size: 300 } }
  )

  it.prop(
    "makes the same of any bytes whether they come at once or cut, malformed ones included",
    [sequence, bytes(0, 12), cuts, boolean],
    ([frames, rest, lengths, ends]) => {
      const whole = Buffer.concat([encode(frames), ends ? end : Uint8Array.of(), rest])
      const seen = read(new FrameReader(64), cut(whole, lengths))
      assert.deepStrictEqual(seen, read(new FrameReader(64), [whole]))
      if (ends && rest.length > 0) assert.strictEqual(seen.problem, "afterEnd")
    },
    { arbitrary: { runs: 300, size: 300 } }
  )

  it("knows the middle of a frame from its boundary", () => {
    const whole = encode([Uint8Array.of(1, 2, 3)])
    for (let length = 1; length < whole.length; length++) {
      const seen = read(new FrameReader(), [whole.subarray(0, length)])
      assert.isFalse(seen.isAtBoundary, `after ${length} bytes`)
      assert.deepStrictEqual(seen.frames, [])
    }
    assert.isTrue(read(new FrameReader(), [whole]).isAtBoundary)
  })

  it("takes the longest frame and refuses a longer one by its header alone, after the frames before it", () => {
    const longest = new FrameReader().push(encode([new Uint8Array(frameBytesMax)]))
    assert.isTrue(Result.isSuccess(longest) && longest.success.frames[0]?.length === frameBytesMax)
    const chunk = Buffer.concat([encode([Uint8Array.of(7)]), header(frameBytesMax + 1)])
    const seen = read(new FrameReader(), [chunk])
    assert.strictEqual(seen.problem, "tooLong")
    assert.deepStrictEqual(seen.frames, [[7]])
    assert.strictEqual(read(new FrameReader(), [header(0xffff_fffe)]).problem, "tooLong")
  })

  it("refuses bytes after the end, in the same chunk and in a later one", () => {
    const whole = Buffer.concat([encode([Uint8Array.of(7)]), end])
    for (const chunks of [[Buffer.concat([whole, header(0)])], [whole, Uint8Array.of(0)]]) {
      const seen = read(new FrameReader(), chunks)
      assert.strictEqual(seen.problem, "afterEnd")
      assert.deepStrictEqual(seen.frames, [[7]])
    }
  })

  it("copies nothing of a frame that lies within a chunk, and keeps the rest apart from later chunks", () => {
    const whole = encode([Uint8Array.of(1, 2), Uint8Array.of(3, 4)])
    const reader = new FrameReader()
    const first = Result.getOrThrow(reader.push(whole.subarray(0, whole.length - 1))).frames
    assert.strictEqual(first[0]?.buffer, whole.buffer)
    const second = Result.getOrThrow(reader.push(whole.subarray(whole.length - 1))).frames
    assert.deepStrictEqual([...(second[0] ?? [])], [3, 4])
  })

  it("survives any bytes and never holds more than one frame", () => {
    const seed = fuzzSeed()
    const random = makeRandom(seed)
    for (let round = 0; round < 2000; round++) {
      const reader = new FrameReader(256)
      for (let chunk = 0; chunk < 20; chunk++) {
        const bytes = random.bytes(random.below(64))
        // Mostly lengths that a frame can have.
        if (bytes.length >= headerBytes && random.below(4) > 0) bytes.fill(0, 0, 3)
        const result = reader.push(bytes)
        const found = Result.isSuccess(result) ? result.success.frames : result.failure.frames
        assert.isTrue(
          found.every(({ length }) => length <= 256),
          `FUZZ_SEED=${seed}`
        )
        if (Result.isFailure(result)) break
      }
    }
  })
})
