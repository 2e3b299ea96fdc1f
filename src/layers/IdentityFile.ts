/**
 * `Identity` kept in `identity.key` of the data directory (format in domain/keyFile.ts), made when there is none. The
 * file is encrypted when a passphrase is set at that moment, and has mode 0600 in any case.
 */
import { Effect, Layer } from "effect"
import { join } from "node:path"
import { DataDirectory } from "../services/DataDirectory.ts"
import { Identity, type IdentityError } from "../services/Identity.ts"
import { keyFileName, noPassphrase, openOrCreate, type PassphraseSource } from "./identity/keyStore.ts"
import * as Signer from "./identity/signer.ts"

export { noPassphrase, type PassphraseSource }

export const make: (passphrase: PassphraseSource) => Effect.Effect<Identity["Service"], IdentityError, DataDirectory> =
  Effect.fnUntraced(function* (passphrase) {
    const directory = yield* DataDirectory
    const keyFile = join(directory.path, keyFileName)
    const { seed } = yield* openOrCreate(keyFile, passphrase)
    const identity = Signer.make(seed, keyFile)
    seed.fill(0)
    return identity
  })

/** The identity of the data directory; without a passphrase the key file is not encrypted. */
export const layer = (
  passphrase: PassphraseSource = noPassphrase
): Layer.Layer<Identity, IdentityError, DataDirectory> => Layer.effect(Identity, make(passphrase))
