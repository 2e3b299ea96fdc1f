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

const isList = (plain: unknown): plain is ReadonlyArray<unknown> => Array.isArray(plain)

/** A value as TOML writes it; a number key keeps its decimal point, so that it stays a float. */
export const tomlValue = (plain: Plain, type: KeyType): string => {
  if (typeof plain === "object") return `[${plain.map((item) => tomlValue(item, type)).join(", ")}]`
  if (typeof plain === "string") return tomlString(plain)
  return type === "number" && typeof plain === "number" ? writtenFloat(plain) : String(plain)
}

const parent = (path: KeyPath): string => path.slice(0, Math.max(0, path.lastIndexOf(".")))

/** What an editor shows of a line. */
const lineLengthMax = 100

/** A key with its value and a remark; a list that is too long for a line has a line for each item. */
const assignment = (name: string, plain: Plain, type: KeyType, remark = ""): ReadonlyArray<string> => {
  const line = `${name} = ${tomlValue(plain, type)}`
  if (typeof plain !== "object" || `# ${line}${remark}`.length <= lineLengthMax) return [`${line}${remark}`]
  const items = plain.map((item, index) => `  ${tomlValue(item, type)}${index < plain.length - 1 ? "," : ""}`)
  return [`${name} = [${remark}`, ...items, "]"]
}

/** A comment of several sentences, broken into lines that fit an editor. */
const comment = (text: string): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = "#"
  for (const word of text.split(" ")) {
    if (line.length + word.length >= lineLengthMax) {
      lines.push(line)
      line = "#"
    }
    line += ` ${word}`
  }
  return [...lines, line]
}

const fallback = ({ computedDefault, default: value, example, type }: Key<unknown>): string => {
  if (computedDefault !== undefined) return ` Default: ${computedDefault.replaceAll("`", "")}.`
  if (value === undefined) return " Not set by default."
  // Otherwise the line below shows it.
  return example === undefined ? "" : ` Default: ${tomlValue(value, type)}.`
}

const facts = (path: string, key: Key<unknown>): string => {
  return `${key.doc}${fallback(key)} Allowed: ${key.allowed}. Variable: ${variableAt(path)}.`
}

/** What the example file shows of a key: a value worth writing. */
export const sample = (key: Key<unknown>): Plain => key.example ?? key.default ?? ""

const exampleLines = (entries: Entries, prefix: string): ReadonlyArray<string> =>
  Object.entries(entries).flatMap(([name, entry]) => {
    const path = `${prefix}${name}`
    if (entry._tag === "Section") {
      return ["", ...comment(entry.doc), `[${path}]`, ...exampleLines(entry.entries, `${path}.`)]
    }
    const lines = assignment(name, sample(entry), entry.type).map((line) => `# ${line}`)
    return ["", ...comment(facts(path, entry)), ...lines]
  })

/** `icn.example.toml`: every key, commented out, with its default or an example. */
export const exampleToml = (): string =>
  [
    "#:schema ./icn.schema.json",
    "#",
    ...comment(
      "Configuration of icn-node. Everything is optional: the lines that are commented out show the defaults, or an " +
        "example where that says more. Copy to icn.toml and keep what you change. Generated; see docs/configuration.md."
    ),
    ...exampleLines(table, ""),
    ""
  ].join("\n")

/** The values in effect, each with a comment that says whose they are; keys without a value are comments alone. */
export const effectiveToml = (source: string, effective: ReadonlyArray<Effective>): string => {
  const lines: Array<string> = [`# Read from: ${printable(source)}`]
  let section = ""
  for (const { origin, path, plain } of effective) {
    if (parent(path) !== section) {
      section = parent(path)
      lines.push("", `[${section}]`)
    }
    const name = path.slice(path.lastIndexOf(".") + 1)
    if (plain === undefined) lines.push(`# ${name} is not set`)
    else lines.push(...assignment(name, plain, keyAt(path).type, ` # ${formatOrigin(origin)}`))
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
      const inner: Nested = typeof next === "object" && !isList(next) ? next : {}
      at[name] = inner
      at = inner
    }
    at[last] = plain
  }
  return root
}
