/**
 * What is wrong, or doubtful, with the configuration, in terms of what the operator wrote; and the one way in which
 * text from outside is shown: short, on one line, without control characters, and without what may be a secret.
 */
import { Schema } from "effect"
import type { Origin } from "./nodeConfig.ts"

/** One problem or warning. */
export class ConfigProblem extends Schema.Class<ConfigProblem>("ConfigProblem")({
  /** Dotted path, such as `network.turn_server`. */
  key: Schema.String,
  /** `icn.toml:12`, `ICN_NETWORK_TURN_SERVER`, `--metrics-port` or `default`. */
  origin: Schema.String,
  /** The line in the configuration file, from 1, where that is the origin. */
  line: Schema.optionalKey(Schema.Int),
  /** The value found, shortened; `<redacted>` for secrets; absent where no value is the matter. */
  found: Schema.optionalKey(Schema.String),
  /** What is wrong and what is allowed instead. */
  problem: Schema.String
}) {}

/** A problem at the place that an origin names. */
export const problemAt = (
  origin: Origin,
  facts: { readonly key: string; readonly found?: string; readonly problem: string }
): ConfigProblem => {
  const line = origin._tag === "File" ? origin.line : undefined
  return new ConfigProblem({ ...facts, origin: formatOrigin(origin), ...(line === undefined ? {} : { line }) })
}

/** Problems of the file by line, as its author will go through them; then all others. */
export const inFileOrder = (problems: ReadonlyArray<ConfigProblem>): ReadonlyArray<ConfigProblem> => [
  ...problems.filter(({ line }) => line !== undefined).toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0)),
  ...problems.filter(({ line }) => line === undefined)
]

/** One line for people. */
export const formatProblem = ({ found, key, origin, problem }: ConfigProblem): string =>
  `${key} (${origin})${found === undefined ? "" : ` = ${found}`}: ${problem}`

/** Longer texts would hide the message around them. */
const shownLengthMax = 60

/** Control, format and direction characters could move the cursor or reorder what a terminal shows. */
const invisible = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

/** A text from outside, fit to be printed. */
export const printable = (text: string): string =>
  text.replace(invisible, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`)

/** The same, and short. */
export const shown = (text: string): string => {
  // Twice as many code units hold that many characters; what comes after them need not be looked at.
  const characters = Array.from(text.slice(0, 2 * shownLengthMax + 2))
  return printable(characters.length > shownLengthMax ? `${characters.slice(0, shownLengthMax).join("")}…` : text)
}

/** A key of the operator's making, quoted as TOML wants it unless it is bare. */
export const shownKey = (name: string): string => (/^[\w-]{1,60}$/.test(name) ? name : `"${shown(name)}"`)

/** Stands for every secret that is printed. */
export const redacted = "<redacted>"

/** The identity in front of a member's address, which is no secret. */
const memberDid = /^icn:\/\/did:[a-z]{1,8}:[\da-z…]{1,64}@/i

/** Hides what people put into addresses where it does not belong: `user:password@`, and a token in a URL's query. */
export const withoutCredentials = (text: string): string => {
  const did = memberDid.exec(text)?.[0] ?? ""
  const hidden = text
    .slice(did.length)
    .replace(/^((?:(?:turn|stun|http)s?:|icn:)?(?:\/\/)?).*@/is, `$1${redacted}@`)
    .replace(/^(https?:[^?#]*[?#]).+/is, `$1${redacted}`)
  return `${did}${hidden}`
}

/** Leaves the ends of a DID in front of an address: in full it would hide the address, and it is no password. */
export const shortDid = (text: string): string =>
  text.replace(/^(icn:\/\/did:[a-z]{1,8}:[\da-z]{8})[\da-z]{20,}([\da-z]{4}@)/i, "$1…$2")

/** An origin in the words of the operator. */
export const formatOrigin = (origin: Origin): string => {
  switch (origin._tag) {
    case "Default":
      return "default"
    case "File":
      return `${printable(origin.file)}${origin.line === undefined ? "" : `:${origin.line}`}`
    case "Environment":
      return origin.variable
    case "Flag":
      return origin.flag
    case "Program":
      return "program"
  }
}
