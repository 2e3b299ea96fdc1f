/**
 * Values as a source holds them, with TOML's types still apart (`1` is no float, `"1"` no number), and their fit to the
 * type of a key. Text from the environment and from flags has no type of its own and is read as the key wants it.
 */
import type { Key, KeyType, Plain } from "./nodeConfigKey.ts"
import { redacted, shortDid, shown, withoutCredentials } from "./nodeConfigProblem.ts"

/** A value with its type in the source. */
export type RawValue =
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "integer"; readonly value: bigint }
  | { readonly type: "float"; readonly value: number }
  | { readonly type: "boolean"; readonly value: boolean }
  | { readonly type: "date" | "table" }
  | { readonly type: "array"; readonly items: ReadonlyArray<RawItem> }
  /** From a variable or a flag. */
  | { readonly type: "untyped"; readonly value: string }

/** One item of an array. */
export interface RawItem {
  readonly raw: RawValue
  readonly line: number
}

const integerText = /^[+-]?\d{1,20}$/
const numberText = /^[+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:e[+-]?\d+)?$/i

const fromText = (type: KeyType, text: string): Plain | undefined => {
  switch (type) {
    case "string":
      return text
    case "integer":
      return integerText.test(text) ? Number(text) : undefined
    case "number":
      return numberText.test(text) ? Number(text) : undefined
    case "boolean":
      return text === "true" ? true : text === "false" ? false : undefined
    case "list":
      return undefined
  }
}

/** The value as plain data when it has the key's type; `undefined` when it has another one. Lists fit by the item. */
export const fit = (type: KeyType, raw: RawValue): Plain | undefined => {
  switch (raw.type) {
    case "untyped":
      return fromText(type, raw.value)
    case "string":
      return type === "string" ? raw.value : undefined
    case "integer":
      // A number too large to be exact is out of every range anyway.
      return type === "integer" || type === "number" ? Number(raw.value) : undefined
    case "float":
      return type === "number" ? raw.value : undefined
    case "boolean":
      return type === "boolean" ? raw.value : undefined
    case "date":
    case "array":
    case "table":
      return undefined
  }
}

/** Why a value of another type does not fit, as far as there is something to advise. */
export const advice = (key: Key<unknown>, raw: RawValue): string => {
  if (raw.type === "array" && key.whenArray !== undefined) return key.whenArray
  const expected = `expected ${key.allowed}`
  if (raw.type === "string" && fromText(key.type, raw.value) !== undefined) return `${expected}; remove the quotes`
  if (key.type === "string" && (raw.type === "integer" || raw.type === "float")) return `${expected}, in quotes`
  if (key.type === "integer" && raw.type === "float" && Number.isInteger(raw.value)) {
    return `${expected}, without a decimal point`
  }
  return expected
}

/** A float as TOML writes it: `inf`, `nan`, and a decimal point even without decimals. */
export const writtenFloat = (value: number): string =>
  /^-?\d+$/.test(String(value)) ? `${value}.0` : String(value).replace("Infinity", "inf").replace("NaN", "nan")

/** The value for people; never one that is, or may hold, a secret. */
export const found = (key: Key<unknown>, raw: RawValue): string => {
  if (key.role === "secret") return redacted
  switch (raw.type) {
    case "string":
    case "untyped":
      return `"${shown(withoutCredentials(shortDid(raw.value)))}"`
    case "integer":
    case "boolean":
      return shown(String(raw.value))
    case "float":
      return writtenFloat(raw.value)
    case "date":
      return "a date or time"
    case "array":
      return "an array"
    case "table":
      return "a table"
  }
}
