import { publicKeyFromRaw } from "@libp2p/crypto/keys"
import { peerIdFromPublicKey, peerIdFromString } from "@libp2p/peer-id"
import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import * as Base58 from "../../src/domain/base58.ts"
import { Did } from "../../src/domain/did.ts"
import { didOfPeerId, peerIdLength, peerIdText } from "../../src/domain/peerId.ts"
import { did, didNumber } from "../fixtures/dids.ts"
import { thorough } from "../fixtures/arbitraries.ts"

const raw = (...bytes: ReadonlyArray<number>): string => Base58.encode(Uint8Array.from(bytes))

const runs = { arbitrary: { runs: 100 } }

describe("peerIdText", () => {
  it.prop(
    "writes what libp2p writes for the same key",
    [did],
    ([member]) => {
      const text = peerIdText(member)
      assert.strictEqual(text, peerIdFromPublicKey(publicKeyFromRaw(member.publicKey)).toString())
      assert.strictEqual(text.length, peerIdLength)
      assert.match(text, /^12D3KooW/)
    },
    runs
  )
})

describe("didOfPeerId", () => {
  it.prop(
    "reads the key that libp2p reads",
    [did],
    ([member]) => {
      const text = peerIdText(member)
      assert.deepStrictEqual(peerIdFromString(text).publicKey?.raw, member.publicKey)
      assert.isTrue(Did.equals(Result.getOrThrow(didOfPeerId(text)), member))
    },
    runs
  )

  const text = peerIdText(didNumber(1))
  const key = didNumber(1).publicKey

  it.each([
    ["nothing", ""],
    ["a blank behind", `${text} `],
    ["one character too few", text.slice(0, -1)],
    ["one character too many", `${text}1`],
    ["a character that is not base58", text.replace("W", "0")],
    ["an id of an RSA key", "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"],
    ["an id in CID form", "bafzaajaiaejcal72gwuz2or47oyxxn6b3rkwdmmkrxgkjxzy3rqt5kczyn7lcm3l"],
    ["a DID", didNumber(1).text],
    ["a secp256k1 type", raw(0x00, 0x24, 0x08, 0x02, 0x12, 0x20, ...key)],
    ["a wrong length in the protobuf", raw(0x00, 0x24, 0x08, 0x01, 0x12, 0x21, ...key)],
    ["a hash of another kind", raw(0x12, 0x24, 0x08, 0x01, 0x12, 0x20, ...key)]
  ])("refuses %s", (_name, refused) => {
    assert.match(Result.getOrThrow(Result.flip(didOfPeerId(refused))), /expected a peer id of an Ed25519 key/)
  })

  it("refuses a key that cannot sign", () => {
    const weak = raw(0x00, 0x24, 0x08, 0x01, 0x12, 0x20, ...new Uint8Array(32))
    assert.strictEqual(weak.length, peerIdLength)
    assert.match(Result.getOrThrow(Result.flip(didOfPeerId(weak))), /no key that can sign/)
  })

  it.prop(
    "answers any text with a member or a sentence",
    [Schema.String],
    ([any]) => assert.isTrue(Result.isFailure(didOfPeerId(any))),
    thorough
  )
})
