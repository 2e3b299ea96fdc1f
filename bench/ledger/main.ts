/**
 * `node bench/ledger/main.ts`: what the ledger can do, each figure beside its limit or its goal in the same run. Prints
 * tables, or everything as JSON; asserts nothing, since a number of one machine is no test.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Console, Effect } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { loadavg } from "node:os"
import { version } from "../../src/domain/version.ts"
import { atLeastOne, machine, positive } from "../common.ts"
import { type Comparison, compare, comparisonsText, figuresText, type Sample } from "../session/figures.ts"
import { appendComparisons, measureAppend } from "./append.ts"
import { ingestComparisons, measureIngest } from "./ingest.ts"
import { measureKills } from "./kills.ts"
import { buildLarge, measureRecompute, measureRestart, memoryVerdicts, settle } from "./large.ts"
import { measureReading } from "./reading.ts"
import { isMet, type Verdict, verdictsText } from "./verdicts.ts"

const benchmarks = ["append", "ingest", "reading", "memory", "restart", "recompute", "kills"] as const
type Benchmark = (typeof benchmarks)[number]

/** What is measured on the large journal. */
const large: ReadonlyArray<Benchmark> = ["memory", "restart", "recompute"]

const input = {
  benchmarks: Argument.Literals("benchmark", benchmarks).pipe(
    Argument.withDescription("What to measure; everything if left out"),
    Argument.variadic()
  ),
  rounds: Flag.Int("rounds").pipe(atLeastOne, Flag.withDescription("Turns of each rival"), Flag.withDefault(7)),
  seconds: Flag.Finite("seconds").pipe(
    positive,
    Flag.withDescription("Length of a turn of appends"),
    Flag.withDefault(1)
  ),
  ingest: Flag.Int("ingest").pipe(
    atLeastOne,
    Flag.withDescription("Entries of a turn of ingest"),
    Flag.withDefault(20_000)
  ),
  entries: Flag.Int("entries").pipe(
    atLeastOne,
    Flag.withDescription("Entries of the large journal"),
    Flag.withDefault(1_000_000)
  ),
  kills: Flag.Int("kills").pipe(atLeastOne, Flag.withDescription("Processes to kill"), Flag.withDefault(200)),
  cold: Flag.Boolean("cold").pipe(
    Flag.withDescription("One more start with nothing of any file cached, where this user may"),
    Flag.withDefault(false)
  ),
  json: Flag.Boolean("json").pipe(Flag.withDescription("Print one JSON document"), Flag.withDefault(false))
}

/** What was measured, as text and as data. */
interface Part {
  readonly text: string
  readonly data: object
}

const compared = (samples: ReadonlyArray<Sample>, comparisons: ReadonlyArray<Comparison>): Part => {
  const ratios = comparisons.map((comparison) => compare(samples, comparison))
  return { text: `${figuresText(samples)}\n\n${comparisonsText(ratios)}`, data: { samples, ratios } }
}

const judged = (verdicts: ReadonlyArray<Verdict>): Part => ({
  text: verdictsText(verdicts),
  data: { verdicts: verdicts.map((verdict) => ({ ...verdict, met: isMet(verdict) })) }
})

/** Starts and recomputations take longer than turns and differ less. */
const largeRounds = 3

const measureLarge = Effect.fnUntraced(function* (
  { cold, entries }: { readonly cold: boolean; readonly entries: number },
  wanted: ReadonlySet<Benchmark>,
  add: (part: Part) => Effect.Effect<void>
) {
  const journal = yield* buildLarge(entries)
  const seconds = journal.marks.at(-1)?.seconds ?? Number.NaN
  yield* add(
    judged([
      { goal: "journal made, s", measured: seconds },
      { goal: "bytes per entry", measured: journal.bytes / entries },
      ...(wanted.has("memory") ? memoryVerdicts(journal) : [])
    ])
  )
  if (!wanted.has("restart") && !wanted.has("recompute")) return
  yield* settle(journal)
  if (wanted.has("restart")) yield* add(judged(yield* measureRestart(journal, largeRounds, cold)))
  if (wanted.has("recompute")) yield* add(judged(yield* measureRecompute(journal, entries, largeRounds)))
}, Effect.scoped)

/** The machine, and how busy it was before. */
const machineNow = () => ({ ...machine(), load: loadavg()[0]?.toFixed(2) })

const bench = Command.make(
  "bench:ledger",
  input,
  Effect.fnUntraced(function* (options) {
    const { ingest, json, rounds, seconds } = options
    const wanted = new Set<Benchmark>(options.benchmarks.length === 0 ? benchmarks : options.benchmarks)
    const parts: Array<Part> = []
    // Each as soon as it is there, since a run takes minutes.
    const add = (part: Part) => {
      parts.push(part)
      return json ? Effect.void : Console.log(`${part.text}\n`)
    }
    const before = machineNow()
    const { kernel, load, node, processors } = before
    const head = `Node ${node}, Linux ${kernel}, ${processors}, load before ${load}; ${rounds} rounds\n`
    if (!json) yield* Console.log(head)
    if (wanted.has("append")) yield* add(compared(yield* measureAppend(rounds, seconds), appendComparisons))
    if (wanted.has("ingest")) yield* add(compared(yield* measureIngest(rounds, ingest), ingestComparisons))
    if (wanted.has("reading")) yield* add(judged(yield* measureReading(5 * seconds, ingest)))
    if (large.some((one) => wanted.has(one))) yield* measureLarge(options, wanted, add)
    if (wanted.has("kills")) yield* add(judged(yield* measureKills(options.kills)))
    if (json) yield* Console.log(JSON.stringify({ machine: before, parts: parts.map(({ data }) => data) }))
  })
).pipe(Command.withDescription("Measure the ledger beside bare SQLite and beside its goals"))

bench.pipe(
  Command.run({ version }),
  Effect.tapErrorTag(["BenchFailed", "LedgerError"], ({ message }) => Console.error(message)),
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain
)
