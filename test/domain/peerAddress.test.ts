import { multiaddr } from "@multiformats/multiaddr"
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Result, Schema } from "effect"
import * as Base58 from "../../src/domain/base58.ts"
import { Did } from "../../src/domain/did.ts"
import * as PeerAddress from "../../src/domain/peerAddress.ts"
import { peerIdText } from "../../src/domain/peerId.ts"
import { integer, thorough } from "../fixtures/arbitraries.ts"
import { did, didNumber } from "../fixtures/dids.ts"
import { peerAddress } from "../fixtures/peerAddresses.ts"

const did1 = didNumber(1)
const member = did1.text
const peerId = peerIdText(did1)
const icn = `did:icn:z${Base58.encode(did1.publicKey)}`

const accepted: ReadonlyArray<readonly [string, PeerAddress.PeerAddress]> = [
  [`icn://${member}@1.2.3.4:7777`, { host: "1.2.3.4", port: 7777, transport: "any" }],
  [`icn://${icn}@1.2.3.4:7777`, { host: "1.2.3.4", port: 7777, transport: "any" }],
  [`ICN://${member}@1.2.3.4:1`, { host: "1.2.3.4", port: 1, transport: "any" }],
  [`icn://${member}@[2001:DB8:0::1]:65535`, { host: "2001:db8::1", port: 65_535, transport: "any" }],
  [`icn://${member}@Node.Example.org:7777`, { host: "node.example.org", port: 7777, transport: "any" }],
  [`/ip4/1.2.3.4/udp/7777/quic-v1/p2p/${peerId}`, { host: "1.2.3.4", port: 7777, transport: "quic" }],
  [`/ip4/1.2.3.4/tcp/7777/p2p/${peerId}`, { host: "1.2.3.4", port: 7777, transport: "tcp" }],
  [`/ip6/2001:DB8::1/udp/7777/quic-v1/p2p/${peerId}`, { host: "2001:db8::1", port: 7777, transport: "quic" }],
  [`/ip6/::1/tcp/7777/p2p/${peerId}`, { host: "::1", port: 7777, transport: "tcp" }],
  [`/dns/Node.example/udp/7777/quic-v1/p2p/${peerId}`, { host: "node.example", port: 7777, transport: "quic" }],
  [`/dns4/node.example/tcp/7777/p2p/${peerId}`, { host: "node.example", port: 7777, transport: "tcp" }],
  [`/dns6/node.example/tcp/7777/p2p/${peerId}`, { host: "node.example", port: 7777, transport: "tcp" }]
]

const refused: ReadonlyArray<readonly [string, RegExp]> = [
  ["", /expected "icn:\/\//],
  ["1.2.3.4:7777", /expected "icn:\/\//],
  [`https://${member}@1.2.3.4:7777`, /expected "icn:\/\//],
  [`icn:${member}@1.2.3.4:7777`, /expected "icn:\/\//],
  ["icn://1.2.3.4:7777", /member is missing/],
  ["icn://alice@1.2.3.4:7777", /"alice" is not a DID/],
  [`icn://@1.2.3.4:7777`, /not a DID/],
  [`icn://${member}@`, /port is missing/],
  [`icn://${member}@:7777`, /expected "icn:\/\//],
  [`icn://${member}@1.2.3.4`, /port is missing/],
  [`icn://${member}@1.2.3.4:`, /port is a number from 1 to 65535/],
  [`icn://${member}@1.2.3.4:0`, /port is a number/],
  [`icn://${member}@1.2.3.4:07`, /port is a number/],
  [`icn://${member}@1.2.3.4:65536`, /port is a number/],
  [`icn://${member}@1.2.3.4:7777/`, /port is a number/],
  [`icn://${member}@1.2.3.4:7777?x=1`, /port is a number/],
  [`icn://${member}@::1`, /in brackets: \[::1\]/],
  [`icn://${member}@[fe80::1%eth0]:7777`, /without a zone/],
  [`icn://${member}@1.2.3:7777`, /looks like an IPv4 address/],
  [`icn://${member}@a_b:7777`, /no host name/],
  [`icn://${member}@${member}@1.2.3.4:7777`, /port is a number|host/],
  [` icn://${member}@1.2.3.4:7777`, /without blanks/],
  [`icn://${member}@1.2.3.4:7777,icn://${member}@1.2.3.5:7777`, /name one member/],
  [`icn://${member}@${"a".repeat(1_000_000)}:1`, /more than 512 characters/],
  ["/", /behind the host/],
  [`/ip4/1.2.3.4/p2p/${peerId}`, /behind the host/],
  [`/ip4/1.2.3.4/udp/7777/p2p/${peerId}`, /behind the host/],
  [`/ip4/1.2.3.4/udp/7777/quic/p2p/${peerId}`, /behind the host/],
  ["/ip4/1.2.3.4/udp/7777/quic-v1", /end the multiaddr with "\/p2p\/PEERID"/],
  ["/ip4/1.2.3.4/tcp/7777", /end the multiaddr with/],
  [`/ip4/1.2.3.4/tcp/7777/ws/p2p/${peerId}`, /not supported/],
  [`/ip4/1.2.3.4/tcp/7777/p2p/${peerId}/p2p-circuit/p2p/${peerId}`, /not supported/],
  [`/ip4/1.2.3.4/tcp/7777/p2p/${peerId}/`, /not supported/],
  ["/ip4/1.2.3.4/tcp/7777/p2p/alice", /peer id of an Ed25519 key/],
  [`/ip4/1.2.3.4/tcp/7777/p2p/${member}`, /peer id of an Ed25519 key/],
  [`/ip4/::1/tcp/7777/p2p/${peerId}`, /followed by an IPv4 address/],
  [`/ip6/1.2.3.4/tcp/7777/p2p/${peerId}`, /followed by an IPv6 address/],
  [`/dns/1.2.3.4/tcp/7777/p2p/${peerId}`, /looks like an IPv4/],
  [`/dnsaddr/node.example/tcp/7777/p2p/${peerId}`, /begins with/],
  [`/ip4/1.2.3.4/tcp/0/p2p/${peerId}`, /port is a number/]
]

const quicOrTcp = (address: PeerAddress.PeerAddress, quic: boolean): PeerAddress.PeerAddress => ({
  ...address,
  transport: quic ? "quic" : "tcp"
})

describe("parse", () => {
  it.each(accepted)("reads %s", (text, address) => {
    const uri = Result.getOrThrow(PeerAddress.parse(text))
    assert.deepStrictEqual(uri.address, address)
    assert.isTrue(Did.equals(uri.did, did1))
    assert.isTrue(Schema.is(PeerAddress.PeerUri)(uri))
  })

  it.each(refused)("refuses %s and says why", (text, why) => {
    assert.match(Result.getOrThrow(Result.flip(PeerAddress.parse(text))), why)
  })

  it.prop(
    "reads what format writes",
    [did, peerAddress],
    ([did, address]) => {
      const uri = Result.getOrThrow(PeerAddress.parse(PeerAddress.format({ did, address })))
      assert.deepStrictEqual(uri.address, address)
      assert.isTrue(Did.equals(uri.did, did))
    },
    { arbitrary: { runs: 200, size: 1000 } }
  )

  it.prop(
    "answers any text with a member's address or a sentence",
    [Schema.String],
    ([text]) => {
      for (const whole of [
        text,
        `icn://${text}`,
        `icn://${member}@${text}`,
        `/${text}`,
        `/ip4/${text}/p2p/${peerId}`
      ]) {
        const uri = PeerAddress.parse(whole)
        if (Result.isFailure(uri)) assert.isNotEmpty(uri.failure)
        else assert.deepStrictEqual(PeerAddress.parse(PeerAddress.format(uri.success)), uri)
      }
    },
    thorough
  )
})

describe("format", () => {
  it("writes the canonical DID, whatever was read", () => {
    const uri = Result.getOrThrow(PeerAddress.parse(`icn://${icn}@[::1]:7777`))
    assert.strictEqual(PeerAddress.format(uri), `icn://${member}@[::1]:7777`)
  })

  it.prop(
    "writes multiaddrs that libp2p reads and writes the same",
    [peerAddress, Arbitrary.map(integer(0, 1), Boolean)],
    ([address, quic]) => {
      const text = PeerAddress.format({ did: did1, address: quicOrTcp(address, quic) })
      assert.strictEqual(multiaddr(text).toString(), text)
    },
    thorough
  )
})

describe("formatAddress", () => {
  it.each([
    ["1.2.3.4:7777", { host: "1.2.3.4", port: 7777, transport: "any" }],
    ["[::1]:7777/quic", { host: "::1", port: 7777, transport: "quic" }],
    ["node.example:7777/tcp", { host: "node.example", port: 7777, transport: "tcp" }]
  ] as const)("writes %s", (text, address) => {
    assert.strictEqual(PeerAddress.formatAddress(address), text)
    assert.deepStrictEqual(PeerAddress.parseAddress(text), Result.succeed(address))
  })

  it.each(["", "1.2.3.4", "1.2.3.4:7777/udp", "1.2.3.4:7777/tcp/quic", "/tcp", "x".repeat(513)])(
    "has an inverse that refuses %s",
    (text) => assert.isNotEmpty(Result.getOrThrow(Result.flip(PeerAddress.parseAddress(text))))
  )

  it.prop(
    "writes what its inverse and its schema read",
    [peerAddress],
    ([address]) => {
      const text = PeerAddress.formatAddress(address)
      assert.deepStrictEqual(PeerAddress.parseAddress(text), Result.succeed(address))
      assert.deepStrictEqual(Schema.decodeSync(PeerAddress.PeerAddressFromString)(text), address)
      assert.strictEqual(Schema.encodeSync(PeerAddress.PeerAddressFromString)(address), text)
    },
    thorough
  )

  it("fails its schema with the sentence of the parser", () => {
    const decoded = Schema.decodeResult(PeerAddress.PeerAddressFromString)("1.2.3.4:0")
    assert.match(String(decoded), /number from 1 to 65535/)
  })
})

describe("equals", () => {
  it.prop(
    "says the same as the keys",
    [peerAddress, peerAddress],
    ([a, b]) => {
      assert.isTrue(PeerAddress.equals(a, { ...a }))
      assert.strictEqual(PeerAddress.equals(a, b), PeerAddress.addressKey(a) === PeerAddress.addressKey(b))
      assert.isFalse(PeerAddress.equals(quicOrTcp(a, true), quicOrTcp(a, false)))
      assert.notStrictEqual(PeerAddress.addressKey(quicOrTcp(a, true)), PeerAddress.addressKey(quicOrTcp(a, false)))
    },
    thorough
  )
})
