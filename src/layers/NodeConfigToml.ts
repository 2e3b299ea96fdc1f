/**
 * Configuration from `icn.toml`, `ICN_*` variables and flags, in this order of strength over the defaults. What the
 * process was given comes in as options; this layer only reads files. The rules are in domain/nodeConfig*.ts.
 */
import { Effect, FileSystem, Layer, Path, Result } from "effect"
import { keyAt, type Origin } from "../domain/nodeConfig.ts"
import { secretBytesMax } from "../domain/nodeConfigKey.ts"
import { ConfigProblem, inFileOrder, printable, problemAt } from "../domain/nodeConfigProblem.ts"
import { type Effective, resolve } from "../domain/nodeConfigResolve.ts"
import { type SecretFile, secretFiles, secretIn } from "../domain/nodeConfigSecretFiles.ts"
import {
  configFileVariable,
  type Flags,
  readDocument,
  readEnvironment,
  readFlags,
  type Reading,
  type Setting
} from "../domain/nodeConfigSources.ts"
import { ConfigInvalid, NodeConfig } from "../services/NodeConfig.ts"
import { configDirectory, dataDirectory } from "./nodeConfig/directories.ts"
import { readableBy, readText } from "./nodeConfig/files.ts"
import { parseToml } from "./nodeConfig/tomlDocument.ts"

export interface Options {
  /** The file named on the command line; `undefined` looks for one. */
  readonly file: string | undefined
  readonly flags: Flags
  readonly env: Readonly<Record<string, string | undefined>>
  readonly homeDirectory: string | undefined
  readonly workingDirectory: string
  /** As `process.platform`. */
  readonly platform: string
}

/** The configuration, with what `config print` shows of it. */
export interface Loaded {
  readonly config: NodeConfig["Service"]
  readonly effective: ReadonlyArray<Effective>
}

/** Fifty times the example file; a larger one is no configuration, and its problems would take long to find. */
export const fileBytesMax = 256 * 1024

/** More problems than this help nobody. */
export const problemsMax = 100

interface Located {
  /** What the file is called in messages. */
  readonly label: string
  readonly path: string
}

/** Where the file is: named by flag or variable, else in the working directory, else in the user's configuration. */
const locate = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<Located | undefined, never, FileSystem.FileSystem | Path.Path> {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const named = options.file ?? options.env[configFileVariable]
  if (named !== undefined) {
    return { label: named === "" ? configFileVariable : named, path: path.resolve(options.workingDirectory, named) }
  }
  const directory = configDirectory(options)
  const candidates: ReadonlyArray<Located> = [
    { label: "icn.toml", path: path.join(options.workingDirectory, "icn.toml") },
    ...(directory === undefined ? [] : [path.join(directory, "icn.toml")]).map((file) => ({ label: file, path: file }))
  ]
  for (const candidate of candidates) {
    // A file that is there and cannot be read is an error, not a reason to look elsewhere.
    if (yield* fs.exists(candidate.path).pipe(Effect.orElseSucceed(() => true))) return candidate
  }
  return undefined
})

/** What one or more sources say, and whether all of it could be read. */
interface Source extends Reading {
  readonly complete: boolean
}

const noSource: Source = { settings: [], problems: [], warnings: [], complete: true }

const aboutFile = (label: string, problem: string): ConfigProblem =>
  problemAt({ _tag: "File", file: label, line: undefined }, { key: "(file)", problem })

const isSecret = ({ path }: Setting): boolean => keyAt(path).role === "secret"

const readConfigFile = Effect.fnUntraced(function* ({ label, path }: Located) {
  const read = yield* Effect.result(readText(path, fileBytesMax))
  if (Result.isFailure(read)) {
    const failed: Source = { ...noSource, problems: [aboutFile(label, read.failure)], complete: false }
    return failed
  }
  const { faults, table } = parseToml(read.success.text)
  const reading = readDocument(table, label)
  const syntax = faults.map(({ line, message }) => {
    const origin: Origin = { _tag: "File", file: label, line }
    return problemAt(origin, { key: "(syntax)", problem: `not valid TOML: ${message}` })
  })
  const exposed = reading.settings.some(isSecret) && readableBy(read.success.mode) === "everybody"
  const advice = "holds a secret and is readable by everybody; chmod 600 it, or move the secret to a file of its own"
  const source: Source = {
    settings: reading.settings,
    problems: [...syntax, ...reading.problems],
    warnings: [...reading.warnings, ...(exposed ? [aboutFile(label, advice)] : [])],
    complete: faults.length === 0
  }
  return source
})

/** Makes a path absolute: one of the file starts at the file's directory, others at the working directory. */
const absolute =
  (options: Options, located: Located | undefined, path: Path.Path) =>
  (setting: Setting): Setting => {
    const { origin, raw } = setting
    const { role } = keyAt(setting.path)
    const isPath = role === "path" || role === "secretFile"
    if (!isPath || (raw.type !== "string" && raw.type !== "untyped") || raw.value === "") return setting
    const fromFile = origin._tag === "File" && located !== undefined
    const base = fromFile ? path.dirname(located.path) : options.workingDirectory
    const home = options.homeDirectory
    const expanded = home === undefined ? raw.value : raw.value.replace(/^~(?=\/|$)/, () => home)
    return { ...setting, raw: { type: "string", value: path.resolve(base, expanded) } }
  }

/** The secret in a file as a setting of its key, or why there is none. */
const readSecretFile = Effect.fnUntraced(function* ({ file, fileKey, origin, secretKey }: SecretFile) {
  const about = (problem: string) => problemAt(origin, { key: fileKey, found: `"${printable(file)}"`, problem })
  const read = yield* readText(file, secretBytesMax).pipe(
    Effect.flatMap(({ mode, text }) =>
      Effect.map(Effect.fromResult(secretIn(text)), (value) => ({ value, others: readableBy(mode) }))
    ),
    Effect.result
  )
  if (Result.isFailure(read)) {
    const failed: Source = { ...noSource, problems: [about(read.failure)], complete: false }
    return failed
  }
  const { others, value } = read.success
  const source: Source = {
    settings: [{ path: secretKey, raw: { type: "string", value }, origin: { _tag: "File", file, line: undefined } }],
    problems: [],
    warnings: others === undefined ? [] : [about(`the secret is readable by ${others}; chmod 600 it`)],
    complete: true
  }
  return source
})

/** Keeps the first problems in the order of the file, and says how many there are besides. */
const bounded = (problems: ReadonlyArray<ConfigProblem>): ReadonlyArray<ConfigProblem> => {
  const rest = problems.length - problemsMax
  const kept = inFileOrder(problems).slice(0, problemsMax)
  return rest <= 0 ? kept : [...kept, new ConfigProblem({ key: "(more)", origin: "…", problem: `and ${rest} more` })]
}

/** Reads and checks everything; fails with all problems at once. */
export const load = Effect.fn("NodeConfigToml.load")(function* (options: Options) {
  const located = yield* locate(options)
  const file = located === undefined ? noSource : yield* readConfigFile(located)
  const environment: Source = { ...readEnvironment(options.env), complete: true }
  const home = dataDirectory(options)
  const defaults: ReadonlyArray<Setting> =
    home === undefined ? [] : [{ path: "data_dir", raw: { type: "string", value: home }, origin: { _tag: "Default" } }]
  const given = [...defaults, ...file.settings, ...environment.settings, ...readFlags(options.flags)].map(
    absolute(options, located, yield* Path.Path)
  )
  const named = secretFiles(given)
  const secrets = yield* Effect.forEach(named.files, readSecretFile)
  const sources = [file, environment, ...secrets]
  const resolved = resolve(
    [...given, ...secrets.flatMap((secret) => secret.settings)],
    sources.every((source) => source.complete)
  )
  const warnings = bounded([...sources, resolved].flatMap((source) => source.warnings))
  const problems = bounded([...sources, named, resolved].flatMap((source) => source.problems))
  if (problems.length > 0) {
    return yield* new ConfigInvalid({ source: printable(located?.label ?? "configuration"), problems, warnings })
  }
  const loaded: Loaded = {
    config: {
      values: resolved.values,
      origins: resolved.origins,
      warnings,
      source: located?.label ?? "defaults, no configuration file"
    },
    effective: resolved.effective
  }
  return loaded
})

/** The configuration as a service. */
export const layer = (options: Options): Layer.Layer<NodeConfig, ConfigInvalid, FileSystem.FileSystem | Path.Path> =>
  Layer.effect(
    NodeConfig,
    Effect.map(load(options), (loaded) => loaded.config)
  )
