/**
 * `icn-node config …`: checks the configuration, prints what is in effect and where it came from, and prints the JSON
 * Schema and the reference page. Nothing is started and nothing is written.
 */
import { Console, Effect } from "effect"
import { Command } from "effect/cli"
import { type ConfigProblem, formatOrigin, formatProblem } from "../../domain/nodeConfigProblem.ts"
import { jsonSchema, jsonSchemaText } from "../../domain/nodeConfigJsonSchema.ts"
import { referenceMarkdown } from "../../domain/nodeConfigReference.ts"
import { effectiveJson, effectiveToml } from "../../domain/nodeConfigToml.ts"
import * as NodeConfigToml from "../../layers/NodeConfigToml.ts"
import { configFlag, configOptions, dataDirFlag, invalidConfig } from "./dataDir.ts"
import { json, print } from "./output.ts"

const flags = { config: configFlag, dataDir: dataDirFlag, json }

const warn = (warnings: ReadonlyArray<ConfigProblem>) =>
  Effect.forEach(warnings, (warning) => Console.error(`warning: ${formatProblem(warning)}`), { discard: true })

const check = Command.make(
  "check",
  flags,
  Effect.fnUntraced(function* (input) {
    const options = yield* configOptions(input)
    const { config } = yield* NodeConfigToml.load(options).pipe(
      Effect.tapError(({ problems, warnings }) =>
        input.json ? print(true, { ok: false, problems, warnings }, () => "") : warn(warnings)
      ),
      Effect.mapError(invalidConfig)
    )
    const { source, warnings } = config
    if (!input.json) yield* warn(warnings)
    yield* print(input.json, { ok: true, problems: [], warnings }, () => `ok: ${source}`)
  })
).pipe(Command.withDescription("Check the configuration; exit code 78 and every problem when it cannot be used"))

const printCommand = Command.make(
  "print",
  flags,
  Effect.fnUntraced(function* (input) {
    const options = yield* configOptions(input)
    const { config, effective } = yield* NodeConfigToml.load(options).pipe(Effect.mapError(invalidConfig))
    yield* warn(config.warnings)
    const origins = Object.fromEntries(effective.map(({ origin, path }) => [path, formatOrigin(origin)]))
    yield* print(input.json, { source: config.source, values: effectiveJson(effective), origins }, () =>
      effectiveToml(config.source, effective)
    )
  })
).pipe(Command.withDescription("Print the values in effect and where each came from; secrets are masked"))

const schema = Command.make("schema", { json }, (input) =>
  print(input.json, jsonSchema, () => jsonSchemaText().trimEnd())
).pipe(Command.withDescription("Print the JSON Schema of icn.toml"))

const docs = Command.make("docs", { json }, (input) => {
  const markdown = referenceMarkdown().trimEnd()
  return print(input.json, { markdown }, () => markdown)
}).pipe(Command.withDescription("Print the configuration reference"))

export const config = Command.make("config").pipe(
  Command.withDescription("Check and print the configuration"),
  Command.withSubcommands([check, printCommand, schema, docs])
)
