/**
 * Configuration written as TOML: the example file with every key and its default, and the values in effect with their
 * origins. Both are valid TOML 1.0.
 */
import { type KeyPath, keyAt } from "./nodeConfig.ts"
import type { Entries, Key, KeyType, Plain } from "./nodeConfigKey.ts"
import { formatOrigin, printable } from "./nodeConfigProblem.ts"
import type { Effective } from "./nodeConfigResolve.ts"
import { variableAt } from "./nodeConfigSources.ts"
import { table } from "./nodeConfigTable.ts"
import { writtenFloat } from "./nodeConfigValue.ts"

/** JSON's strings are TOML's, except that TOML wants DEL escaped and has no lone surrogates. */
const tomlString = (text: string): string => JSON.stringify(text.toWellFormed()).replaceAll("\u007f", "\\u007f")

/** A value as TOML writes it; a number key keeps its decimal point, so that it stays a float. */
export const tomlValue = (plain: Plain, type: KeyType): string => {
  if (typeof plain === "string") return tomlString(plain)
  return type === "number" && typeof plain === "number" ? writtenFloat(plain) : String(plain)
}

const parent = (path: KeyPath): string => path.slice(0, Math.max(0, path.lastIndexOf(".")))

/** A comment of several sentences, broken into lines that fit an editor. */
const comment = (text: string): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = "#"
  for (const word of text.split(" ")) {
    if (line.length + word.length >= 100) {
      lines.push(line)
      line = "#"
    }
    line += ` ${word}`
  }
  return [...lines, line]
}

const facts = (path: string, key: Key<unknown>): string => {
  const computed = key.computedDefault === undefined ? "Not set by default." : `Default: ${key.computedDefault}.`
  const fallback = key.default === undefined ? ` ${computed.replaceAll("`", "")}` : ""
  return `${key.doc}${fallback} Allowed: ${key.allowed}. Variable: ${variableAt(path)}.`
}

const exampleLines = (entries: Entries, prefix: string): ReadonlyArray<string> =>
  Object.entries(entries).flatMap(([name, entry]) => {
    const path = `${prefix}${name}`
    if (entry._tag === "Section") {
      return ["", ...comment(entry.doc), `[${path}]`, ...exampleLines(entry.entries, `${path}.`)]
    }
    const sample = entry.default ?? entry.example ?? ""
    return ["", ...comment(facts(path, entry)), `# ${name} = ${tomlValue(sample, entry.type)}`]
  })

/** `icn.example.toml`: every key, commented out, with its default or an example. */
export const exampleToml = (): string =>
  [
    "#:schema ./icn.schema.json",
    "#",
    ...comment(
      "Configuration of icn-node. Everything is optional: the lines that are commented out show the defaults, or an " +
        "example where there is none. Copy to icn.toml and keep what you change. Generated; see docs/configuration.md."
    ),
    ...exampleLines(table, ""),
    ""
  ].join("\n")

/** The values in effect, each with a comment that says where it came from; keys without a value are comments alone. */
export const effectiveToml = (source: string, effective: ReadonlyArray<Effective>): string => {
  const lines: Array<string> = [`# Read from: ${printable(source)}`]
  let section = ""
  for (const { origin, path, plain } of effective) {
    if (parent(path) !== section) {
      section = parent(path)
      lines.push("", `[${section}]`)
    }
    const name = path.slice(path.lastIndexOf(".") + 1)
    lines.push(
      plain === undefined
        ? `# ${name} is not set`
        : `${name} = ${tomlValue(plain, keyAt(path).type)} # ${formatOrigin(origin)}`
    )
  }
  return lines.join("\n")
}

interface Nested {
  [name: string]: Plain | Nested
}

/** The same as nested plain data, named as in the file; keys without a value are left out. */
export const effectiveJson = (effective: ReadonlyArray<Effective>): Nested => {
  const root: Nested = {}
  for (const { path, plain } of effective) {
    if (plain === undefined) continue
    const names = path.split(".")
    const last = names.pop() ?? path
    let at = root
    for (const name of names) {
      const next = at[name]
      const inner: Nested = typeof next === "object" ? next : {}
      at[name] = inner
      at = inner
    }
    at[last] = plain
  }
  return root
}
