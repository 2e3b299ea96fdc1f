/**
 * Identities in key files: making one, and getting the key out of one. Joins the files (files.ts) and their encryption
 * (seal.ts); used by the layer and by the commands that back identities up and restore them.
 */
import { DateTime, Effect, Option, type Redacted, Result } from "effect"
import { randomBytes } from "node:crypto"
import { Did } from "../../domain/did.ts"
import { seedLength, SigningKey } from "../../domain/ed25519.ts"
import type { KeyFile } from "../../domain/keyFile.ts"
import { IdentityError } from "../../services/Identity.ts"
import * as Files from "./files.ts"
import { type KeyMaterial, seal, unseal } from "./seal.ts"

/** Name of the key file in the data directory. */
export const keyFileName = "identity.key"

/** Where the passphrase of a key file comes from. */
export interface PassphraseSource {
  /** The one that was set: a new file is encrypted with it, an encrypted one opened. */
  readonly configured: Option.Option<Redacted.Redacted>
  /** Asks a person for that of an encrypted file when none was set; none when nobody is there. */
  readonly ask: Effect.Effect<Option.Option<Redacted.Redacted>>
}

/** New files are not encrypted, and encrypted ones can't be opened. */
export const noPassphrase: PassphraseSource = { configured: Option.none(), ask: Effect.succeedNone }

const openSeed: (path: string, file: KeyFile, source: PassphraseSource) => Effect.Effect<Uint8Array, IdentityError> =
  Effect.fnUntraced(function* (path, file, source) {
    if (file.kind === "plain") return file.seed
    const passphrase = Option.isSome(source.configured) ? source.configured : yield* source.ask
    if (Option.isNone(passphrase)) {
      const detail = "it is encrypted; set ICN_KEYSTORE_PASSPHRASE to its passphrase"
      return yield* new IdentityError({ keyFile: path, reason: "passphraseNeeded", detail })
    }
    const seed = yield* unseal(file, passphrase.value)
    if (seed !== undefined) return seed
    const detail = "the passphrase is not the one it was encrypted with, or the file was changed"
    return yield* new IdentityError({ keyFile: path, reason: "wrongPassphrase", detail })
  })

/** What a key file holds, decrypted, and checked that the DID in it is that of the key. */
export const open: (
  path: string,
  file: KeyFile,
  source: PassphraseSource
) => Effect.Effect<KeyMaterial, IdentityError> = Effect.fnUntraced(function* (path, file, source) {
  const seed = yield* openSeed(path, file, source)
  const did = Did.fromPublicKey(SigningKey.fromSeed(seed).publicKey)
  if (Result.isSuccess(did) && Did.equals(did.success, file.did))
    return { seed, did: file.did, createdAt: file.createdAt }
  return yield* new IdentityError({ keyFile: path, reason: "malformed", detail: "its DID is not that of its key" })
})

const generate: Effect.Effect<KeyMaterial> = Effect.gen(function* () {
  const createdAt = DateTime.formatIso(yield* DateTime.now)
  const seed = randomBytes(seedLength)
  const did = Result.getOrThrow(Did.fromPublicKey(SigningKey.fromSeed(seed).publicKey))
  return { seed, did, createdAt }
})

/** Makes an identity where there is none; none when another process was faster, so that its identity counts. */
const create = Effect.fnUntraced(function* (path: string, source: PassphraseSource) {
  const material = yield* generate
  const created = yield* Files.create(path, yield* seal(material, source.configured))
  return created ? Option.some(material) : Option.none()
})

const openExisting = Effect.fnUntraced(function* (path: string, file: KeyFile, source: PassphraseSource) {
  if (file.kind === "plain" && Option.isSome(source.configured)) {
    yield* Effect.logWarning(`${path} is not encrypted although a passphrase is set; run "icn-node id passphrase"`)
  }
  return yield* open(path, file, source)
})

/** The identity at a path, made now when there is none. Of several processes that make one at once, one succeeds. */
export const openOrCreate: (path: string, source: PassphraseSource) => Effect.Effect<KeyMaterial, IdentityError> =
  Effect.fnUntraced(function* (path, source) {
    const found = yield* Files.read(path, { mustBePrivate: true })
    if (Option.isSome(found)) return yield* openExisting(path, found.value, source)
    const created = yield* create(path, source)
    if (Option.isSome(created)) return created.value
    const faster = yield* Files.read(path, { mustBePrivate: true })
    if (Option.isSome(faster)) return yield* openExisting(path, faster.value, source)
    return yield* new IdentityError({ keyFile: path, reason: "unreadable", detail: "it is a link that leads nowhere" })
  })
