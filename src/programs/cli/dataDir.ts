/**
 * The flags that say which node a command is about, and the configuration they lead to. Every command finds its data
 * directory as `run` does, so that `status` with the same flags talks to the same node.
 */
import { Effect, Option } from "effect"
import { Flag } from "effect/cli"
import type { Flags } from "../../domain/nodeConfigSources.ts"
import * as NodeConfigToml from "../../layers/NodeConfigToml.ts"
import type { ConfigInvalid } from "../../services/NodeConfig.ts"
import { ProcessEnvironment } from "./environment.ts"
import { CommandFailed, exitCodes } from "./output.ts"

export const configFlag = Flag.String("config").pipe(
  Flag.withAlias("c"),
  Flag.withMetavar("file"),
  Flag.withDescription("Configuration file; otherwise ICN_CONFIG, ./icn.toml, the user's icn.toml, or the defaults"),
  Flag.optional
)

export const dataDirFlag = Flag.String("data-dir").pipe(
  Flag.withAlias("d"),
  Flag.withMetavar("directory"),
  Flag.withDescription("Data directory of the node"),
  Flag.optional
)

export interface NodeFlags {
  readonly config: Option.Option<string>
  readonly dataDir: Option.Option<string>
}

/** What `NodeConfigToml` reads, from the process's environment and flags; `more` are other keys' flags. */
export const configOptions = ({ config, dataDir }: NodeFlags, more: Flags = {}) =>
  Effect.map(
    ProcessEnvironment,
    ({ homeDirectory, platform, variables, workingDirectory }): NodeConfigToml.Options => ({
      file: Option.getOrUndefined(config),
      flags: { ...more, ...(Option.isSome(dataDir) ? { data_dir: dataDir.value } : {}) },
      env: variables,
      homeDirectory,
      workingDirectory,
      platform
    })
  )

/** Exit code 78 with every problem of the configuration. */
export const invalidConfig = (error: ConfigInvalid): CommandFailed =>
  new CommandFailed({ text: error.message, exitCode: exitCodes.configuration })

/** The configuration that `run` would have with these flags. */
export const nodeConfig = Effect.fnUntraced(function* (flags: NodeFlags) {
  const options = yield* configOptions(flags)
  const { config } = yield* NodeConfigToml.load(options).pipe(Effect.mapError(invalidConfig))
  return config
})

/** The data directory alone. */
export const dataDirectory = (flags: NodeFlags) => Effect.map(nodeConfig(flags), ({ values }) => values.dataDir)
