import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Equal, Result, Schema } from "effect"
import { scopeOf } from "../../src/domain/addressScope.ts"
import {
  announced,
  type CandidateAddress,
  candidateAddressesMax,
  candidateFutureMaxMillis,
  candidateJsonBytesMax,
  candidateTag,
  candidateTtlMillis,
  ConnectionCandidate,
  isSame,
  signedBytes,
  timeVerdict
} from "../../src/domain/connectionCandidate.ts"
import { domainTags, frame, VerificationKey } from "../../src/domain/ed25519.ts"
import { addressKey } from "../../src/domain/peerAddress.ts"
import { integer } from "../fixtures/arbitraries.ts"
import {
  candidateAddress,
  candidateOf,
  connectionCandidate,
  hostAt,
  quicAt,
  signedBy
} from "../fixtures/connectionCandidates.ts"
import { keyNumber } from "../fixtures/dids.ts"

const decode = Schema.decodeUnknownResult(ConnectionCandidate)
const encode = Schema.encodeSync(ConnectionCandidate)
const isSigned = (candidate: ConnectionCandidate): boolean =>
  Result.getOrThrow(VerificationKey.fromBytes(candidate.did.publicKey)).verify(
    frame(candidateTag, signedBytes(candidate)),
    candidate.signature
  )

const sample = signedBy(keyNumber(1), {
  timestamp: 1_700_000_000_000,
  addresses: [
    hostAt("192.168.1.2"),
    { kind: "reflexive", address: { host: "2001:db8::1", port: 4000, transport: "any" } }
  ]
})

describe("ConnectionCandidate", () => {
  it("has texts for what is no JSON", () => {
    assert.deepStrictEqual(encode(sample), {
      version: 1,
      did: sample.did.text,
      addresses: [
        { kind: "host", address: "192.168.1.2:7777/quic" },
        { kind: "reflexive", address: "[2001:db8::1]:4000" }
      ],
      timestamp: 1_700_000_000_000,
      signature: Buffer.from(sample.signature).toString("base64url")
    })
  })

  it.prop(
    "reads what it writes, with the signature still good",
    [connectionCandidate],
    ([candidate]) => {
      const json = JSON.stringify(encode(candidate))
      const decoded = Result.getOrThrow(decode(JSON.parse(json)))
      assert.isTrue(Equal.equals(decoded.did, candidate.did))
      assert.deepStrictEqual(decoded.addresses, candidate.addresses)
      assert.isTrue(isSame(decoded, candidate))
      assert.isTrue(isSigned(decoded))
    },
    { arbitrary: { runs: 100, size: 1000 } }
  )

  it("fits its limit with the longest addresses", () => {
    const addresses = Array.from({ length: candidateAddressesMax }, (_, index): CandidateAddress => ({
      kind: "reflexive",
      address: { host: "2001:db8:1111:2222:3333:4444:5555:6666", port: 10_000 + index, transport: "quic" }
    }))
    const longest = signedBy(keyNumber(1), { timestamp: Number.MAX_SAFE_INTEGER, addresses })
    assert.isAtMost(JSON.stringify(encode(longest)).length, candidateJsonBytesMax)
  })

  const json = encode(sample)
  const address = (text: string) => ({ ...json, addresses: [{ kind: "host", address: text }] })

  it.each<readonly [string, unknown]>([
    ["nothing", undefined],
    ["another version", { ...json, version: 2 }],
    ["a DID that is none", { ...json, did: "did:key:z6Mk" }],
    ["a name", address("node.example:7777")],
    ["a port that is none", address("1.2.3.4:0")],
    ["an IPv6 address without brackets", address("2001:db8::1:7777")],
    ["another kind", { ...json, addresses: [{ kind: "relayed", address: "1.2.3.4:5" }] }],
    ["an address twice", { ...json, addresses: [...json.addresses, ...json.addresses] }],
    [
      "an address in two spellings",
      { ...json, addresses: ["[2001:db8::1]:5", "[2001:DB8:0::1]:5"].map((address) => ({ kind: "host", address })) }
    ],
    [
      "17 addresses",
      { ...json, addresses: Array.from({ length: 17 }, (_, n) => ({ kind: "host", address: `1.2.3.4:${n + 1}` })) }
    ],
    ["a time before the epoch", { ...json, timestamp: -1 }],
    ["a time that is no integer", { ...json, timestamp: 0.5 }],
    ["a time too large to be exact", { ...json, timestamp: 2 ** 53 }],
    ["a short signature", { ...json, signature: json.signature.slice(1) }],
    ["a padded signature", { ...json, signature: `${json.signature}==` }],
    ["a signature with idle bits", { ...json, signature: `${json.signature.slice(0, -1)}B` }],
    ["a signature in another alphabet", { ...json, signature: `+${json.signature.slice(1)}` }]
  ])("refuses %s", (_name, input) => assert.isTrue(Result.isFailure(decode(input))))

  it.prop("answers anything at all", [Schema.Json], ([input]) => assert.isTrue(Result.isFailure(decode(input))))
})

describe("signedBytes", () => {
  it("has the documented layout", () => {
    const hex = Buffer.from(signedBytes(sample)).toString("hex")
    const key = Buffer.from(sample.did.publicKey).toString("hex")
    const first = "000104c0a801021e61"
    const second = "01001020010db80000000000000000000000010fa0"
    assert.strictEqual(hex, `01${key}0000018bcfe5680002${first}${second}`)
  })

  it("is for a purpose of its own", () => assert.include(domainTags, candidateTag))

  it.prop(
    "differs for different statements",
    [connectionCandidate, connectionCandidate],
    ([a, b]) => {
      const same = Buffer.compare(signedBytes(a), signedBytes(b)) === 0
      const { signature: _a, ...left } = encode(a)
      const { signature: _b, ...right } = encode(b)
      assert.strictEqual(same, JSON.stringify(left) === JSON.stringify(right))
      assert.isTrue(isSame(a, { ...a }))
      assert.strictEqual(isSame(a, b), same)
    },
    { arbitrary: { runs: 100, size: 1000 } }
  )

  it("covers every field", () => {
    const changed: ReadonlyArray<ConnectionCandidate> = [
      { ...sample, did: candidateOf(2, 0).did },
      { ...sample, timestamp: sample.timestamp + 1 },
      { ...sample, addresses: sample.addresses.slice(1) },
      { ...sample, addresses: sample.addresses.toReversed() },
      { ...sample, addresses: sample.addresses.map((one) => ({ ...one, kind: "host" })) },
      { ...sample, addresses: [hostAt("192.168.1.3"), ...sample.addresses.slice(1)] },
      { ...sample, addresses: [hostAt("192.168.1.2", 7778), ...sample.addresses.slice(1)] },
      {
        ...sample,
        addresses: [
          { kind: "host", address: { ...quicAt("192.168.1.2"), transport: "tcp" } },
          ...sample.addresses.slice(1)
        ]
      }
    ]
    assert.isTrue(isSigned(sample))
    for (const candidate of changed) assert.isFalse(isSigned(candidate))
  })

  it("throws for a name, which no decoded candidate holds", () => {
    assert.throws(() => signedBytes({ ...sample, addresses: [hostAt("node.example")] }), /no IP literal/)
  })
})

describe("timeVerdict", () => {
  it.each([
    [0, "fresh"],
    [candidateTtlMillis, "fresh"],
    [candidateTtlMillis + 1, "expired"],
    [-candidateFutureMaxMillis, "fresh"],
    [-candidateFutureMaxMillis - 1, "future"]
  ] as const)("says of a candidate %i ms old that it is %s", (age, verdict) => {
    assert.strictEqual(timeVerdict({ timestamp: 1_700_000_000_000 }, 1_700_000_000_000 + age), verdict)
  })
})

describe("announced", () => {
  const all = ["127.0.0.1", "0.0.0.0", "10.0.0.1", "8.8.8.8", "fe80::1", "2001:db8::1", "ff02::1"].map((host) =>
    hostAt(host)
  )
  const hosts = (policy: "all" | "public" | "none") => announced(all, policy).map(({ address }) => address.host)

  it("tells everything that can be dialled, widest first", () => {
    assert.deepStrictEqual(hosts("all"), ["8.8.8.8", "2001:db8::1", "10.0.0.1", "fe80::1", "127.0.0.1"])
  })

  it("tells only what the internet reaches", () => assert.deepStrictEqual(hosts("public"), ["8.8.8.8", "2001:db8::1"]))

  it("tells nothing", () => assert.deepStrictEqual(hosts("none"), []))

  it.prop(
    "makes a list that a candidate may hold",
    [Arbitrary.array(candidateAddress, { minLength: 0, maxLength: 40 }), integer(0, 10)],
    ([addresses, timestamp]) => {
      for (const policy of ["all", "public", "none"] as const) {
        const told = announced([...addresses, ...addresses], policy)
        assert.isTrue(Result.isSuccess(decode(encode(signedBy(keyNumber(1), { timestamp, addresses: told })))))
        for (const { address } of told) assert.notStrictEqual(scopeOf(address.host), "unusable")
        const usable = addresses.filter(({ address }) => scopeOf(address.host) !== "unusable")
        const distinct = new Set(usable.map(({ address }) => addressKey(address))).size
        if (policy === "all") assert.strictEqual(told.length, Math.min(distinct, candidateAddressesMax))
      }
    },
    { arbitrary: { runs: 100, size: 1000 } }
  )
})
