/**
 * What every command shares: `--json`, where results go, and how failures look. Results are the only thing on standard
 * output; warnings and errors go to standard error, so that `icn-node … --json | jq` always works.
 */
import { Console, type Effect, Runtime, Schema } from "effect"
import { Flag } from "effect/cli"

/** Exit codes of the program, pinned for scripts. */
export const exitCodes = { ok: 0, failed: 1, configuration: 78 } as const

export const json = Flag.Boolean("json").pipe(
  Flag.withDescription("Print one JSON document instead of text"),
  Flag.withDefault(false)
)

/** A command failed for a reason that its text tells in full, so the runtime adds no trace (`errorReported`). */
export class CommandFailed extends Schema.TaggedError<CommandFailed>()("CommandFailed", {
  text: Schema.String,
  exitCode: Schema.Int
}) {
  override get [Runtime.errorExitCode]() {
    return this.exitCode
  }
  override readonly [Runtime.errorReported] = false
  override get message() {
    return this.text
  }
}

/** What ends a command that failed with a typed error: its message, told once. */
export const commandFailed = (error: Error): CommandFailed =>
  error instanceof CommandFailed ? error : new CommandFailed({ text: error.message, exitCode: exitCodes.failed })

/** Prints a result: `text` for people, or `value` as JSON. */
export const print = (asJson: boolean, value: object, text: () => string): Effect.Effect<void> =>
  Console.log(asJson ? JSON.stringify(value) : text())
