import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { decode, encodeOffer, encodeQuery, offersOf } from "../../src/protocol/mdns.ts"
import {
  decodeMessage,
  type DnsRecord,
  encodeMessage,
  packetBytesMax,
  recordsMax
} from "../../src/protocol/mdnsRecords.ts"
import { bytes, thorough } from "../fixtures/arbitraries.ts"
import { didNumber } from "../fixtures/dids.ts"
import { fuzzSeed, makeRandom } from "../fixtures/random.ts"

const failureOf = (packet: Uint8Array): string | undefined => {
  const decoded = decodeMessage(packet)
  return Result.isFailure(decoded) ? decoded.failure : undefined
}

/** A header with counts, and whatever follows. */
const packet = (counts: readonly [number, number, number, number], ...rest: ReadonlyArray<number>): Uint8Array =>
  Uint8Array.from([0, 0, 0x84, 0, ...counts.flatMap((count) => [count >> 8, count & 0xff]), ...rest])

const text = (value: string): ReadonlyArray<number> => [value.length, ...new TextEncoder().encode(value)]
/** Type, class IN, a TTL of 1 and the data with its length. */
const fields = (type: number, ...data: ReadonlyArray<number>): ReadonlyArray<number> => [
  0,
  type,
  0,
  1,
  0,
  0,
  0,
  1,
  data.length >> 8,
  data.length & 0xff,
  ...data
]
const onlyAnswer = (...rest: ReadonlyArray<number>): DnsRecord | undefined =>
  Result.getOrUndefined(decodeMessage(packet([0, 1, 0, 0], ...rest)))?.answers[0]

const query = (name: string) => () =>
  encodeMessage({ response: false, questions: [{ name, type: 12 }], answers: [], additionals: [] })

describe("a DNS name", () => {
  it("may be compressed by pointers to earlier bytes", () => {
    // "a.b" at 12 to 16, and a pointer to it behind another label.
    const rest = [...text("a"), ...text("b"), 0, ...fields(12, ...text("c"), 0xc0, 12)]
    assert.deepStrictEqual(onlyAnswer(...rest), { name: "a.b", ttlSeconds: 1, data: { _tag: "Ptr", target: "c.a.b" } })
  })

  it("is refused when its pointers go forward, to themselves or in circles", () => {
    assert.isUndefined(onlyAnswer(0xc0, 12, ...fields(16)))
    assert.isUndefined(onlyAnswer(0xc0, 14, ...text("a"), 0, ...fields(16)))
    assert.isUndefined(onlyAnswer(...text("a"), 0xc0, 12, ...fields(16)))
    assert.isUndefined(onlyAnswer(0xc1))
  })

  it("is refused when it is too long, or a label is of an unknown kind", () => {
    const label = text("x".repeat(63))
    assert.isDefined(onlyAnswer(...label, ...label, ...label, ...text("x".repeat(61)), 0, ...fields(16)))
    assert.isUndefined(onlyAnswer(...label, ...label, ...label, ...text("x".repeat(62)), 0, ...fields(16)))
    assert.isUndefined(onlyAnswer(0x40, 0, ...fields(16)))
    assert.isUndefined(onlyAnswer(0x80, 0, ...fields(16)))
  })

  it("keeps labels apart whatever bytes they hold, and knows no letter case", () => {
    const name = onlyAnswer(...text("A.b\\"), 2, 0xe9, 0x20, 0, ...fields(16))?.name
    assert.strictEqual(name, "a\\046b\\092.\\233\\032")
  })

  it("of our own that is not plain is a mistake", () => {
    for (const name of ["", "a..b", "a b", "x".repeat(64), Array(64).fill("abc").join(".")]) {
      assert.throws(query(name), RangeError)
    }
    assert.doesNotThrow(query("x".repeat(63)))
  })
})

describe("a DNS record", () => {
  it("of an unknown type or class is passed over", () => {
    const address = fields(1, 10, 0, 0, 1)
    assert.isDefined(onlyAnswer(0, ...address))
    assert.deepStrictEqual(Result.getOrThrow(decodeMessage(packet([0, 1, 0, 0], 0, ...fields(47, 1, 2)))).answers, [])
    const chaos = [...address.slice(0, 3), 3, ...address.slice(4)]
    assert.deepStrictEqual(Result.getOrThrow(decodeMessage(packet([0, 1, 0, 0], 0, ...chaos))).answers, [])
  })

  it("is refused when its data does not fill its length", () => {
    for (const data of [
      fields(1, 10, 0, 0),
      fields(1, 10, 0, 0, 1, 1),
      fields(28, 10, 0, 0, 1),
      fields(12, 0, 0),
      fields(12, ...text("a")),
      fields(33, 0, 0, 0, 0, 0, 0),
      fields(33, 0, 0),
      fields(16, 2, 65),
      fields(16, 0xff)
    ]) {
      assert.strictEqual(failureOf(packet([0, 1, 0, 0], 0, ...data)), "a record is malformed", data.join(" "))
    }
  })

  it("is refused when the packet ends inside it or goes on behind it", () => {
    const whole = packet([0, 1, 0, 0], 0, ...fields(1, 10, 0, 0, 1))
    assert.isUndefined(failureOf(whole))
    for (let length = 0; length < whole.length; length++) assert.isDefined(failureOf(whole.subarray(0, length)))
    assert.isDefined(failureOf(Uint8Array.from([...whole, 0])))
  })
})

describe("a DNS packet", () => {
  it("is bounded in bytes and records", () => {
    assert.match(failureOf(new Uint8Array(packetBytesMax + 1)) ?? "", /longer/)
    assert.match(failureOf(packet([recordsMax, 1, 0, 0])) ?? "", /too many/)
    assert.match(failureOf(packet([0xffff, 0xffff, 0xffff, 0xffff])) ?? "", /too many/)
    const root = [0, ...fields(16)]
    const full = packet([0, recordsMax, 0, 0], ...Array.from({ length: recordsMax }, () => root).flat())
    assert.isUndefined(failureOf(full))
  })

  it("is refused when it is another operation or an error", () => {
    for (const [high, low] of [
      [0x08, 0],
      [0x78, 0],
      [0x84, 3]
    ] as const) {
      const other = packet([0, 0, 0, 0])
      other[2] = high
      other[3] = low
      assert.match(failureOf(other) ?? "", /neither/)
    }
  })

  it("costs little however it is made", () => {
    // A long name, and as many records as may be whose names and data point to it.
    const label = text("\u0000".repeat(62))
    const name = [...label, ...label, ...label, ...text("x".repeat(59)), 0]
    const pointing = [0xc0, 12, ...fields(12, 0xc0, 12)]
    const pointers = (count: number) =>
      packet([0, 1 + count, 0, 0], ...name, ...fields(16), ...Array.from({ length: count }, () => pointing).flat())
    assert.isUndefined(failureOf(pointers(60)))
    const hostile = pointers(recordsMax - 1)
    assert.isDefined(failureOf(hostile))
    const texts = packet([0, 1, 0, 0], 0, ...fields(16, ...Array<number>(packetBytesMax - 23).fill(0)))
    assert.isUndefined(failureOf(texts))
    // The start of the header read as a TXT record, and one that goes on behind the end: an endless loop for some.
    const bomb = new Uint8Array(1400)
    bomb.set([0, 0, 0x10, 0, 0, 0, 0x13, 0x88, 0, 5, 0x6d, 0, 0, 0, 16, 0, 1, 0, 0, 0, 0, 0xff, 0xff])
    const started = process.cpuUsage()
    for (let round = 0; round < 20; round++) for (const one of [hostile, texts, bomb]) decode(one)
    const { system, user } = process.cpuUsage(started)
    assert.isBelow((system + user) / 60_000, 20, "milliseconds of CPU per packet")
  })

  it.prop(
    "never makes the reader throw",
    [bytes(0, 600)],
    ([packet]) => {
      decode(packet)
      const headed = Uint8Array.from(packet)
      headed.set([0, 0, 0x84, 0, 0, 1, 0, 3, 0, 0, 0, 2].slice(0, headed.length))
      decode(headed)
    },
    thorough
  )

  it("with any bits turned is read or refused, and never more is made of it than it holds", () => {
    const seed = fuzzSeed()
    const random = makeRandom(seed)
    const member = didNumber(1)
    const offers = offersOf(member, [
      { host: "10.0.0.1", port: 7777, transport: "any" },
      { host: "fd00::1", port: 7777, transport: "any" }
    ])
    const sources = [encodeQuery(offers), ...offers.map((offer) => encodeOffer(member, offer, 120))]
    for (let round = 0; round < 20_000; round++) {
      const mutated = Uint8Array.from(random.pick(sources))
      for (let turn = random.below(6); turn >= 0; turn--) mutated[random.below(mutated.length)] = random.below(256)
      const cut = mutated.subarray(0, random.below(4) === 0 ? random.below(mutated.length) : mutated.length)
      try {
        const message = Result.getOrUndefined(decode(cut))
        if (message?._tag === "Answer") {
          for (const { addresses } of message.announcements) {
            for (const { port } of addresses) assert.isTrue(port >= 1 && port <= 0xffff)
          }
        }
      } catch (thrown) {
        assert.fail(`FUZZ_SEED=${seed}, round ${round}: ${String(thrown)}`)
      }
    }
  })
})
