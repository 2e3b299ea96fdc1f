/**
 * `icn-node id import`: puts a backed-up identity into a data directory. An identity that is there already stays beside
 * it under another name; no key is ever deleted.
 */
import { DateTime, Effect } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import type { KeyFile } from "../../../domain/keyFile.ts"
import * as Files from "../../../layers/identity/files.ts"
import * as KeyStore from "../../../layers/identity/keyStore.ts"
import { seal } from "../../../layers/identity/seal.ts"
import { configFlag, dataDirFlag } from "../dataDir.ts"
import { commandFailed, json, print } from "../output.ts"
import { exclusively, failed, locate, readExisting } from "./keyFile.ts"

const forceFlag = Flag.Boolean("force").pipe(
  Flag.withDescription("Replace the identity that is there, which is kept under another name"),
  Flag.withDefault(false)
)

/** Writes the key file; returns where the one that was there is now. */
const install = Effect.fnUntraced(function* (keyFile: string, file: KeyFile, force: boolean) {
  if (yield* Files.create(keyFile, file)) return undefined
  if (!force) {
    return yield* failed(`${keyFile} exists; with --force it is kept under another name and the backup takes its place`)
  }
  const stamp = DateTime.formatIso(yield* DateTime.now).replaceAll(":", "-")
  const previous = `${keyFile}.${stamp}.old`
  yield* Files.keepAs(keyFile, previous)
  yield* Files.replace(keyFile, file)
  return previous
})

export const importIdentity = Command.make(
  "import",
  {
    file: Argument.File("file").pipe(Argument.withDescription("A backup that `id export` wrote")),
    force: forceFlag,
    config: configFlag,
    dataDir: dataDirFlag,
    json
  },
  Effect.fnUntraced(function* ({ config, dataDir, file, force, json }) {
    const { directory, keyFile, passphrase } = yield* locate({ config, dataDir })
    const backup = yield* readExisting(file, { mustBePrivate: false })
    const material = yield* KeyStore.open(file, backup, passphrase)
    const stored = backup.kind === "encrypted" ? backup : yield* seal(material, passphrase.configured)
    const previous = yield* exclusively(directory, install(keyFile, stored, force))
    const did = stored.did.text
    yield* print(json, { did, keyFile, previous: previous ?? null }, () =>
      [`${did} is now in ${keyFile}`, ...(previous === undefined ? [] : [`the identity before is ${previous}`])].join(
        "\n"
      )
    )
  }, Effect.mapError(commandFailed))
).pipe(
  Command.withDescription("Restore an identity from a backup"),
  Command.withExamples([
    { command: "icn-node id import backup.key", description: "Into a directory without an identity" }
  ])
)
