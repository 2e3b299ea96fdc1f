import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { Did } from "../../src/domain/did.ts"
import { SigningKey } from "../../src/domain/ed25519.ts"
import {
  associatedData,
  decodeKeyFile,
  encodeKeyFile,
  type EncryptedKeyFile,
  keyFileBytesMax,
  keyFileHeader,
  type KeyFileProblem,
  type PlainKeyFile,
  scryptParameters
} from "../../src/domain/keyFile.ts"
import { fuzzSeed, makeRandom } from "../fixtures/random.ts"

const seed = Uint8Array.from({ length: 32 }, (_, index) => index)
const did = Result.getOrThrow(Did.fromPublicKey(SigningKey.fromSeed(seed).publicKey))
const createdAt = "2026-01-02T03:04:05.678Z"
const plain: PlainKeyFile = { ...keyFileHeader, kind: "plain", did, createdAt, seed }
const encrypted: EncryptedKeyFile = {
  ...keyFileHeader,
  kind: "encrypted",
  did,
  createdAt,
  kdf: { name: "scrypt", ...scryptParameters, salt: new Uint8Array(16).fill(1) },
  cipher: { name: "aes-256-gcm", nonce: new Uint8Array(12).fill(2) },
  sealedSeed: new Uint8Array(48).fill(3)
}

const problemOf = (text: string): KeyFileProblem => Result.getOrThrow(Result.flip(decodeKeyFile(text)))
/** The document of an encrypted file with some fields changed. */
const changed = (change: (document: Record<string, unknown>, kdf: Record<string, unknown>) => void): string => {
  const kdf = Schema.decodeUnknownSync(Schema.Record(Schema.String, Schema.Unknown))
  const document = kdf(JSON.parse(encodeKeyFile(encrypted)))
  const inner = kdf(document["kdf"])
  change(document, inner)
  return JSON.stringify({ ...document, ...(document["kdf"] === undefined ? {} : { kdf: inner }) })
}

describe("key files", () => {
  it("reads back what it wrote", () => {
    for (const file of [plain, encrypted])
      assert.deepStrictEqual(Result.getOrThrow(decodeKeyFile(encodeKeyFile(file))), file)
  })

  it("stays far below the size that is read", () => {
    assert.isBelow(encodeKeyFile(encrypted).length, keyFileBytesMax / 4)
  })

  it("keeps its format: a file of version 1 is read for ever", () => {
    const text = `{"format":"icn-node identity","version":1,"did":"${did.text}","createdAt":"${createdAt}",
      "kind":"plain","seed":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}`
    assert.deepStrictEqual(Result.getOrThrow(decodeKeyFile(text)), plain)
  })

  it("vouches for every field of an encrypted file", () => {
    const base = Buffer.from(associatedData(encrypted)).toString()
    const other = Result.getOrThrow(Did.fromPublicKey(SigningKey.fromSeed(new Uint8Array(32)).publicKey))
    const variants: ReadonlyArray<EncryptedKeyFile> = [
      { ...encrypted, did: other },
      { ...encrypted, createdAt: "2027-01-02T03:04:05.678Z" },
      { ...encrypted, kdf: { ...encrypted.kdf, n: 2 ** 14 } },
      { ...encrypted, kdf: { ...encrypted.kdf, p: 2 } },
      { ...encrypted, kdf: { ...encrypted.kdf, salt: new Uint8Array(16) } },
      { ...encrypted, cipher: { ...encrypted.cipher, nonce: new Uint8Array(12) } }
    ]
    for (const variant of variants) assert.notStrictEqual(Buffer.from(associatedData(variant)).toString(), base)
  })

  it.each([
    ["an empty file", "", /not JSON/],
    ["a file that was cut off", encodeKeyFile(encrypted).slice(0, 300), /cut off/],
    ["JSON of something else", `{"name":"x"}`, /no key file of this program/],
    ["JSON that is no object", "null", /no key file of this program/],
    ["a key of another program", "-----BEGIN OPENSSH PRIVATE KEY-----", /not JSON/],
    ["an unknown field", changed((document) => (document["extra"] = 1)), /damaged at extra/],
    [
      "an unknown field that would play with the terminal",
      changed((document) => (document["\u001b[2J"] = 1)),
      /damaged at \?$/
    ],
    ["a missing field", changed((document) => delete document["cipher"]), /damaged at cipher/],
    ["a short salt", changed((_, kdf) => (kdf["salt"] = "AAAA")), /damaged at kdf.salt/],
    ["a cost that would take gigabytes", changed((_, kdf) => (kdf["n"] = 2 ** 30)), /damaged at kdf.n/],
    ["a cost that protects nothing", changed((_, kdf) => (kdf["n"] = 2)), /damaged at kdf.n/],
    ["a cost that is no power of two", changed((_, kdf) => (kdf["n"] = 100_000)), /damaged at kdf.n/],
    ["a block size that takes more memory", changed((_, kdf) => (kdf["r"] = 1024)), /damaged at kdf.r/],
    ["a parallelism that takes for ever", changed((_, kdf) => (kdf["p"] = 1_000_000)), /damaged at kdf.p/],
    ["a DID that is none", changed((document) => (document["did"] = "did:key:z6Mk")), /damaged at did/]
  ])("refuses %s", (_name, text, detail) => {
    assert.strictEqual(problemOf(text).reason, "malformed")
    assert.match(problemOf(text).detail, detail)
  })

  it("tells a file of a newer version from a damaged one", () => {
    assert.strictEqual(problemOf(changed((document) => (document["version"] = 2))).reason, "unsupported")
  })

  it("says nothing of the key when a plain file is damaged", () => {
    const text = encodeKeyFile(plain).replace(`"seed": "`, `"seed": "secret`)
    assert.strictEqual(problemOf(text).detail, "it is damaged at seed")
  })

  it("answers any damage to a file without throwing", () => {
    const seed = fuzzSeed()
    const random = makeRandom(seed)
    const texts = [encodeKeyFile(plain), encodeKeyFile(encrypted)]
    const pieces = ["", "0", '"', "{", "]", "null", "1e999", "-1", "\\ud800", "__proto__", "=", "\u0000"]
    for (let run = 0; run < 20_000; run++) {
      const text = random.pick(texts)
      const at = random.below(text.length)
      const damaged = text.slice(0, at) + random.pick(pieces) + text.slice(at + random.below(8))
      const decoded = decodeKeyFile(damaged)
      if (Result.isFailure(decoded)) continue
      const file = decoded.success
      assert.strictEqual((file.kind === "plain" ? file.seed : file.sealedSeed).length % 16, 0, `seed ${seed}`)
    }
  })
})
