/**
 * `icn-node id`: the identity of a node, made when there is none, so that a script can learn the DID before the first
 * start. Its subcommands back it up, restore it and encrypt it (cli/id/). Works beside a running node.
 */
import { Effect, Option } from "effect"
import { Command } from "effect/cli"
import * as DataDirectoryFs from "../../layers/DataDirectoryFs.ts"
import * as Files from "../../layers/identity/files.ts"
import * as KeyStore from "../../layers/identity/keyStore.ts"
import { configFlag, dataDirFlag } from "./dataDir.ts"
import { exportIdentity } from "./id/export.ts"
import { importIdentity } from "./id/import.ts"
import { locate } from "./id/keyFile.ts"
import { changePassphrase } from "./id/passphrase.ts"
import { commandFailed, json, print } from "./output.ts"

export const id = Command.make(
  "id",
  { config: configFlag, dataDir: dataDirFlag, json },
  Effect.fnUntraced(function* ({ config, dataDir, json }) {
    const { directory, keyFile, passphrase } = yield* locate({ config, dataDir })
    yield* DataDirectoryFs.make(directory)
    // The DID stands in the clear, so an encrypted file needs no passphrase here.
    const found = yield* Files.read(keyFile, { mustBePrivate: true })
    const { did } = Option.isSome(found) ? found.value : yield* KeyStore.openOrCreate(keyFile, passphrase)
    yield* print(json, { did: did.text, keyFile }, () => `${did.text}\nkey file ${keyFile}`)
  }, Effect.mapError(commandFailed))
).pipe(
  Command.withDescription("Show this node's DID and key file, making the identity when there is none"),
  Command.withSubcommands([exportIdentity, importIdentity, changePassphrase])
)
