/**
 * How the node logs: one readable line per event on a terminal, one JSON object per line everywhere else. Logs go to
 * standard error, so that standard output carries nothing but the results of commands.
 */
import { Formatter, Layer, Logger, type LogLevel, References } from "effect"
import type { logFormats, logLevels } from "../domain/nodeConfig.ts"

/** What the configuration and the terminal say about logs. */
export interface LoggingOptions {
  readonly level: (typeof logLevels)[number]
  /** `auto` is `pretty` on a terminal and `json` elsewhere. */
  readonly format: (typeof logFormats)[number]
  /** Whether standard error is a terminal. */
  readonly isTerminal: boolean
  /** Whether pretty lines may be coloured: a terminal without `NO_COLOR`. */
  readonly colors: boolean
}

const minimumLevels = {
  trace: "Trace",
  debug: "Debug",
  info: "Info",
  warn: "Warn",
  error: "Error"
} as const satisfies Record<LoggingOptions["level"], LogLevel.LogLevel>

/** ANSI codes (ECMA-48 SGR) of the levels that should catch the eye. */
const levelColors: Readonly<Record<string, number>> = { WARN: 33, ERROR: 31, FATAL: 31 }
const dim = 2
/** The longest name of a level, so that messages begin in one column. */
const levelWidth = 5

/** What others may have chosen (a server's realm, say) must neither steer the terminal nor look like a line of ours. */
const harmless = (text: string): string =>
  text.replace(/\p{Cc}/gu, (character) =>
    character === "\n" ? "\n  " : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
  )

const plainText = (value: unknown): string => harmless(typeof value === "string" ? value : Formatter.formatJson(value))

const timeOfDay = (date: Date): string =>
  [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":")

/** `20:15:04 WARN  message key=value`; a defect's stack follows on lines of its own. */
const prettyLine = (colors: boolean): Logger.Logger<unknown, string> => {
  const color = (code: number | undefined, text: string) =>
    colors && code !== undefined && text !== "" ? `\u001b[${code}m${text}\u001b[0m` : text
  return Logger.make((options) => {
    const { annotations, cause, level, message } = Logger.formatStructured.log(options)
    const facts = Object.entries(annotations).map(([key, value]) => ` ${key}=${plainText(value)}`)
    const text = (Array.isArray(message) ? message : [message]).map(plainText).join(" ")
    const stack = cause === undefined ? "" : harmless(`\n${cause}`)
    const head = `${timeOfDay(options.date)} ${color(levelColors[level], level.padEnd(levelWidth))} ${text}`
    return head + color(dim, facts.join("")) + stack
  })
}

/** Sets the loggers and the least level that is told. */
export const layer = ({ colors, format, isTerminal, level }: LoggingOptions): Layer.Layer<never> => {
  const isPretty = format === "pretty" || (format === "auto" && isTerminal)
  const logger = isPretty ? prettyLine(colors) : Logger.formatJson
  return Layer.merge(
    Logger.layer([Logger.withConsoleError(logger)]),
    Layer.succeed(References.MinimumLogLevel, minimumLevels[level])
  )
}
