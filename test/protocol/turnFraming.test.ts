/** Cutting a TURN stream into messages, however TCP has cut it. */
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary } from "effect"
import { encodeHeader } from "../../src/protocol/channelData.ts"
import { encode } from "../../src/protocol/stun.ts"
import { messageBytesMax, paddingOf, TurnFramer, type TurnStreamProblem } from "../../src/protocol/turnFraming.ts"
import { bytes, integer, thorough } from "../fixtures/arbitraries.ts"

const channelData = (channel: number, payload: Uint8Array): Uint8Array => {
  const message = new Uint8Array(4 + payload.length + paddingOf(payload.length))
  encodeHeader(message, 0, channel, payload.length)
  message.set(payload, 4)
  return message
}

const stun = (value: Uint8Array): Uint8Array =>
  encode({ class: "indication", method: 7, transactionId: new Uint8Array(12), attributes: [{ type: 0x13, value }] })

const bytesOf = (length: number) => Uint8Array.from({ length }, (_, index) => index)

/** Pushes a stream piece by piece; what came out, copied, and the problem that ended it. */
const read = (pieces: ReadonlyArray<Uint8Array>) => {
  const framer = new TurnFramer()
  const messages: Array<Uint8Array> = []
  let problem: TurnStreamProblem | undefined
  for (const piece of pieces) {
    problem = framer.push(piece, (message) => messages.push(message.slice()))
    if (problem !== undefined) break
  }
  return { messages, problem, pending: framer.pendingBytes }
}

const join = (parts: ReadonlyArray<Uint8Array>): Uint8Array => new Uint8Array(Buffer.concat(parts))

/** The stream cut into pieces of these lengths, again and again; a piece may be empty. */
const cut = (stream: Uint8Array, lengths: ReadonlyArray<number>): ReadonlyArray<Uint8Array> => {
  const pieces: Array<Uint8Array> = []
  for (let at = 0, index = 0; at < stream.length; index++) {
    const length = lengths[index % lengths.length] ?? 1
    pieces.push(stream.subarray(at, at + length))
    at += length
  }
  return pieces
}

const message = Arbitrary.map(
  Arbitrary.all([integer(0, 1), integer(0x4000, 0x4fff), bytes(0, 1500)]),
  ([kind, channel, payload]) => (kind === 0 ? channelData(channel, payload) : stun(payload))
)
const messages = Arbitrary.array(message, { minLength: 0, maxLength: 20 })
// At least one of them moves on.
const lengths = Arbitrary.map(
  Arbitrary.array(integer(0, 2000), { minLength: 0, maxLength: 10 }),
  (some): ReadonlyArray<number> => [...some, 1 + (some[0] ?? 0)]
)

describe("TurnFramer", () => {
  it.prop(
    "gives the same messages however the stream is cut",
    [messages, lengths],
    ([sent, pieces]) => {
      assert.deepStrictEqual(read(cut(join(sent), pieces)), { messages: sent, problem: undefined, pending: 0 })
    },
    thorough
  )

  it.prop(
    "never throws and keeps less than a message of a stream of noise",
    [bytes(0, 4000), lengths],
    ([noise, pieces]) => {
      const whole = read([noise])
      assert.isBelow(whole.pending, messageBytesMax)
      // What is wrong with a stream does not depend on how it was cut.
      const { messages, problem } = read(cut(noise, pieces))
      assert.deepStrictEqual([messages, problem], [whole.messages, whole.problem])
    },
    thorough
  )

  it.each([1, 2, 3, 4, 5, 7, 8, 9, 20, 65_551])("reads the longest messages in pieces of %i bytes", (length) => {
    const sent = [channelData(0x4fff, new Uint8Array(65_535).fill(7)), stun(new Uint8Array(65_528)), stun(bytesOf(3))]
    assert.strictEqual(sent[1]?.length, messageBytesMax)
    assert.deepStrictEqual(read(cut(join(sent), [length])), { messages: sent, problem: undefined, pending: 0 })
  })

  it.each([0, 1, 2, 3, 4, 5])("takes the padding of a payload of %i bytes along", (length) => {
    const one = channelData(0x4000, bytesOf(length))
    assert.strictEqual(one.length % 4, 0)
    assert.deepStrictEqual(read([join([one, one])]).messages, [one, one])
  })

  it.each([
    ["notTurn", [0x50]],
    ["notTurn", [0xff, 0, 0, 0]],
    ["notTurn", [...Buffer.from("SSH-2.0-OpenSSH_9.6\r\n")]],
    ["messageLength", [0x01, 0x01, 0x00, 0x02]],
    ["noCookie", [0x01, 0x01, 0x00, 0x00, 0x21, 0x12, 0xa4, 0x43]]
  ] as const)("tells %s, after the messages in front of it, byte by byte or at once", (problem, noise) => {
    const good = channelData(0x4000, bytesOf(3))
    const stream = join([good, Uint8Array.from(noise)])
    for (const length of [1, stream.length]) {
      const { messages, problem: found } = read(cut(stream, [length]))
      assert.deepStrictEqual([messages, found], [[good], problem])
    }
  })

  it("copies nothing of a message that lies within a chunk", () => {
    const chunk = join([channelData(0x4000, bytesOf(8)), channelData(0x4001, bytesOf(8))])
    const views: Array<Uint8Array> = []
    new TurnFramer().push(chunk, (message) => views.push(message))
    assert.deepStrictEqual(
      views.map(({ buffer, byteOffset }) => [buffer === chunk.buffer, byteOffset]),
      [
        [true, 0],
        [true, 12]
      ]
    )
  })

  it("takes time in proportion to the stream, also byte by byte", () => {
    const framer = new TurnFramer()
    const big = channelData(0x4000, new Uint8Array(65_535))
    let found = 0
    let copied = 0
    for (let round = 0; round < 16; round++) {
      for (let at = 0; at < big.length; at++)
        framer.push(big.subarray(at, at + 1), (message) => {
          found++
          copied += message.length
        })
    }
    assert.deepStrictEqual([found, copied], [16, 16 * big.length])
  })
})
