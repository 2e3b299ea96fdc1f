/**
 * From what was written to settings: a parsed icn.toml, `ICN_*` variables and flags become pairs of key and raw value,
 * each with its origin. Names that are no keys end here, as an error in the file and as a warning in the environment,
 * where a variable may belong to another program.
 */
import type { Entries, Entry } from "./nodeConfigKey.ts"
import { isKeyPath, keyAt, type KeyPath, leaves, type Origin } from "./nodeConfig.ts"
import { isKnownTable, knownPaths, withoutEffect } from "./nodeConfigKnown.ts"
import { flagName, variableName, variablePrefix } from "./nodeConfigNames.ts"
import { ConfigProblem, problemAt, shown, shownKey } from "./nodeConfigProblem.ts"
import { didYouMean } from "./nodeConfigSuggest.ts"
import { table } from "./nodeConfigTable.ts"
import type { RawValue } from "./nodeConfigValue.ts"

/** A table of a parsed file. */
export interface DocumentTable {
  readonly _tag: "Table"
  readonly line: number
  readonly entries: ReadonlyMap<string, DocumentNode>
}

/** A table or a value of a parsed file. */
export type DocumentNode = DocumentTable | { readonly _tag: "Value"; readonly line: number; readonly raw: RawValue }

/** One key given a value by somebody. */
export interface Setting {
  readonly path: KeyPath
  readonly raw: RawValue
  readonly origin: Origin
}

/** What one source says. */
export interface Reading {
  readonly settings: ReadonlyArray<Setting>
  readonly problems: ReadonlyArray<ConfigProblem>
  readonly warnings: ReadonlyArray<ConfigProblem>
}

type Finding =
  | { readonly _tag: "Setting"; readonly setting: Setting }
  | { readonly _tag: "Problem"; readonly problem: ConfigProblem }
  | { readonly _tag: "Warning"; readonly problem: ConfigProblem }

const gather = (findings: Iterable<Finding>): Reading => {
  const settings: Array<Setting> = []
  const problems: Array<ConfigProblem> = []
  const warnings: Array<ConfigProblem> = []
  for (const finding of findings) {
    switch (finding._tag) {
      case "Setting":
        settings.push(finding.setting)
        break
      case "Problem":
        problems.push(finding.problem)
        break
      case "Warning":
        warnings.push(finding.problem)
        break
    }
  }
  return { settings, problems, warnings }
}

const sectionPaths = (entries: Entries, prefix: string): ReadonlyArray<string> =>
  Object.entries(entries).flatMap(([name, entry]) =>
    entry._tag === "Section" ? [`${prefix}${name}`, ...sectionPaths(entry.entries, `${prefix}${name}.`)] : []
  )

const paths: ReadonlyArray<string> = leaves.map((leaf) => leaf.path)
const names: ReadonlyArray<string> = [...sectionPaths(table, ""), ...paths]

const join = (prefix: string, name: string): string => (prefix === "" ? name : `${prefix}.${name}`)

/** `Object.hasOwn`, so that a key called `constructor` or `__proto__` is as unknown as any other. */
const entryAt = (entries: Entries, name: string): Entry | undefined =>
  Object.hasOwn(entries, name) ? entries[name] : undefined

interface Place {
  readonly file: string
  /** Dotted path of the table, empty at the top. */
  readonly prefix: string
}

function* readTable(document: DocumentTable, entries: Entries, { file, prefix }: Place): Generator<Finding> {
  for (const [name, node] of document.entries) {
    const path = join(prefix, shownKey(name))
    const entry = entryAt(entries, name)
    const origin: Origin = { _tag: "File", file, line: node.line }
    if (entry === undefined) {
      yield* readStranger(node, path, file)
    } else if (isKeyPath(path)) {
      yield { _tag: "Setting", setting: { path, raw: rawOf(node), origin } }
    } else if (entry._tag === "Section" && node._tag === "Table") {
      yield* readTable(node, entry.entries, { file, prefix: path })
    } else {
      yield { _tag: "Problem", problem: problemAt(origin, { key: path, problem: `expected a table: [${path}]` }) }
    }
  }
}

const rawOf = (node: DocumentNode): RawValue => (node._tag === "Value" ? node.raw : { type: "table" })

/** A key or table that is not in the table of keys; names that are not bare are quoted in `path`. */
function* readStranger(node: DocumentNode, path: string, file: string): Generator<Finding> {
  const origin: Origin = { _tag: "File", file, line: node.line }
  const isTable = node._tag === "Table"
  if (isTable ? isKnownTable(path) : knownPaths.has(path)) {
    yield { _tag: "Warning", problem: problemAt(origin, { key: path, problem: withoutEffect(path) }) }
    // The table was warned of as a whole; of its keys only those are worth a word that are not known either.
    for (const finding of isTable ? readTable(node, {}, { file, prefix: path }) : []) {
      if (finding._tag === "Problem") yield finding
    }
  } else {
    const problem = `unknown ${isTable ? "table" : "key"}${didYouMean(path.replaceAll('"', ""), names)}`
    yield { _tag: "Problem", problem: problemAt(origin, { key: path, problem }) }
  }
}

/** Settings of a parsed file, called `file` in messages. */
export const readDocument = (document: DocumentTable, file: string): Reading =>
  gather(readTable(document, table, { file, prefix: "" }))

/** The variable that sets a key. */
export const variableAt = (path: string): string =>
  (isKeyPath(path) ? keyAt(path).variable : undefined) ?? variableName(path)

/** Names the configuration file; read before any key. */
export const configFileVariable = `${variablePrefix}CONFIG`

const byVariable = new Map(leaves.map(({ path }) => [variableAt(path), path]))
const knownVariables = new Set([...knownPaths].map(variableName))
const variables: ReadonlyArray<string> = [...byVariable.keys(), configFileVariable]

function* readVariables(environment: Readonly<Record<string, string | undefined>>): Generator<Finding> {
  for (const [variable, value] of Object.entries(environment)) {
    if (!variable.startsWith(variablePrefix) || variable === configFileVariable || value === undefined) continue
    const path = byVariable.get(variable)
    if (path !== undefined) {
      const origin: Origin = { _tag: "Environment", variable }
      yield { _tag: "Setting", setting: { path, raw: { type: "untyped", value }, origin } }
    } else {
      const known = knownVariables.has(variable)
      const problem = known
        ? "known, without effect in this version"
        : `unknown variable, ignored${didYouMean(variable, variables)}`
      yield { _tag: "Warning", problem: new ConfigProblem({ key: shown(variable), origin: "environment", problem }) }
    }
  }
}

/** Settings of the `ICN_*` variables among all variables; a set but empty variable counts as set to "". */
export const readEnvironment = (environment: Readonly<Record<string, string | undefined>>): Reading =>
  gather(readVariables(environment))

/** The flag that sets a key, where a command offers it. */
export const flagAt = (path: KeyPath): string => keyAt(path).flag ?? flagName(path)

/** Values of command line flags by the key that they set. */
export type Flags = { readonly [Path in KeyPath]?: string | undefined }

/** Settings of command line flags. */
export const readFlags = (flags: Flags): ReadonlyArray<Setting> =>
  leaves.flatMap(({ path }): ReadonlyArray<Setting> => {
    const value = flags[path]
    if (value === undefined) return []
    return [{ path, raw: { type: "untyped", value }, origin: { _tag: "Flag", flag: flagAt(path) } }]
  })
