/**
 * `icn-node coop create`: founds a cooperative with this node's member as its steward.
 */
import { Effect, Option, Result } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { describeAmountProblem, formatAmount, parseLimit } from "../../../domain/ledgerAmount.ts"
import type { CoopCurrency, CoopInfo } from "../../rpc/coopApi.ts"
import { workWithNode } from "../../rpc/client.ts"
import { configFlag, dataDirectory, dataDirFlag } from "../dataDir.ts"
import { failing } from "../failing.ts"
import { CommandFailed, exitCodes, json, print } from "../output.ts"

const name = Argument.String("name").pipe(Argument.withDescription("What the cooperative is called"))

const currency = Flag.String("currency").pipe(
  Flag.withMetavar("SYMBOL[:DECIMALS[:LIMIT]]"),
  Flag.withDescription('A currency and how far down everybody may go at first, such as "EUR:2:50.00"; may be repeated'),
  Flag.between(0, 8)
)

const startingLimit = Flag.String("starting-limit").pipe(
  Flag.withMetavar("amount"),
  Flag.withDescription("How far down everybody may go at first, in hours; 100.00 unless given"),
  Flag.optional
)

const decimalsDefault = 2
const startingLimitDefault = "100"

const invalid = (text: string) => new CommandFailed({ text, exitCode: exitCodes.failed })

const limitOf = (text: string, decimals: number, of: string): Result.Result<number, CommandFailed> =>
  Result.mapError(parseLimit(text, decimals), (problem) =>
    invalid(`${of}: ${JSON.stringify(text)} is ${describeAmountProblem(problem, decimals)}`)
  )

const currencyOf = (text: string): Result.Result<CoopCurrency, CommandFailed> => {
  const [symbol = "", digits = String(decimalsDefault), limit = startingLimitDefault, ...rest] = text.split(":")
  if (rest.length > 0 || !/^[0-6]$/.test(digits)) {
    return Result.fail(
      invalid(`--currency ${text}: expected SYMBOL, SYMBOL:DECIMALS or SYMBOL:DECIMALS:LIMIT, with 0 to 6 decimals`)
    )
  }
  const decimals = Number(digits)
  return Result.map(limitOf(limit, decimals, `--currency ${text}`), (startingLimit) => ({
    symbol,
    decimals,
    startingLimit
  }))
}

const text = ({ coop, currencies, name }: CoopInfo): string =>
  [
    `founded ${name}`,
    `id ${coop}`,
    ...currencies.map(
      ({ decimals, startingLimit, symbol }) =>
        `currency ${symbol}, starting limit ${formatAmount(startingLimit, decimals)}`
    ),
    'invite others with "icn-node coop invite"'
  ].join("\n")

export const create = Command.make(
  "create",
  { name, currency, startingLimit, config: configFlag, dataDir: dataDirFlag, json },
  Effect.fnUntraced(function* ({ config, currency, dataDir, json, name, startingLimit }) {
    const directory = yield* dataDirectory({ config, dataDir })
    const request = Result.gen(function* () {
      if (currency.length > 0 && Option.isSome(startingLimit)) {
        return yield* Result.fail(invalid("--starting-limit is for the currency hours; give it with --currency"))
      }
      const limit = Option.map(startingLimit, (limit) => limitOf(limit, decimalsDefault, "--starting-limit"))
      return {
        name,
        currencies: currency.length === 0 ? null : yield* Result.all(currency.map(currencyOf)),
        startingLimit: Option.isNone(limit) ? null : yield* limit.value
      }
    })
    const info = yield* Effect.fromResult(request).pipe(
      Effect.flatMap((request) => workWithNode(directory, (client) => client.CoopCreate(request))),
      failing(json)
    )
    yield* print(json, { ok: true, ...info }, () => text(info))
  })
).pipe(
  Command.withDescription("Found a cooperative, in place of one that is not in use yet"),
  Command.withExamples([
    { command: 'icn-node coop create "Bakery"', description: "With hours as its currency, and 100.00 of credit" },
    { command: 'icn-node coop create "Bakery" --currency EUR:2:50', description: "With a currency of its own" }
  ])
)
