/**
 * Commands whose failure is a result too: with `--json` it is the document `{ok: false, error}` on standard output,
 * otherwise the one text on standard error; the exit code is 1 either way.
 */
import { Console, Effect } from "effect"
import { CommandFailed, commandFailed, exitCodes } from "./output.ts"

/** Ends the command with any typed failure of `self`. */
export const failing =
  (json: boolean) =>
  <A, E extends Error, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, CommandFailed, R> =>
    self.pipe(
      Effect.tapError(({ message }) =>
        json ? Console.log(JSON.stringify({ ok: false, error: message })) : Effect.void
      ),
      Effect.mapError((error) =>
        json ? new CommandFailed({ text: "", exitCode: exitCodes.failed }) : commandFailed(error)
      )
    )
