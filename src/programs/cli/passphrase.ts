/**
 * Passphrases of key files at the edge of the process: the configured one (ICN_KEYSTORE_PASSPHRASE and its keys), or
 * a person at the terminal. Questions go to standard error, so that the results of a command stay alone on standard
 * output.
 */
import { Context, Effect, Option, Redacted, Terminal } from "effect"
import { Prompt } from "effect/cli"
import type { PassphraseSource } from "../../layers/IdentityFile.ts"
import { CommandFailed, exitCodes } from "./output.ts"

/** Whether somebody can be asked: both ends of the conversation are a terminal. */
export const Interactive = Context.Reference<boolean>("icn-node/programs/cli/Interactive", {
  defaultValue: () => process.stdin.isTTY && process.stderr.isTTY
})

/** What the configuration accepts too: one line without control characters. */
export const isPassphrase = (text: string): boolean => /^[^\p{Cc}]{1,4096}$/u.test(text)

const validate = (text: string): Effect.Effect<string, string> =>
  isPassphrase(text) ? Effect.succeed(text) : Effect.fail("at least one character, and no control characters")

const onStandardError = Effect.map(Terminal.Terminal, (terminal) =>
  Terminal.make({ ...terminal, display: (text) => Effect.sync(() => process.stderr.write(text)) })
)

/** The answer of the person at the terminal; none when there is nobody, or somebody who would rather not say. */
const ask = Effect.fnUntraced(
  function* (message: string) {
    if (!(yield* Interactive)) return Option.none<Redacted.Redacted>()
    return Option.some(yield* Prompt.Password({ message, validate }))
  },
  // The question's line is still open.
  Effect.catchTag("QuitError", () =>
    Effect.flatMap(Terminal.Terminal, ({ display }) => Effect.as(Effect.ignore(display("\n")), Option.none()))
  ),
  Effect.provideServiceEffect(Terminal.Terminal, onStandardError)
)

/** The source for a configured passphrase; without one it asks. */
export const passphraseSource = Effect.map(
  Effect.context<Prompt.Environment>(),
  (context) =>
    (configured: Option.Option<Redacted.Redacted>): PassphraseSource => ({
      configured,
      ask: ask("Passphrase of the key file").pipe(Effect.provide(context))
    })
)

/** A new passphrase, asked for twice. */
export const askNewPassphrase = Effect.fnUntraced(function* () {
  const first = yield* ask("New passphrase")
  if (Option.isNone(first)) {
    const text = "a passphrase is needed: set ICN_KEYSTORE_PASSPHRASE, or run this at a terminal"
    return yield* new CommandFailed({ text, exitCode: exitCodes.failed })
  }
  const second = yield* ask("The same again")
  if (Option.isSome(second) && Redacted.value(second.value) === Redacted.value(first.value)) return first.value
  return yield* new CommandFailed({ text: "the two passphrases are not the same", exitCode: exitCodes.failed })
})
