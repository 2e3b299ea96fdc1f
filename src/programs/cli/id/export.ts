/**
 * `icn-node id export`: a backup of the identity in a file of its own, encrypted unless `--plain` says otherwise.
 */
import { Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { resolve } from "node:path"
import * as Files from "../../../layers/identity/files.ts"
import * as KeyStore from "../../../layers/identity/keyStore.ts"
import { seal } from "../../../layers/identity/seal.ts"
import { configFlag, dataDirFlag } from "../dataDir.ts"
import { commandFailed, json, print } from "../output.ts"
import { askNewPassphrase } from "../passphrase.ts"
import { failed, locate, readExisting } from "./keyFile.ts"

const outFlag = Flag.File("out").pipe(
  Flag.withAlias("o"),
  Flag.withDescription("File to write; one that exists is never overwritten")
)

const plainFlag = Flag.Boolean("plain").pipe(
  Flag.withDescription("Write the private key without encryption"),
  Flag.withDefault(false)
)

/** An encrypted key file is copied as it is, so that its passphrase opens the backup too. */
const backupOf = Effect.fnUntraced(function* (path: string, source: KeyStore.PassphraseSource, plain: boolean) {
  const file = yield* readExisting(path, { mustBePrivate: true })
  // Opened in any case: a backup that nobody can open is none.
  const material = yield* KeyStore.open(path, file, source)
  if (plain) return yield* seal(material, Option.none())
  if (file.kind === "encrypted") return file
  return yield* seal(
    material,
    Option.isSome(source.configured) ? source.configured : Option.some(yield* askNewPassphrase())
  )
})

export const exportIdentity = Command.make(
  "export",
  { out: outFlag, plain: plainFlag, config: configFlag, dataDir: dataDirFlag, json },
  Effect.fnUntraced(function* ({ config, dataDir, json, out, plain }) {
    const { keyFile, passphrase } = yield* locate({ config, dataDir })
    const file = resolve(out)
    const backup = yield* backupOf(keyFile, passphrase, plain)
    if (!(yield* Files.create(file, backup))) return yield* failed(`${file} exists; choose another name`)
    const encrypted = backup.kind === "encrypted"
    yield* print(json, { did: backup.did.text, file, encrypted }, () =>
      encrypted
        ? `wrote ${file}; keep it and its passphrase apart`
        : `wrote ${file}, which is not encrypted: whoever has it is ${backup.did.text}`
    )
  }, Effect.mapError(commandFailed))
).pipe(
  Command.withDescription("Back the identity up to a file"),
  Command.withExamples([{ command: "icn-node id export --out backup.key", description: "Asks for a passphrase" }])
)
