/**
 * `icn-node ledger limits`: how far down members may go; stewards grant it, and a policy can suggest what.
 */
import { Console, Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { creditPolicyNames } from "../../../domain/ledgerLimitPolicy.ts"
import { suggestLimits } from "../../ledger/limits.ts"
import type { LedgerLimitSuggestion } from "../../rpc/ledgerApi.ts"
import { dataDirectory } from "../dataDir.ts"
import { failing } from "../failing.ts"
import { didArgument } from "../member.ts"
import { print } from "../output.ts"
import { progressPainter } from "../progress.ts"
import { table } from "../table.ts"
import { countLine } from "./counting.ts"
import { currency, everyone, nodeFlags, optionalDid, whose, writeFlags } from "./flags.ts"
import { askBalances, asking } from "./reading.ts"
import { writing } from "./writing.ts"

const show = Command.make(
  "show",
  { did: optionalDid, everyone, ...nodeFlags },
  Effect.fnUntraced(function* ({ config, dataDir, did, everyone, json }) {
    const directory = yield* dataDirectory({ config, dataDir })
    const request = yield* whose(did, everyone).pipe(failing(json))
    const rows = yield* askBalances(directory, request).pipe(failing(json))
    const documents = rows.map(({ available, currency, did, limit }) => ({ did, currency, limit, available }))
    yield* print(json, documents, () =>
      table(
        [
          { title: "member", align: "left" },
          { title: "currency", align: "left" },
          { title: "limit", align: "right" },
          { title: "available", align: "right" }
        ],
        documents.map(({ available, currency, did, limit }) => [did, currency, limit, available])
      )
    )
  })
).pipe(Command.withDescription("Show how far down a member may go, and what is left of it"))

const limitFlag = Flag.String("limit").pipe(
  Flag.withMetavar("100.00"),
  Flag.withDescription("How far down the member may go; 0 for not at all")
)

const grant = Command.make(
  "grant",
  { did: didArgument, limit: limitFlag, currency, ...writeFlags },
  Effect.fnUntraced(function* ({ currency, did, limit, ...flags }) {
    yield* writing(flags, { _tag: "Grant", to: did, limit, currency: Option.getOrNull(currency) }, "granted a limit of")
  })
).pipe(
  Command.withDescription("Set a member's limit, as a steward; it holds from his next entry on"),
  Command.withExamples([
    { command: "icn-node ledger limits grant did:key:z6Mk… --limit 150.00", description: "In the first currency" }
  ])
)

const policy = Flag.Literals("policy", creditPolicyNames).pipe(
  Flag.withDescription("For a new community (conservative) or an established one (permissive)"),
  Flag.withDefault("conservative" as const)
)

const grantCommand = ({ currency, did, suggested }: LedgerLimitSuggestion): string =>
  `icn-node ledger limits grant ${did} --limit ${suggested} --currency ${currency}`

/** What stewards look at before they grant, and what they would type. */
const suggestionsText = (suggestions: ReadonlyArray<LedgerLimitSuggestion>): string => {
  const rows = suggestions.map(({ cleared, did, limit, memberDays, payers, suggested }) => [
    did,
    cleared,
    String(payers),
    String(memberDays),
    limit,
    suggested
  ])
  const titles = ["earned", "from members", "days", "limit", "suggested"]
  const columns = titles.map((title) => ({ title, align: "right" }) as const)
  const changes = suggestions.filter(({ limit, suggested }) => limit !== suggested)
  return [
    table([{ title: "member", align: "left" }, ...columns], rows),
    "",
    ...(changes.length === 0
      ? ["all limits are as suggested"]
      : ["to apply, as a steward:", ...changes.map(grantCommand)])
  ].join("\n")
}

const suggestedDid = didArgument.pipe(
  Argument.withDescription("The member, as did:key:z6Mk…; all members unless given"),
  Argument.optional
)

const suggest = Command.make(
  "suggest",
  { did: suggestedDid, policy, currency, ...nodeFlags },
  Effect.fnUntraced(function* ({ config, currency, dataDir, did, json, policy }) {
    const directory = yield* dataDirectory({ config, dataDir })
    const request = { policy, of: Option.getOrNull(did), currency: Option.getOrNull(currency) }
    const painter = yield* progressPainter
    const suggestions: Array<LedgerLimitSuggestion> = []
    yield* asking(
      directory,
      {
        node: (client) => client.LedgerLimitsSuggest(request),
        offline: (reads) => suggestLimits(reads, request)
      },
      (event) =>
        event._tag === "Progress"
          ? painter.line(countLine("reading the journal", event))
          : Effect.sync(() => void suggestions.push(event.suggestion))
    ).pipe(failing(json))
    yield* painter.wipe
    if (json) return yield* Console.log(JSON.stringify(suggestions.map((one) => ({ ...one, policy }))))
    yield* Console.log(suggestionsText(suggestions))
  }, Effect.scoped)
).pipe(
  Command.withDescription(
    "Show what limits a policy would give, from what members have earned and since when they are there"
  ),
  Command.withExamples([
    { command: "icn-node ledger limits suggest", description: "For all members, with the commands to apply it" }
  ])
)

export const limits = Command.make("limits").pipe(
  Command.withDescription("How far down members may go"),
  Command.withSubcommands([show, grant, suggest])
)
