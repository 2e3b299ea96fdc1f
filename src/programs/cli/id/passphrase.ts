/**
 * `icn-node id passphrase`: encrypts the key file, changes its passphrase, or takes the encryption away. The identity
 * stays the same.
 */
import { Effect, Option, Redacted } from "effect"
import { Command, Flag } from "effect/cli"
import * as Files from "../../../layers/identity/files.ts"
import * as KeyStore from "../../../layers/identity/keyStore.ts"
import { seal } from "../../../layers/identity/seal.ts"
import { configFlag, dataDirFlag } from "../dataDir.ts"
import { commandFailed, json, print } from "../output.ts"
import { askNewPassphrase, isPassphrase } from "../passphrase.ts"
import { exclusively, failed, locate, readExisting } from "./keyFile.ts"

const removeFlag = Flag.Boolean("remove").pipe(
  Flag.withDescription("Keep the key without encryption from now on"),
  Flag.withDefault(false)
)

const newPassphraseFlag = Flag.FileText("new-passphrase-file").pipe(
  Flag.withDescription("A file whose one line is the new passphrase; otherwise it is asked for"),
  Flag.map((text) => text.replace(/\r?\n$/, "")),
  Flag.filter(isPassphrase, () => "a passphrase is one line of 1 to 4096 characters, none of them a control character"),
  Flag.map((text) => Redacted.make(text)),
  Flag.optional
)

export const changePassphrase = Command.make(
  "passphrase",
  { newPassphrase: newPassphraseFlag, remove: removeFlag, config: configFlag, dataDir: dataDirFlag, json },
  Effect.fnUntraced(function* ({ config, dataDir, json, newPassphrase, remove }) {
    if (remove && Option.isSome(newPassphrase))
      return yield* failed("--remove and --new-passphrase-file exclude each other")
    const { directory, keyFile, passphrase } = yield* locate({ config, dataDir })
    const change = Effect.gen(function* () {
      const file = yield* readExisting(keyFile, { mustBePrivate: true })
      const material = yield* KeyStore.open(keyFile, file, passphrase)
      if (remove) return yield* seal(material, Option.none())
      // The configured passphrase is the present one of an encrypted file, and the new one of a plain file.
      const given = file.kind === "plain" ? Option.orElse(newPassphrase, () => passphrase.configured) : newPassphrase
      return yield* seal(material, Option.isSome(given) ? given : Option.some(yield* askNewPassphrase()))
    }).pipe(Effect.tap((file) => Files.replace(keyFile, file)))
    const changed = yield* exclusively(directory, change)
    const encrypted = changed.kind === "encrypted"
    yield* print(json, { did: changed.did.text, keyFile, encrypted }, () =>
      encrypted
        ? `${keyFile} is encrypted; the node needs ICN_KEYSTORE_PASSPHRASE (or identity.keystore_passphrase_file)`
        : `${keyFile} is not encrypted`
    )
  }, Effect.mapError(commandFailed))
).pipe(Command.withDescription("Encrypt the key file, change its passphrase, or remove it"))
