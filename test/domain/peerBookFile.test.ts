import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Result, Schema } from "effect"
import { keptAddressesMax, type KeptPeer, keptPeersMax } from "../../src/domain/knownPeers.ts"
import { decode, encode, peerBookFileBytesMax } from "../../src/domain/peerBookFile.ts"
import { integer, thorough } from "../fixtures/arbitraries.ts"
import { quicAt } from "../fixtures/connectionCandidates.ts"
import { did, didNumber } from "../fixtures/dids.ts"
import { peerAddress } from "../fixtures/peerAddresses.ts"

const sources = ["session", "exchange", "mdns"] as const
const millis = integer(0, Number.MAX_SAFE_INTEGER)

const keptPeer: Arbitrary.Arbitrary<KeptPeer> = Arbitrary.map(
  Arbitrary.all([
    did,
    millis,
    Arbitrary.array(Arbitrary.all([peerAddress, integer(0, 2), millis, integer(0, 1)]), {
      minLength: 0,
      maxLength: keptAddressesMax
    })
  ]),
  ([did, lastSeenMillis, addresses]) => ({
    did,
    lastSeenMillis,
    addresses: addresses.map(([address, source, worked, once]) => ({
      address,
      source: sources[source] ?? "session",
      workedMillis: once === 0 ? undefined : worked
    }))
  })
)

const one: KeptPeer = {
  did: didNumber(1),
  lastSeenMillis: 5,
  addresses: [
    { address: quicAt("2001:db8::1"), source: "session", workedMillis: 4 },
    { address: { host: "192.0.2.1", port: 1, transport: "any" }, source: "mdns", workedMillis: undefined }
  ]
}
const text = encode([one])

describe("encode", () => {
  it("writes a line for each member", () => {
    const addresses =
      '{"address":"[2001:db8::1]:7777/quic","source":"session","worked":4},{"address":"192.0.2.1:1","source":"mdns"}'
    assert.deepStrictEqual(text.split("\n"), [
      '{"version":1,"peers":[',
      `{"did":"${didNumber(1).text}","lastSeen":5,"addresses":[${addresses}]}]}`,
      ""
    ])
    assert.strictEqual(encode([]), '{"version":1,"peers":[]}\n')
  })

  it("leaves out what the next start learns anyway", () => {
    const said: KeptPeer = {
      ...one,
      addresses: [
        { address: quicAt("192.0.2.9"), source: "config", workedMillis: 1 },
        { address: quicAt("192.0.2.8"), source: "candidate", workedMillis: undefined },
        ...one.addresses
      ]
    }
    assert.strictEqual(encode([said]), text)
  })

  it("stays within the limit, whatever it is given", () => {
    const label = "a".repeat(63)
    const long: KeptPeer = {
      did: didNumber(1),
      lastSeenMillis: Number.MAX_SAFE_INTEGER,
      addresses: Array.from({ length: keptAddressesMax }, (_, index) => ({
        address: quicAt(`${label}.${label}.${label}.${"b".repeat(61)}`, 10_000 + index),
        source: "exchange",
        workedMillis: Number.MAX_SAFE_INTEGER
      }))
    }
    const encoded = encode(Array.from({ length: keptPeersMax + 1 }, () => long))
    assert.isAtMost(Buffer.byteLength(encoded), peerBookFileBytesMax)
    const decoded = Result.getOrThrow(decode(encoded))
    assert.isAbove(decoded.length, 300)
    const short = encode(Array.from({ length: keptPeersMax + 1 }, () => one))
    assert.strictEqual(Result.getOrThrow(decode(short)).length, keptPeersMax)
  })
})

const record = (change: Record<string, unknown>): string =>
  JSON.stringify({ version: 1, peers: [{ did: didNumber(1).text, lastSeen: 1, addresses: [], ...change }] })
const address = (change: Record<string, unknown>): string =>
  record({ addresses: [{ address: "192.0.2.1:1", source: "session", ...change }] })

describe("decode", () => {
  it.prop(
    "reads what encode writes",
    [Arbitrary.array(keptPeer, { minLength: 0, maxLength: 5 })],
    ([peers]) => {
      const decoded = Result.getOrThrow(decode(encode(peers)))
      assert.deepStrictEqual(decoded, peers)
    },
    { arbitrary: { runs: 50, size: 1000 } }
  )

  it("reads the least that can be", () => {
    assert.isTrue(Result.isSuccess(decode(record({}))))
    assert.isTrue(Result.isSuccess(decode(address({}))))
  })

  it.each([
    ["nothing", ""],
    ["half a file", text.slice(0, text.length / 2)],
    ["something behind", `${text}x`],
    ["another document", "[]"],
    ["another version", text.replace('"version":1', '"version":2')],
    ["another key", text.replace('"version":1', '"version":1,"more":1')],
    ["a DID that is none", record({ did: "did:key:z6Mk" })],
    ["a time that is none", record({ lastSeen: -1 })],
    ["another key in a member", record({ name: "alice" })],
    ["an address that is none", address({ address: "192.0.2.1" })],
    ["another source", address({ source: "config" })],
    ["a success at no time", address({ worked: "1" })],
    [
      "nine addresses",
      record({ addresses: Array.from({ length: 9 }, (_, n) => ({ address: `192.0.2.1:${n + 1}`, source: "mdns" })) })
    ],
    [
      "513 members",
      JSON.stringify({
        version: 1,
        peers: Array.from({ length: 513 }, () => ({ did: didNumber(1).text, lastSeen: 1, addresses: [] }))
      })
    ]
  ])("refuses %s", (_name, damaged) => {
    assert.isNotEmpty(Result.getOrThrow(Result.flip(decode(damaged))))
  })

  it.prop("answers any text", [Schema.String], ([any]) => assert.isTrue(Result.isFailure(decode(any))), thorough)
})
