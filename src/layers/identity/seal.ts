/**
 * The cryptography of the key file (domain/keyFile.ts): a passphrase becomes an AES-256 key by scrypt (RFC 7914), which
 * encrypts the seed in GCM mode. Runs on node:crypto's thread pool, so the half second does not stop the event loop.
 */
import { Effect, Option, Redacted } from "effect"
import { createCipheriv, createDecipheriv, randomBytes, scrypt } from "node:crypto"
import type { Did } from "../../domain/did.ts"
import { seedLength } from "../../domain/ed25519.ts"
import {
  associatedData,
  type EncryptedKeyFile,
  type KeyFile,
  keyFileHeader,
  nonceLength,
  saltLength,
  scryptParameters,
  tagLength
} from "../../domain/keyFile.ts"

const aesKeyLength = 32

/** The same passphrase typed on two systems can differ in its composition of accents; NFKC makes it one. */
const passphraseBytes = (passphrase: Redacted.Redacted): Buffer =>
  Buffer.from(Redacted.value(passphrase).normalize("NFKC"), "utf8")

const deriveKey = (passphrase: Redacted.Redacted, { n, p, r, salt }: EncryptedKeyFile["kdf"]): Effect.Effect<Buffer> =>
  Effect.callback((resume) => {
    // Node's own limit is 32 MiB; scrypt needs 128 · r · (n + p) bytes and a little.
    const maxmem = 128 * r * (n + p) + 2 ** 20
    scrypt(passphraseBytes(passphrase), salt, aesKeyLength, { N: n, r, p, maxmem }, (error, key) =>
      resume(error === null ? Effect.succeed(key) : Effect.die(error))
    )
  })

/** What a key file is about, before it is known how the seed will be kept. */
export interface KeyMaterial {
  readonly seed: Uint8Array
  readonly did: Did
  /** ISO 8601, UTC. */
  readonly createdAt: string
}

/** The document of an identity, encrypted when there is a passphrase. */
export const seal: (material: KeyMaterial, passphrase: Option.Option<Redacted.Redacted>) => Effect.Effect<KeyFile> =
  Effect.fnUntraced(function* ({ createdAt, did, seed }, passphrase) {
    if (Option.isNone(passphrase)) return { ...keyFileHeader, kind: "plain", did, createdAt, seed }
    const open: Omit<EncryptedKeyFile, "sealedSeed"> = {
      ...keyFileHeader,
      kind: "encrypted",
      did,
      createdAt,
      kdf: { name: "scrypt", ...scryptParameters, salt: randomBytes(saltLength) },
      cipher: { name: "aes-256-gcm", nonce: randomBytes(nonceLength) }
    }
    const key = yield* deriveKey(passphrase.value, open.kdf)
    const cipher = createCipheriv("aes-256-gcm", key, open.cipher.nonce).setAAD(associatedData(open))
    const sealedSeed = Buffer.concat([cipher.update(seed), cipher.final(), cipher.getAuthTag()])
    key.fill(0)
    return { ...open, sealedSeed }
  })

const decrypt = (file: EncryptedKeyFile, key: Buffer): Uint8Array | undefined => {
  const decipher = createDecipheriv("aes-256-gcm", key, file.cipher.nonce, { authTagLength: tagLength })
    .setAAD(associatedData(file))
    .setAuthTag(file.sealedSeed.subarray(seedLength))
  const seed = decipher.update(file.sealedSeed.subarray(0, seedLength))
  try {
    decipher.final()
    return seed
  } catch {
    // The one way in which final() fails is a tag that does not match.
    seed.fill(0)
    return undefined
  }
}

/** The seed of an encrypted file; `undefined` when the passphrase is another one or any field was changed. */
export const unseal: (file: EncryptedKeyFile, passphrase: Redacted.Redacted) => Effect.Effect<Uint8Array | undefined> =
  Effect.fnUntraced(function* (file, passphrase) {
    const key = yield* deriveKey(passphrase, file.kdf)
    const seed = decrypt(file, key)
    key.fill(0)
    return seed
  })
