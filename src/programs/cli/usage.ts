/**
 * How wrong usage looks: what is wrong, and where to read on, on standard error without the whole help in front of it.
 * With `--json` it is the document `{ok: false, error}` on standard output, as every other failure.
 */
import { Console, Effect, Layer, Stdio } from "effect"
import { CliError, CliOutput } from "effect/cli"

type InvalidInvocation = CliOutput.Presenter.InvalidInvocation

/** Some values say themselves what is wrong with them, in a sentence that begins with the value. */
const problemText = (error: InvalidInvocation["errors"][number]): string => {
  if (!(error instanceof CliError.InvalidValue)) return error.message
  const { expected, kind, option, value } = error
  if (!expected.startsWith(JSON.stringify(value))) return error.message
  return `${kind === "flag" ? `--${option}` : `<${option}>`}: ${expected}`
}

const problemsText = ({ errors }: InvalidInvocation): string => errors.map(problemText).join("\n")

/** What is told instead of the help, which asks to be read first. */
const usageText = (event: InvalidInvocation): string =>
  `${problemsText(event)}\nsee "${[...event.commandPath, "--help"].join(" ")}"`

const presenter = (asJson: boolean): CliOutput.Presenter => ({
  present: (event) => {
    if (event._tag !== "InvalidInvocation") return CliOutput.defaultPresenter.present(event)
    return asJson
      ? Console.log(JSON.stringify({ ok: false, error: problemsText(event) }))
      : Console.error(usageText(event))
  }
})

/** For the command line as it was given, since one that could not be read has no flags yet. */
export const layer = Layer.effect(
  CliOutput.Presenter,
  Effect.gen(function* () {
    const { args } = yield* Stdio.Stdio
    return presenter((yield* args).includes("--json"))
  })
)
