import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Result } from "effect"
import { format } from "../../src/domain/peerAddress.ts"
import { frameBytesMax } from "../../src/protocol/frames.ts"
import {
  candidatesPerMessageMax,
  type ControlMessage,
  controlMessageBytesMax,
  decodeControl,
  encodeControl,
  peersPerMessageMax,
  signalResults
} from "../../src/protocol/sessionControl.ts"
import { boolean, bytes, integer } from "../fixtures/arbitraries.ts"
import { candidateOf, connectionCandidate, hostAt, signedBy } from "../fixtures/connectionCandidates.ts"
import { did, didNumber, keyNumber } from "../fixtures/dids.ts"
import { peerAddress } from "../fixtures/peerAddresses.ts"
import { fuzzSeed, makeRandom } from "../fixtures/random.ts"

const utf8 = new TextEncoder()
const id = integer(0, 0xffff_ffff)
const text = Arbitrary.map(integer(0, 0x10_ffff), (code) => `é✓ "${code}" \\ ${"x".repeat(code % 100)}`)
const maybeCandidate = Arbitrary.map(Arbitrary.all([connectionCandidate, boolean]), ([candidate, given]) =>
  given ? candidate : null
)
const peer = Arbitrary.map(
  Arbitrary.all([did, Arbitrary.array(peerAddress, { minLength: 0, maxLength: 16 })]),
  ([did, addresses]) => ({ did, addresses: addresses.map((address) => format({ did, address })) })
)

const messages: ReadonlyArray<Arbitrary.Arbitrary<ControlMessage>> = [
  Arbitrary.map(
    Arbitrary.all([integer(0, 100), text, maybeCandidate, integer(0, 0xffff)]),
    ([version, software, candidate, port]) => ({
      _tag: "Hello",
      version,
      software,
      candidate,
      linkPort: port === 0 ? null : port
    })
  ),
  Arbitrary.map(id, (id) => ({ _tag: "Ping", id })),
  Arbitrary.map(id, (id) => ({ _tag: "Pong", id })),
  Arbitrary.map(Arbitrary.array(connectionCandidate, { minLength: 0, maxLength: 3 }), (candidates) => ({
    _tag: "Candidates",
    candidates
  })),
  Arbitrary.map(Arbitrary.all([id, did]), ([id, did]) => ({ _tag: "Find", id, did })),
  Arbitrary.map(Arbitrary.all([id, maybeCandidate]), ([id, candidate]) => ({ _tag: "Found", id, candidate })),
  Arbitrary.map(Arbitrary.all([id, integer(0, peersPerMessageMax)]), ([id, maxPeers]) => ({
    _tag: "PeersRequest",
    id,
    maxPeers
  })),
  Arbitrary.map(
    Arbitrary.all([id, Arbitrary.array(peer, { minLength: 0, maxLength: 5 }), integer(0, 1000)]),
    ([id, peers, totalKnown]) => ({ _tag: "PeersResponse", id, peers, totalKnown })
  ),
  Arbitrary.map(Arbitrary.all([id, did, bytes(1, 6144), integer(0, 1)]), ([id, to, sealed, hops]) => ({
    _tag: "Signal",
    id,
    to,
    sealed: Buffer.from(sealed).toString("base64url"),
    hops: hops === 0 ? 0 : 1
  })),
  Arbitrary.map(Arbitrary.all([id, integer(0, 2)]), ([id, index]) => ({
    _tag: "Signalled",
    id,
    result: signalResults[index] ?? "unknown"
  })),
  Arbitrary.map(Arbitrary.all([text, boolean]), ([reason, redial]) => ({ _tag: "Bye", reason, redial }))
]

const signal = { _tag: "Signal", id: 1, to: didNumber(1).text, sealed: "AAAA", hops: 0 }

const refused = (json: unknown): string => {
  const decoded = decodeControl(utf8.encode(typeof json === "string" ? json : JSON.stringify(json)))
  assert.isTrue(Result.isFailure(decoded), JSON.stringify(json).slice(0, 100))
  return Result.isFailure(decoded) ? decoded.failure : ""
}

describe("control messages", () => {
  for (const [index, message] of messages.entries()) {
    it.prop(
      `come back as they were (${index + 1} of ${messages.length})`,
      [message],
      ([message]) => {
        assert.deepStrictEqual(Result.getOrThrow(decodeControl(encodeControl(message))), message)
      },
      { arbitrary: { runs: 40, size: 1000 } }
    )
  }

  it("are JSON, with texts for members, addresses and signatures", () => {
    const encoded = encodeControl({ _tag: "Find", id: 7, did: didNumber(1) })
    assert.deepStrictEqual(JSON.parse(new TextDecoder().decode(encoded)), {
      _tag: "Find",
      id: 7,
      did: didNumber(1).text
    })
  })

  it("are refused with a reason when a field is missing, of another type, out of range, or of no kind", () => {
    const candidate: unknown = JSON.parse(
      new TextDecoder().decode(encodeControl({ _tag: "Found", id: 1, candidate: candidateOf(1, 1, "192.0.2.1") }))
    )
    const hostile: ReadonlyArray<unknown> = [
      "",
      "{",
      "null",
      "[]",
      "7",
      '"Ping"',
      "{}",
      { _tag: "Nothing" },
      { _tag: ["Ping"], id: 1 },
      { _tag: "Ping" },
      { _tag: "Ping", id: -1 },
      { _tag: "Ping", id: 0x1_0000_0000 },
      { _tag: "Ping", id: 1.5 },
      { _tag: "Ping", id: "1" },
      { _tag: "Ping", id: null },
      '{"_tag":"Ping","id":1e999}',
      { _tag: "Hello", version: 1, software: "x" },
      { _tag: "Hello", version: 1, software: "x".repeat(129), candidate: null, linkPort: null },
      { _tag: "Hello", version: "1", software: "x", candidate: null, linkPort: null },
      { _tag: "Find", id: 1, did: "did:key:z6MkNobody" },
      { _tag: "Hello", version: 1, software: "x", candidate: null, linkPort: 0 },
      { _tag: "Hello", version: 1, software: "x", candidate: null, linkPort: 65_536 },
      { _tag: "Find", id: 1, did: {} },
      { ...signal, hops: 2 },
      { ...signal, hops: true },
      { ...signal, sealed: "" },
      { ...signal, sealed: "a b" },
      { ...signal, sealed: "a".repeat(8193) },
      { ...signal, to: "nobody" },
      { _tag: "Signalled", id: 1, result: "maybe" },
      { _tag: "Found", id: 1, candidate: {} },
      { _tag: "PeersRequest", id: 1, maxPeers: peersPerMessageMax + 1 },
      {
        _tag: "PeersResponse",
        id: 1,
        peers: [{ did: didNumber(1).text, addresses: ["x".repeat(513)] }],
        totalKnown: 1
      },
      {
        _tag: "PeersResponse",
        id: 1,
        peers: [{ did: didNumber(1).text, addresses: Array(17).fill("x") }],
        totalKnown: 1
      },
      { _tag: "PeersResponse", id: 1, peers: { length: 1 }, totalKnown: 1 },
      { _tag: "Candidates", candidates: [candidate] },
      { _tag: "Bye", reason: "x".repeat(129), redial: true },
      { _tag: "Bye", reason: "x" },
      '{"_tag":"Bye","reason":'.padEnd(100_000, "[")
    ]
    for (const one of hostile) assert.isNotEmpty(refused(one))
  })

  it("are not led astray by names that objects have by themselves", () => {
    const before = Object.keys(Object.prototype).length
    const decoded = decodeControl(
      utf8.encode('{"_tag":"Ping","id":1,"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}')
    )
    assert.deepStrictEqual(Result.getOrThrow(decoded), { _tag: "Ping", id: 1 })
    assert.strictEqual(Object.keys(Object.prototype).length, before)
    assert.isFalse("polluted" in {})
  })

  it("hold at most as many candidates and members as are agreed", () => {
    const one = candidateOf(1, 1, "192.0.2.1")
    const candidates = (count: number): ControlMessage => ({ _tag: "Candidates", candidates: Array(count).fill(one) })
    assert.isTrue(Result.isSuccess(decodeControl(encodeControl(candidates(candidatesPerMessageMax)))))
    assert.throws(() => encodeControl(candidates(candidatesPerMessageMax + 1)))
  })

  it("fit into a frame when they are as large as this node makes them", () => {
    const addresses = Array.from({ length: 16 }, (_, index) =>
      hostAt(`2001:db8:aaaa:bbbb:cccc:dddd:eeee:ff${index + 10}`, 60_000)
    )
    const largest = signedBy(keyNumber(1), { timestamp: Number.MAX_SAFE_INTEGER, addresses })
    const candidates = Array.from({ length: candidatesPerMessageMax }, () => largest)
    assert.isBelow(encodeControl({ _tag: "Candidates", candidates }).length, frameBytesMax)
  })

  it("are refused when they are too long or no UTF-8, before anything else is done with them", () => {
    const long = decodeControl(new Uint8Array(controlMessageBytesMax + 1).fill(0x20))
    assert.deepStrictEqual(long, Result.fail(`${controlMessageBytesMax + 1} bytes are too long`))
    const invalid = decodeControl(Uint8Array.of(0x22, 0xff, 0x22))
    assert.deepStrictEqual(invalid, Result.fail("it is not UTF-8"))
  })

  it("never throw, whatever arrives", () => {
    const seed = fuzzSeed()
    const random = makeRandom(seed)
    const valid = encodeControl({ _tag: "Found", id: 1, candidate: candidateOf(1, 1, "192.0.2.1", "192.0.2.2") })
    for (let round = 0; round < 2000; round++) {
      const bytes = valid.slice()
      for (let changes = random.below(4) + 1; changes > 0; changes--) {
        bytes[random.below(bytes.length)] = random.below(256)
      }
      assert.doesNotThrow(() => decodeControl(bytes), `FUZZ_SEED=${seed}`)
    }
  })
})
