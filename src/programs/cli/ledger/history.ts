/**
 * `icn-node ledger history`: what a member paid and got, newest first. One line per counterparty; amounts are from his
 * point of view, negative when given. With `--json` each line is a document of its own.
 */
import { Console, DateTime, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { history as readHistory } from "../../ledger/reads.ts"
import type { LedgerHistoryLine, LedgerHistoryQuery } from "../../rpc/ledgerApi.ts"
import { dataDirectory } from "../dataDir.ts"
import { failing } from "../failing.ts"
import { everyone, nodeFlags, optionalDid, whose } from "./flags.ts"
import { asking } from "./reading.ts"

/** A screenful for people, all for scripts. */
const limitForPeople = 50

const limit = Flag.Int("limit").pipe(
  Flag.withAlias("n"),
  Flag.withDescription(`At most so many entries, the newest; all with --json, ${limitForPeople} without`),
  Flag.filter(
    (value) => value >= 1,
    () => "a number from 1 on"
  ),
  Flag.optional
)

type Since = Pick<LedgerHistoryQuery, "sinceMillis" | "sinceVersion">

/** A version is a plain number, a time begins with its date. */
const sinceOf = (text: string): Option.Option<Since> => {
  if (/^\d{1,15}$/.test(text)) return Option.some({ sinceVersion: Number(text), sinceMillis: null })
  if (!/^\d{4}-\d{2}-\d{2}(T.*)?$/.test(text)) return Option.none()
  return Option.map(DateTime.make(text), (time) => ({
    sinceVersion: null,
    sinceMillis: DateTime.toEpochMillis(time)
  }))
}

const since = Flag.String("since").pipe(
  Flag.withMetavar("version or time"),
  Flag.withDescription(
    "Only entries after this version of the journal (42), or dated here or later (2026-11-01, 2026-11-01T12:00:00Z)"
  ),
  Flag.filterMap(sinceOf, (text) => `${JSON.stringify(text)} is neither a version nor a time like 2026-11-01`),
  Flag.optional
)

const before = Flag.Int("before").pipe(
  Flag.withMetavar("version"),
  Flag.withDescription("Only entries before this version of the journal: the next page, after the last line's version"),
  Flag.filter(
    (value) => value >= 0,
    () => "a number from 0 on"
  ),
  Flag.optional
)

const all = Flag.Boolean("all").pipe(
  Flag.withDescription("Also entries without a payment: memberships, limits, acknowledgements"),
  Flag.withDefault(false)
)

const json = Flag.Boolean("json").pipe(
  Flag.withDescription("Print one JSON document per line instead of text"),
  Flag.withDefault(false)
)

const ids = Flag.Boolean("ids").pipe(
  Flag.withDescription('Begin each line with the id of its entry, for "post", "void" and "reverse"'),
  Flag.withDefault(false)
)

/** As wide as the largest amount with two decimals and a usual symbol. */
const amountColumns = 18

/** Without what would turn the rest of the line round or break it; control characters are in no memo. */
const shown = (memo: string): string => memo.replaceAll(/[\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, "")

const lineText = (line: LedgerHistoryLine, withId: boolean): string => {
  const { amount, at, booked, counterparty, currency, entryId, kind, memo } = line
  const value = amount === null ? "" : `${amount} ${currency ?? ""}`
  return [
    ...(withId ? [entryId] : []),
    at.slice(0, 16).replace("T", " "),
    kind.padEnd(8),
    value.padStart(amountColumns),
    counterparty ?? "",
    ...(memo === "" ? [] : [shown(memo)]),
    ...(booked ? [] : ["(not booked)"])
  ]
    .join("  ")
    .trimEnd()
}

export const history = Command.make(
  "history",
  { did: optionalDid, everyone, all, ids, limit, since, before, ...nodeFlags, json },
  Effect.fnUntraced(function* ({ all, before, config, dataDir, did, everyone, ids, json, limit, since }) {
    const directory = yield* dataDirectory({ config, dataDir })
    const query: LedgerHistoryQuery = {
      ...(yield* whose(did, everyone).pipe(failing(json))),
      all,
      limit: Option.getOrElse(limit, () => (json ? Number.MAX_SAFE_INTEGER : limitForPeople)),
      before: Option.getOrNull(before),
      ...Option.getOrElse(since, (): Since => ({ sinceVersion: null, sinceMillis: null }))
    }
    const entries = new Set<string>()
    let oldest = 0
    yield* asking(
      directory,
      { node: (client) => client.LedgerHistory(query), offline: (reads) => readHistory(reads, query) },
      (line) => {
        if (entries.size <= limitForPeople) entries.add(line.entryId)
        oldest = line.version
        return Console.log(json ? JSON.stringify(line) : lineText(line, ids))
      }
    ).pipe(failing(json))
    if (json) return
    if (entries.size === 0) yield* Console.log(all ? "no entries" : "no payments")
    if (entries.size === limitForPeople && Option.isNone(limit)) {
      yield* Console.error(`the newest ${limitForPeople}; older ones with --before ${oldest}`)
    }
  })
).pipe(
  Command.withDescription("Show what a member paid and got, newest first"),
  Command.withExamples([
    { command: "icn-node ledger history --limit 10", description: "The newest ten" },
    { command: "icn-node ledger history --ids", description: "With ids, for example to void a hold" },
    { command: "icn-node ledger history --since 42 --json", description: "What came after version 42, for scripts" }
  ])
)
