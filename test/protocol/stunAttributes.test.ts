import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Result } from "effect"
import type { TransportAddress } from "../../src/domain/transportAddress.ts"
import * as Stun from "../../src/protocol/stun.ts"
import * as Attribute from "../../src/protocol/stunAttributes.ts"
import { bytes, integer, thorough, transactionId, transportAddress } from "../fixtures/arbitraries.ts"

const id = Uint8Array.of(0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae)
const utf8 = new TextEncoder()
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"))

const message = (...attributes: ReadonlyArray<Stun.StunAttribute>): Stun.StunMessage => ({
  class: "success",
  method: 3,
  transactionId: id,
  attributes
})
const reasonOf = <A extends {}>(kind: Attribute.AttributeKind<A>, value: Uint8Array): Stun.StunDecodeReason =>
  Result.getOrThrow(Result.flip(Attribute.required(message({ type: kind.type, value }), kind))).reason

/** Holds an attribute to its number and to its bytes on the wire, in both directions. */
const vector = <A extends {}>(
  name: string,
  kind: Attribute.AttributeKind<A>,
  type: number,
  value: A,
  wire: Uint8Array
) =>
  it(`${name} is 0x${type.toString(16).padStart(4, "0")} with the bytes of its RFC`, () => {
    const attribute = Attribute.make(kind, value, id)
    assert.deepStrictEqual(attribute, { type, value: wire })
    assert.deepStrictEqual(Attribute.required(message(attribute), kind), Result.succeed(value))
  })

const reasonsOf = <A extends {}>(kind: Attribute.AttributeKind<A>, ...lengths: ReadonlyArray<number>) =>
  new Set(lengths.map((length) => reasonOf(kind, new Uint8Array(length))))

const roundTrip = <A extends {}>(name: string, kind: Attribute.AttributeKind<A>, values: Arbitrary.Arbitrary<A>) =>
  it.prop(
    `${name} comes back`,
    [values, transactionId],
    ([value, transactionId]) => {
      const attributes = [Attribute.make(kind, value, transactionId)]
      const decoded = Attribute.required({ class: "request", method: 1, transactionId, attributes }, kind)
      assert.deepStrictEqual(decoded, Result.succeed(value))
    },
    thorough
  )

describe("STUN attribute values", () => {
  const four: TransportAddress = { host: "192.0.2.1", port: 32853 }
  const six: TransportAddress = { host: "2001:db8:1234:5678:11:2233:4455:6677", port: 32853 }
  const sixBytes = "20010db8123456780011223344556677"
  // RFC 5769 sections 2.2 and 2.3 for the XORed addresses.
  const fourXored = hex("0001 a147 e112a643")
  const sixXored = hex("0002 a147 0113a9faa5d3f179bc25f4b5bed2b9d9")

  vector("MAPPED-ADDRESS over IPv4", Attribute.mappedAddress, 0x0001, four, hex("0001 8055 c0000201"))
  vector("MAPPED-ADDRESS over IPv6", Attribute.mappedAddress, 0x0001, six, hex(`0002 8055 ${sixBytes}`))
  vector("XOR-MAPPED-ADDRESS over IPv4", Attribute.xorMappedAddress, 0x0020, four, fourXored)
  vector("XOR-MAPPED-ADDRESS over IPv6", Attribute.xorMappedAddress, 0x0020, six, sixXored)
  vector("XOR-PEER-ADDRESS", Attribute.xorPeerAddress, 0x0012, four, fourXored)
  vector("XOR-RELAYED-ADDRESS", Attribute.xorRelayedAddress, 0x0016, six, sixXored)
  vector("ALTERNATE-SERVER", Attribute.alternateServer, 0x8023, four, hex("0001 8055 c0000201"))
  vector("USERNAME", Attribute.username, 0x0006, "マトリ", utf8.encode("マトリ"))
  vector("REALM", Attribute.realm, 0x0014, "example.org", utf8.encode("example.org"))
  vector("NONCE", Attribute.nonce, 0x0015, hex("ff00fe"), hex("ff00fe"))
  vector("SOFTWARE", Attribute.software, 0x8022, "icn-node", utf8.encode("icn-node"))
  vector("LIFETIME", Attribute.lifetime, 0x000d, 600, hex("00000258"))
  vector("DATA", Attribute.data, 0x0013, hex("010203"), hex("010203"))
  vector("CHANNEL-NUMBER", Attribute.channelNumber, 0x000c, 0x4abc, hex("4abc0000"))
  vector("REQUESTED-TRANSPORT", Attribute.requestedTransport, 0x0019, 17, hex("11000000"))
  vector("REQUESTED-ADDRESS-FAMILY of IPv4", Attribute.requestedAddressFamily, 0x0017, 4 as const, hex("01000000"))
  vector("REQUESTED-ADDRESS-FAMILY of IPv6", Attribute.requestedAddressFamily, 0x0017, 6 as const, hex("02000000"))
  vector("PRIORITY", Attribute.priority, 0x0024, 0x6e0001ff, hex("6e0001ff"))
  vector("USE-CANDIDATE", Attribute.useCandidate, 0x0025, true as const, hex(""))
  vector("ICE-CONTROLLED", Attribute.iceControlled, 0x8029, 0x932ff9b151263b36n, hex("932ff9b151263b36"))
  vector("ICE-CONTROLLING", Attribute.iceControlling, 0x802a, 1n, hex("0000000000000001"))
  vector("CHANGE-REQUEST", Attribute.changeRequest, 0x0003, { ip: true, port: false }, hex("00000004"))
  vector("RESPONSE-ORIGIN", Attribute.responseOrigin, 0x802b, four, hex("0001 8055 c0000201"))
  vector("OTHER-ADDRESS", Attribute.otherAddress, 0x802c, four, hex("0001 8055 c0000201"))
  vector("UNKNOWN-ATTRIBUTES", Attribute.unknownAttributes, 0x000a, [0x1234, 0x8001], hex("12348001"))
  vector(
    "ERROR-CODE",
    Attribute.errorCode,
    0x0009,
    { code: 438, reason: "Stale Nonce" },
    Uint8Array.of(0, 0, 4, 38, ...utf8.encode("Stale Nonce"))
  )
})

describe("decoding an attribute value", () => {
  it("asks for the length of its type", () => {
    const wrongLength = new Set(["attributeLength"])
    assert.deepStrictEqual(reasonsOf(Attribute.mappedAddress, 0, 7, 21), wrongLength)
    assert.deepStrictEqual(reasonsOf(Attribute.xorPeerAddress, 0, 7, 21), wrongLength)
    assert.deepStrictEqual(reasonsOf(Attribute.username, 509), wrongLength)
    assert.deepStrictEqual(reasonsOf(Attribute.realm, 764), wrongLength)
    assert.deepStrictEqual(reasonsOf(Attribute.nonce, 764), wrongLength)
    assert.deepStrictEqual(reasonsOf(Attribute.lifetime, 0, 3, 5, 8), wrongLength)
    assert.deepStrictEqual(reasonsOf(Attribute.channelNumber, 0, 2, 5), wrongLength)
    assert.deepStrictEqual(reasonsOf(Attribute.requestedTransport, 0, 1, 5), wrongLength)
    assert.deepStrictEqual(reasonsOf(Attribute.requestedAddressFamily, 0, 1, 5), wrongLength)
    assert.deepStrictEqual(reasonsOf(Attribute.errorCode, 0, 3, 768), wrongLength)
    assert.deepStrictEqual(reasonsOf(Attribute.unknownAttributes, 513), wrongLength)
  })

  it("refuses an address of a family that does not go with its length", () => {
    for (const kind of [Attribute.mappedAddress, Attribute.xorMappedAddress]) {
      assert.strictEqual(reasonOf(kind, hex("0002 8055 c0000201")), "attributeValue")
      assert.strictEqual(reasonOf(kind, hex("0001 8055 0113a9faa5d3f179bc25f4b5bed2b9d9")), "attributeValue")
      assert.strictEqual(reasonOf(kind, hex("0003 8055 c0000201")), "attributeValue")
      assert.strictEqual(reasonOf(kind, new Uint8Array(12).fill(1)), "attributeValue")
    }
  })

  it("ignores the reserved byte of an address", () => {
    const decoded = Attribute.required(
      message({ type: 0x0001, value: hex("ff01 8055 c0000201") }),
      Attribute.mappedAddress
    )
    assert.deepStrictEqual(decoded, Result.succeed({ host: "192.0.2.1", port: 32853 }))
  })

  it("leaves the datagram as it was, so that its integrity can still be verified", () => {
    const value = hex("0001 a147 e112a643")
    const before = value.slice()
    Attribute.required(message({ type: 0x0020, value }), Attribute.xorMappedAddress)
    assert.deepStrictEqual(value, before)
  })

  it("refuses text that is not UTF-8", () => {
    for (const bad of ["ff", "c080", "eda080", "f4908080", "e383"]) {
      assert.strictEqual(reasonOf(Attribute.realm, hex(bad)), "attributeValue", bad)
    }
  })

  it("keeps a byte order mark, so that a realm goes back as it came", () => {
    const realm = Result.getOrThrow(
      Attribute.required(message({ type: 0x0014, value: hex("efbbbf61") }), Attribute.realm)
    )
    assert.deepStrictEqual(Attribute.make(Attribute.realm, realm, id).value, hex("efbbbf61"))
  })

  it("refuses channel numbers outside 0x4000 to 0x4fff", () => {
    for (const value of ["3fff0000", "50000000", "00000000", "ffff0000"]) {
      assert.strictEqual(reasonOf(Attribute.channelNumber, hex(value)), "attributeValue", value)
    }
  })

  it("refuses unknown address families and odd lists of attribute types", () => {
    assert.strictEqual(reasonOf(Attribute.requestedAddressFamily, hex("03000000")), "attributeValue")
    assert.strictEqual(reasonOf(Attribute.unknownAttributes, hex("123480")), "attributeValue")
  })

  it("refuses error codes outside 300 to 699, and ignores the reserved bits", () => {
    for (const value of ["00000263", "00000700", "00000464", "000003ff", "00000000"]) {
      assert.strictEqual(reasonOf(Attribute.errorCode, hex(value)), "attributeValue", value)
    }
    const decoded = Attribute.required(message({ type: 0x0009, value: hex("fffffc01") }), Attribute.errorCode)
    assert.deepStrictEqual(decoded, Result.succeed({ code: 401, reason: "" }))
  })

  it("keeps what a server says out of the log's control: no escape sequences, no broken text", () => {
    const value = Uint8Array.of(
      0,
      0,
      4,
      0,
      0x1b,
      0x5b,
      0x0a,
      0xff,
      0x61,
      ...new TextEncoder().encode("\u{202e}\u{2028}")
    )
    const decoded = Attribute.required(message({ type: 0x0009, value }), Attribute.errorCode)
    assert.deepStrictEqual(decoded, Result.succeed({ code: 400, reason: "\u{fffd}[\u{fffd}\u{fffd}a\u{fffd}\u{fffd}" }))
  })
})

describe("reading attributes", () => {
  const first = Attribute.make(Attribute.xorPeerAddress, { host: "192.0.2.1", port: 1 }, id)
  const second = Attribute.make(Attribute.xorPeerAddress, { host: "192.0.2.2", port: 2 }, id)
  const broken = { type: first.type, value: new Uint8Array(3) }

  it("takes the first of a type, or all where the type repeats", () => {
    assert.deepStrictEqual(
      Attribute.required(message(first, second), Attribute.xorPeerAddress),
      Result.succeed({ host: "192.0.2.1", port: 1 })
    )
    assert.deepStrictEqual(
      Attribute.repeated(message(first, second), Attribute.xorPeerAddress),
      Result.succeed([
        { host: "192.0.2.1", port: 1 },
        { host: "192.0.2.2", port: 2 }
      ])
    )
  })

  it("tells a missing attribute from a broken one", () => {
    assert.deepStrictEqual(Attribute.optional(message(), Attribute.lifetime), Result.succeed(undefined))
    assert.deepStrictEqual(
      Attribute.required(message(), Attribute.lifetime),
      Stun.decodeFailure("attributeMissing", 0, 0x000d)
    )
    assert.isTrue(Result.isFailure(Attribute.optional(message(broken), Attribute.xorPeerAddress)))
    assert.isTrue(Result.isFailure(Attribute.repeated(message(first, broken), Attribute.xorPeerAddress)))
  })

  it("lists the comprehension-required types that nobody here understands", () => {
    const unknown = [0x0003, 0x8fff, 0x7fff].map((type) => ({ type, value: new Uint8Array(0) }))
    assert.deepStrictEqual(Attribute.unknownRequired(message(first, ...unknown)), [0x0003, 0x7fff])
  })
})

describe("encoding an attribute value", () => {
  it("refuses what the attribute cannot hold", () => {
    assert.throws(() => Attribute.make(Attribute.xorPeerAddress, { host: "turn.example.org", port: 1 }, id), RangeError)
    assert.throws(() => Attribute.make(Attribute.xorPeerAddress, { host: "::1", port: 65536 }, id), RangeError)
    assert.throws(() => Attribute.make(Attribute.xorPeerAddress, { host: "::1", port: 1.5 }, id), RangeError)
    assert.throws(() => Attribute.make(Attribute.channelNumber, 0x3fff, id), RangeError)
    assert.throws(() => Attribute.make(Attribute.errorCode, { code: 299, reason: "" }, id), RangeError)
    assert.throws(() => Attribute.make(Attribute.username, "ä".repeat(255), id), RangeError)
    assert.throws(() => Attribute.make(Attribute.lifetime, -1, id), RangeError)
    assert.throws(() => Attribute.make(Attribute.lifetime, 2 ** 32, id), RangeError)
    assert.throws(() => Attribute.make(Attribute.requestedTransport, 256, id), RangeError)
  })
})

describe("attribute round trips", () => {
  const text = Arbitrary.map(bytes(0, 200), (values) => String.fromCharCode(...values))
  roundTrip("XOR-PEER-ADDRESS", Attribute.xorPeerAddress, transportAddress)
  roundTrip("MAPPED-ADDRESS", Attribute.mappedAddress, transportAddress)
  roundTrip("LIFETIME", Attribute.lifetime, integer(0, 0xffffffff))
  roundTrip("CHANNEL-NUMBER", Attribute.channelNumber, integer(0x4000, 0x4fff))
  roundTrip("REALM", Attribute.realm, text)
  roundTrip("NONCE", Attribute.nonce, bytes(0, 763))
  roundTrip("UNKNOWN-ATTRIBUTES", Attribute.unknownAttributes, Arbitrary.array(integer(0, 0xffff), { maxLength: 200 }))
  roundTrip(
    "ERROR-CODE",
    Attribute.errorCode,
    Arbitrary.map(Arbitrary.all([integer(300, 699), text]), ([code, text]) => ({
      code,
      reason: Attribute.printable(text)
    }))
  )
})
