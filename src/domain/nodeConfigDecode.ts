/**
 * Decodes one setting: a value of a scalar key, or a list item by item, so that each bad item is a problem of its own
 * with its index and line. In a variable or flag a list is one text, its items between commas or white space; in the
 * file a value that is no array counts as the only item.
 */
import { Result } from "effect"
import { keyAt, type Origin } from "./nodeConfig.ts"
import type { Decoded, Items, Key, Plain } from "./nodeConfigKey.ts"
import { type ConfigProblem, printable, problemAt } from "./nodeConfigProblem.ts"
import type { Setting } from "./nodeConfigSources.ts"
import { advice, fit, found, type RawValue } from "./nodeConfigValue.ts"

/** A value with the place that a problem of it is reported at. */
interface Placed {
  readonly name: string
  readonly raw: RawValue
  readonly origin: Origin
}

const decodeOne = (
  key: Key<unknown>,
  { name, origin, raw }: Placed,
  hint = ""
): Result.Result<Decoded<unknown>, ConfigProblem> => {
  const plain = fit(key.type, raw)
  const decoded = plain === undefined ? Result.fail(advice(key, raw)) : key.decode(plain)
  return Result.mapError(decoded, (problem) =>
    problemAt(origin, { key: name, found: found(key, raw), problem: `${printable(problem)}${hint}` })
  )
}

const split = (text: string): ReadonlyArray<string> => text.split(/[\s,]+/).filter((item) => item !== "")

/** The items of a list as its source holds them. */
const placed = ({ origin, path, raw }: Setting): ReadonlyArray<Placed> => {
  const nameAt = (index: number) => `${path}[${index}]`
  if (raw.type === "array") {
    return raw.items.map((item, index) => ({
      name: nameAt(index),
      raw: item.raw,
      origin: origin._tag === "File" ? { ...origin, line: item.line } : origin
    }))
  }
  if (raw.type !== "untyped") return [{ name: path, raw, origin }]
  const texts = split(raw.value)
  return texts.map((value, index) => ({
    name: texts.length === 1 ? path : nameAt(index),
    raw: { type: "untyped", value },
    origin
  }))
}

/** Helps somebody who writes a list in the file as in a variable. */
const severalInOne = ({ raw }: Setting): string =>
  raw.type === "string" && split(raw.value).length > 1 ? "; several are an array of texts" : ""

const countProblem = (setting: Setting, key: Key<unknown>, count: number): ConfigProblem =>
  problemAt(setting.origin, {
    key: setting.path,
    found: count === 0 ? "an empty list" : `${count} items`,
    problem: `expected ${key.allowed}`
  })

const decodeList = (
  key: Key<unknown>,
  { item: itemKey, max, min }: Items,
  setting: Setting
): Result.Result<Decoded<unknown>, ReadonlyArray<ConfigProblem>> => {
  const items = placed(setting)
  const problems: Array<ConfigProblem> = []
  const names = new Map<Plain, string>()
  const hint = severalInOne(setting)
  if (items.length < min || items.length > max) problems.push(countProblem(setting, key, items.length))
  // What comes after the last item that there may be goes away anyway.
  for (const item of items.slice(0, max)) {
    const decoded = decodeOne(itemKey, item, hint)
    if (Result.isFailure(decoded)) {
      problems.push(decoded.failure)
      continue
    }
    const { plain } = decoded.success
    const first = names.get(plain)
    if (first === undefined) names.set(plain, item.name)
    else {
      const problem = `the same as ${first}; keep one of the two`
      problems.push(problemAt(item.origin, { key: item.name, found: found(itemKey, item.raw), problem }))
    }
  }
  if (problems.length > 0) return Result.fail(problems)
  return Result.mapError(key.decode([...names.keys()]), (problem) => [
    problemAt(setting.origin, { key: setting.path, problem })
  ])
}

/** Reads a setting as its key wants it, or tells everything that is wrong with it. */
export const decodeSetting = (setting: Setting): Result.Result<Decoded<unknown>, ReadonlyArray<ConfigProblem>> => {
  const key = keyAt(setting.path)
  return key.items === undefined
    ? Result.mapError(decodeOne(key, { ...setting, name: setting.path }), (problem) => [problem])
    : decodeList(key, key.items, setting)
}
