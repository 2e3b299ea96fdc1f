import { assert, describe, it } from "@effect/vitest"
import { Equal, Hash, HashSet, Result, Schema } from "effect"
import * as Base58 from "../../src/domain/base58.ts"
import { Did, type DidError, DidFromString } from "../../src/domain/did.ts"
import { SigningKey } from "../../src/domain/ed25519.ts"
import { bytes, thorough } from "../fixtures/arbitraries.ts"

/** TEST 1 of RFC 8032, in both spellings. */
const publicKey = Uint8Array.from(
  Buffer.from("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "hex")
)
const canonical = "did:key:z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw"
const icn = `did:icn:z${Base58.encode(publicKey)}`

const parsed = (text: string): Did => Result.getOrThrow(Did.parse(text))
const reasonOf = (text: string): DidError["reason"] | undefined =>
  Result.match(Did.parse(text), { onFailure: ({ reason }) => reason, onSuccess: () => undefined })
const keyText = (...parts: ReadonlyArray<Uint8Array>): string => `did:key:z${Base58.encode(Buffer.concat(parts))}`

describe("Did", () => {
  it("reads a published did:key", () => {
    assert.deepStrictEqual(parsed(canonical).publicKey, publicKey)
    assert.strictEqual(parsed(canonical).text, canonical)
  })

  it("reads did:icn as the same key and writes did:key", () => {
    assert.strictEqual(parsed(icn).text, canonical)
    assert.isTrue(Did.equals(parsed(icn), parsed(canonical)))
  })

  it("is one value of Effect's equality and hash for one key", () => {
    assert.isTrue(Equal.equals(parsed(icn), parsed(canonical)))
    assert.strictEqual(Hash.hash(parsed(icn)), Hash.hash(parsed(canonical)))
    assert.strictEqual(HashSet.size(HashSet.make(parsed(icn), parsed(canonical))), 1)
    const other = Result.getOrThrow(Did.fromPublicKey(SigningKey.fromSeed(new Uint8Array(32)).publicKey))
    assert.isFalse(Equal.equals(parsed(icn), other))
  })

  it("keeps its own copy of the key", () => {
    const source = Uint8Array.from(publicKey)
    const did = Result.getOrThrow(Did.fromPublicKey(source))
    source.fill(0)
    assert.deepStrictEqual(did.publicKey, publicKey)
  })

  it("is its canonical text in strings and in JSON", () => {
    assert.strictEqual(String(parsed(icn)), canonical)
    assert.strictEqual(JSON.stringify({ did: parsed(icn) }), JSON.stringify({ did: canonical }))
  })

  it.prop(
    "reads back both spellings of the key of every seed",
    [bytes(32, 32)],
    ([seed]) => {
      const key = SigningKey.fromSeed(seed).publicKey
      const did = Result.getOrThrow(Did.fromPublicKey(key))
      assert.match(did.text, /^did:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44}$/)
      assert.deepStrictEqual(parsed(did.text).publicKey, key)
      assert.isTrue(Did.equals(parsed(`did:icn:z${Base58.encode(key)}`), did))
    },
    { arbitrary: { runs: 200 } }
  )

  it.prop(
    "answers any text at all with a DID or a typed error",
    [Schema.String],
    ([text]) => assert.isTrue(Result.isFailure(Did.parse(text)) && Result.isFailure(Did.parse(`did:key:z${text}`))),
    thorough
  )

  const header = Uint8Array.of(0xed, 0x01)
  const order4 = new Uint8Array(32)
  const overPrime = new Uint8Array(32).fill(0xff).with(31, 0x7f)
  const offCurve = order4.with(0, 2)

  it.each([
    ["nothing", "", "unknownMethod"],
    ["another method", canonical.replace("did:key", "did:web"), "unknownMethod"],
    ["upper case", canonical.toUpperCase(), "unknownMethod"],
    ["a blank in front", ` ${canonical}`, "unknownMethod"],
    ["a blank behind", `${canonical} `, "malformedBase58"],
    ["a line end behind", `${canonical}\n`, "malformedBase58"],
    ["a fragment", `${canonical}#key`, "malformedBase58"],
    ["one character too many", `${canonical}1`, "malformedBase58"],
    ["one character too few", canonical.slice(0, -1), "unknownKeyType"],
    ["far too many characters", canonical + "1".repeat(1_000_000), "tooLong"],
    ["no key", "did:key:", "unknownMultibase"],
    ["an empty key", "did:key:z", "unknownKeyType"],
    [
      "another multibase",
      `did:key:f${Buffer.concat([header, publicKey.subarray(0, 20)]).toString("hex")}`,
      "unknownMultibase"
    ],
    ["a character that is not base58", canonical.replace("6Mk", "6M0"), "malformedBase58"],
    ["no multicodec", `did:key:z${Base58.encode(publicKey)}`, "unknownKeyType"],
    ["the multicodec of X25519", keyText(Uint8Array.of(0xec, 0x01), publicKey), "unknownKeyType"],
    [
      "a multicodec varint that is not minimal",
      keyText(Uint8Array.of(0xed, 0x81, 0x00), publicKey.subarray(1)),
      "unknownKeyType"
    ],
    ["31 bytes", keyText(header, publicKey.subarray(1)), "wrongLength"],
    ["did:icn with a multicodec", `did:icn:z${Base58.encode(Buffer.concat([header, publicKey]))}`, "malformedBase58"],
    ["did:icn with 31 bytes", `did:icn:z${Base58.encode(publicKey.subarray(1))}`, "wrongLength"],
    ["a point of small order", keyText(header, order4), "smallOrder"],
    ["a small-order did:icn, all ones", `did:icn:z${"1".repeat(32)}`, "smallOrder"],
    ["a y above the prime", keyText(header, overPrime), "nonCanonical"],
    ["a y without a point", keyText(header, offCurve), "notOnCurve"]
  ])("refuses %s", (_name, text, reason) => {
    assert.strictEqual(reasonOf(text), reason)
  })

  it("tells what was found, shortened, and what is wrong with it", () => {
    const error = Result.getOrThrow(Result.flip(Did.parse(`did:web:${"x".repeat(1000)}`)))
    assert.isBelow(error.message.length, 200)
    assert.match(
      Result.getOrThrow(Result.flip(Did.parse("did:web:example"))).message,
      /"did:web:example".*did:key: or did:icn:/
    )
  })
})

describe("DidFromString", () => {
  const decode = Schema.decodeUnknownResult(DidFromString)

  it("decodes either spelling and encodes the canonical one", () => {
    const did = Result.getOrThrow(decode(icn))
    assert.isTrue(Equal.equals(did, parsed(canonical)))
    assert.strictEqual(Result.getOrThrow(Schema.encodeResult(DidFromString)(did)), canonical)
  })

  it("fails with the reason of the parser", () => {
    assert.match(String(decode(keyText(Uint8Array.of(0xed, 0x01), new Uint8Array(32)))), /weak points/)
    assert.isTrue(Result.isFailure(decode(42)))
  })
})
