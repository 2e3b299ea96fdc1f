/**
 * What the commands on identities share: which key file they are about, and the lock under which it is replaced.
 */
import { Effect, Option } from "effect"
import { join } from "node:path"
import * as DataDirectoryFs from "../../../layers/DataDirectoryFs.ts"
import * as Files from "../../../layers/identity/files.ts"
import { keyFileName } from "../../../layers/identity/keyStore.ts"
import { nodeConfig, type NodeFlags } from "../dataDir.ts"
import { CommandFailed, exitCodes } from "../output.ts"
import { passphraseSource } from "../passphrase.ts"

/** The key file that a node with these flags uses, and the passphrase that it would use for it. */
export const locate = Effect.fnUntraced(function* (flags: NodeFlags) {
  const { values } = yield* nodeConfig(flags)
  const source = (yield* passphraseSource)(Option.fromUndefinedOr(values.identity.keystorePassphrase))
  return { directory: values.dataDir, keyFile: join(values.dataDir, keyFileName), passphrase: source }
})

export const failed = (text: string): CommandFailed => new CommandFailed({ text, exitCode: exitCodes.failed })

/** Reads a file that has to be there. */
export const readExisting = Effect.fnUntraced(function* (path: string, options: { readonly mustBePrivate: boolean }) {
  const found = yield* Files.read(path, options)
  return Option.isSome(found) ? found.value : yield* failed(`there is no identity in ${path}`)
})

/** Runs a change while no node can work with the directory. */
export const exclusively = <A, E, R>(directory: string, change: Effect.Effect<A, E, R>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { lock } = yield* DataDirectoryFs.make(directory)
      yield* lock
      return yield* change
    })
  )
