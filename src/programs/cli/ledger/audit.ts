/**
 * `icn-node ledger verify|recompute`: whether the stored balances are what the journal says, and making them so. Exit
 * code 1 when `verify` finds a difference.
 */
import { Effect, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import { verify as verifyBooks } from "../../ledger/audit.ts"
import type { LedgerAuditEvent, LedgerReport } from "../../rpc/ledgerApi.ts"
import { workWithNode } from "../../rpc/client.ts"
import { dataDirectory } from "../dataDir.ts"
import { failing } from "../failing.ts"
import { CommandFailed, exitCodes, print } from "../output.ts"
import { type ProgressPainter, progressPainter } from "../progress.ts"
import { countLine } from "./counting.ts"
import { nodeFlags } from "./flags.ts"
import { asking } from "./reading.ts"

type Done = Extract<LedgerAuditEvent, { readonly _tag: "Done" }>

/** What an audit goes through, and what it counts there. */
interface Stage {
  readonly label: string
  readonly unit: string
}
const verifyStages: ReadonlyArray<Stage> = [
  { label: "verifying entries", unit: "entries" },
  { label: "verifying balances", unit: "legs" }
]
const recomputeStages: ReadonlyArray<Stage> = [{ label: "recomputing balances", unit: "legs" }]

/** Paints progress and keeps the result. Where the count begins anew, the next stage does. */
const follow = (painter: ProgressPainter, stages: ReadonlyArray<Stage>) => {
  let done: Done | undefined
  let stage = 0
  let before: Extract<LedgerAuditEvent, { readonly _tag: "Progress" }> | undefined
  const tell = (event: LedgerAuditEvent): Effect.Effect<void> => {
    if (event._tag === "Progress") {
      const isNext = before !== undefined && (event.total !== before.total || event.done < before.done)
      if (isNext) stage = Math.min(stage + 1, stages.length - 1)
      before = event
      const { label, unit } = stages[stage] ?? { label: "", unit: "" }
      return painter.line(countLine(label, event, unit))
    }
    done = event
    return painter.wipe
  }
  return { tell, result: () => done }
}

const unfinished = new CommandFailed({ text: "the node ended without a result", exitCode: exitCodes.failed })

const sumsText = ({ sumByCurrency }: LedgerReport): string =>
  Object.entries(sumByCurrency)
    .map(([symbol, sum]) => `${sum} ${symbol}`)
    .join(", ")

const differences = ({ mismatches }: LedgerReport): ReadonlyArray<string> =>
  mismatches.map(
    ({ currency, did, recomputed, stored }) =>
      `${did} ${currency}: stored ${stored.posted} (held ${stored.held}, unacknowledged ${stored.unacked}), ` +
      `by the journal ${recomputed.posted} (held ${recomputed.held}, unacknowledged ${recomputed.unacked})`
  )

const verifyText = (report: LedgerReport): string =>
  [
    ...(report.ok ? ["ok"] : ["the stored balances are not what the journal says", ...differences(report)]),
    `${report.entries} entries, version ${report.journalVersion}; all balances sum to ${sumsText(report)}`,
    ...(report.ok ? [] : ['put them right with "icn-node ledger recompute"'])
  ].join("\n")

export const verify = Command.make(
  "verify",
  nodeFlags,
  Effect.fnUntraced(function* ({ config, dataDir, json }) {
    const directory = yield* dataDirectory({ config, dataDir })
    const { result, tell } = follow(yield* progressPainter, verifyStages)
    yield* asking(directory, { node: (client) => client.LedgerVerify(), offline: verifyBooks }, tell).pipe(
      failing(json)
    )
    const report = result()?.report
    if (report === undefined) return yield* failing(json)(Effect.fail(unfinished))
    yield* print(json, report, () => verifyText(report))
    if (!report.ok) return yield* new CommandFailed({ text: "", exitCode: exitCodes.failed })
  }, Effect.scoped)
).pipe(Command.withDescription("Compare the stored balances with the journal; exit code 1 when they differ"))

const once = Flag.Boolean("once").pipe(
  Flag.withDescription("Fail when something is written meanwhile, instead of catching up with it"),
  Flag.withDefault(false)
)

const recomputeText = ({ report, retries }: Done): string => {
  const { length } = report.mismatches
  return [
    length === 0 ? "all stored balances were right" : `put right ${length} stored balances:`,
    ...differences(report),
    `${report.entries} entries, version ${report.journalVersion}; all balances sum to ${sumsText(report)}`,
    ...(retries === 0 ? [] : [`${retries} times the journal had gone on meanwhile`])
  ].join("\n")
}

export const recompute = Command.make(
  "recompute",
  { ...nodeFlags, once },
  Effect.fnUntraced(function* ({ config, dataDir, json, once }) {
    const directory = yield* dataDirectory({ config, dataDir })
    const { result, tell } = follow(yield* progressPainter, recomputeStages)
    yield* workWithNode(directory, (client) => Stream.runForEach(client.LedgerRecompute({ once }), tell)).pipe(
      failing(json)
    )
    const done = result()
    if (done === undefined) return yield* failing(json)(Effect.fail(unfinished))
    yield* print(json, { ...done.report, retries: done.retries }, () => recomputeText(done))
  }, Effect.scoped)
).pipe(
  Command.withDescription("Work all balances out anew from the journal, while the node goes on, and put them right")
)
