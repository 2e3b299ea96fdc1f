/**
 * Whether a person is watching: standard error as a terminal, with or without colours (https://no-color.org).
 */
import { Effect } from "effect"
import { isatty } from "node:tty"
import { ProcessEnvironment } from "./environment.ts"

export const terminal = Effect.map(ProcessEnvironment, ({ variables }) => {
  const isTerminal = isatty(2)
  return { isTerminal, colors: isTerminal && (variables["NO_COLOR"] ?? "") === "" }
})
