import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Redacted, Result } from "effect"
import { Did } from "../../../src/domain/did.ts"
import { SigningKey } from "../../../src/domain/ed25519.ts"
import type { EncryptedKeyFile } from "../../../src/domain/keyFile.ts"
import { type KeyMaterial, seal, unseal } from "../../../src/layers/identity/seal.ts"

const materialOf = (fill: number): KeyMaterial => {
  const seed = new Uint8Array(32).fill(fill)
  const did = Result.getOrThrow(Did.fromPublicKey(SigningKey.fromSeed(seed).publicKey))
  return { seed, did, createdAt: "2026-01-02T03:04:05.678Z" }
}

const encrypt = Effect.fnUntraced(function* (material: KeyMaterial, passphrase: string) {
  const file = yield* seal(material, Option.some(Redacted.make(passphrase)))
  return file.kind === "encrypted" ? file : yield* Effect.die(new Error("the file is not encrypted"))
})

/** A file as the code of today writes it; it has to be readable for ever. Its passphrase is "correct horse". */
const kept = (): EncryptedKeyFile => {
  const { createdAt, did } = materialOf(7)
  return {
    format: "icn-node identity",
    version: 1,
    kind: "encrypted",
    did,
    createdAt,
    kdf: { name: "scrypt", n: 16384, r: 8, p: 1, salt: new Uint8Array(16).fill(1) },
    cipher: { name: "aes-256-gcm", nonce: new Uint8Array(12).fill(2) },
    sealedSeed: Buffer.from("bYKPGTdrFHXC4jTp3LJr_2C8kJBdZax0llKR6h07jY3RYvyDIMInZaf5wPWjRX8e", "base64url")
  }
}

describe("sealed seeds", () => {
  it.live("open with their passphrase only", () =>
    Effect.gen(function* () {
      const material = materialOf(1)
      const file = yield* encrypt(material, "correct horse")
      assert.deepStrictEqual(
        Buffer.from((yield* unseal(file, Redacted.make("correct horse"))) ?? []),
        Buffer.from(material.seed)
      )
      assert.isUndefined(yield* unseal(file, Redacted.make("correct horse ")))
      assert.isUndefined(yield* unseal(file, Redacted.make("")))
    })
  )

  it.live("open with the passphrase of a file that was written long ago", () =>
    Effect.gen(function* () {
      const seed = yield* unseal(kept(), Redacted.make("correct horse"))
      assert.deepStrictEqual(Buffer.from(seed ?? []), Buffer.from(materialOf(7).seed))
    })
  )

  it.live("take a passphrase however its accents are composed", () =>
    Effect.gen(function* () {
      const file = yield* encrypt(materialOf(1), "caf\u00e9")
      assert.isDefined(yield* unseal(file, Redacted.make("cafe\u0301")))
    })
  )

  it.live("do not open when any field of the file was changed", () =>
    Effect.gen(function* () {
      const file = kept()
      const variants: ReadonlyArray<EncryptedKeyFile> = [
        { ...file, did: materialOf(8).did },
        { ...file, createdAt: "2026-01-02T03:04:05.679Z" },
        { ...file, kdf: { ...file.kdf, p: 2 } },
        { ...file, kdf: { ...file.kdf, salt: file.kdf.salt.with(0, 9) } },
        { ...file, cipher: { ...file.cipher, nonce: file.cipher.nonce.with(0, 9) } },
        { ...file, sealedSeed: file.sealedSeed.with(0, 9) },
        { ...file, sealedSeed: file.sealedSeed.with(47, 9) }
      ]
      for (const variant of variants) assert.isUndefined(yield* unseal(variant, Redacted.make("correct horse")))
    })
  )

  it.live("never use a salt or a nonce twice", () =>
    Effect.gen(function* () {
      const [first, second] = yield* Effect.all([encrypt(materialOf(1), "x"), encrypt(materialOf(1), "x")])
      assert.notDeepEqual(first.kdf.salt, second.kdf.salt)
      assert.notDeepEqual(first.cipher.nonce, second.cipher.nonce)
    })
  )
})
