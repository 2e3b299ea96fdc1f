/**
 * A large journal: how the memory of its maker grows with it, how long a start takes, and what a recomputation costs
 * while nothing else goes on and while entries come. It is made once per run, by build.ts.
 */
import { Effect, Schema } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { statSync, writeFileSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { BenchFailed } from "../turn/processes.ts"
import { windowsTaken } from "../../src/programs/ledgerSync/ask.ts"
import type { SealedEntry } from "../../src/protocol/entry.ts"
import type { Ledger } from "../../src/services/Ledger.ts"
import { pay } from "./append.ts"
import { openLedger, preparePlace, temporaryDirectory } from "./ledgers.ts"
import { People } from "./people.ts"
import type { Verdict } from "./verdicts.ts"

export const largeMembers = 200
const flatTo = 1.2
const restartSecondsMax = 2
const recomputeTimesMax = 3
/** Entries a second that have to come in meanwhile, and at which pace they are brought. */
const wantedPerSecond = 5000
const broughtPerSecond = 5500
/** Entries of one window that is brought: nearly as many as catching up has in one. */
const windowEntries = 1500
/** Entries made ready for one recomputation, which may take some 20 s beside them. */
const readyEntries = 120_000
const callers = 64

const Mark = Schema.Struct({
  entries: Schema.Int,
  rssBytes: Schema.Finite,
  /** V8's heap and what is outside of it. */
  heapBytes: Schema.Finite,
  seconds: Schema.Finite
})
export type Mark = typeof Mark.Type

const decodeMark = Schema.decodeUnknownSync(Schema.fromJsonString(Mark))

export interface Large {
  readonly directory: string
  readonly books: string
  readonly people: People
  readonly marks: ReadonlyArray<Mark>
  readonly bytes: number
}

/** Makes the journal, in a process of its own. */
export const buildLarge = Effect.fnUntraced(function* (entries: number) {
  const directory = yield* temporaryDirectory
  const people = new People({ members: largeMembers, signed: false })
  const books = yield* preparePlace(directory, people)
  const program = fileURLToPath(new URL("build.ts", import.meta.url))
  const args = ["--expose-gc", program, books, String(entries), String(Math.floor(entries / 10)), String(entries)]
  const marks = yield* Effect.tryPromise({
    try: async () => {
      const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] })
      const exit = once(child, "exit")
      const lines: Array<Mark> = []
      for await (const line of createInterface({ input: child.stdout })) lines.push(decodeMark(line))
      const [code]: Array<unknown> = await exit
      if (code !== 0) throw new Error(`build.ts ended with ${String(code)}`)
      return lines
    },
    catch: (error) => new BenchFailed({ detail: String(error) })
  })
  const large: Large = { directory, books, people, marks, bytes: statSync(books).size }
  return large
})

const megabytes = (bytes: number): number => bytes / 1e6

/** Memory at a tenth of the entries and at all of them. */
export const memoryVerdicts = ({ marks: [few, all] }: Large): ReadonlyArray<Verdict> => {
  if (few === undefined || all === undefined) return []
  const from = (what: string, bytes: (mark: Mark) => number): Verdict => ({
    goal:
      `${what}, ${all.entries} entries to ${few.entries} ` +
      `(${megabytes(bytes(few)).toFixed(1)} -> ${megabytes(bytes(all)).toFixed(1)} MB)`,
    measured: bytes(all) / bytes(few),
    atMost: flatTo
  })
  return [from("RSS", ({ rssBytes }) => rssBytes), from("heap", ({ heapBytes }) => heapBytes)]
}

/** Has the books checked and a checkpoint written, as they have in a node that ran before. */
export const settle = Effect.fnUntraced(function* ({ books, directory }: Large) {
  yield* openLedger(directory, { checkpoints: { entriesMax: 1, millisMax: 1, lookMillis: 200 } })
  const database = yield* Effect.acquireRelease(
    Effect.sync(() => new DatabaseSync(books, { readOnly: true })),
    (database) => Effect.sync(() => database.close())
  )
  const query = database.prepare("SELECT 1 FROM checkpoint")
  while (query.get() === undefined) yield* Effect.sleep(100)
}, Effect.scoped)

const startOnce = Effect.fnUntraced(function* ({ directory, people }: Large) {
  const before = performance.now()
  const ledger = yield* openLedger(directory)
  yield* ledger.balance(people.own)
  return (performance.now() - before) / 1000
}, Effect.scoped)

/** What the system has cached of files, where this user may have it forgotten. */
const forgetFiles = Effect.sync(() => {
  try {
    writeFileSync("/proc/sys/vm/drop_caches", "1")
    return true
  } catch {
    return false
  }
})

/** From building the layer to the first balance. */
export const measureRestart = Effect.fnUntraced(function* (large: Large, rounds: number, cold: boolean) {
  const times: Array<number> = []
  for (let round = 0; round < rounds; round++) times.push(yield* startOnce(large))
  const verdicts: Array<Verdict> = times.map((measured, round) => ({
    goal: `start ${round + 1} to the first balance, s`,
    measured,
    atMost: restartSecondsMax
  }))
  if (cold && (yield* forgetFiles)) {
    const measured = yield* startOnce(large)
    verdicts.push({ goal: "start to the first balance, nothing cached, s", measured, atMost: restartSecondsMax })
  }
  return verdicts
})

/** Seconds of an effect, with what came of it. */
const timed = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>) {
  const before = performance.now()
  const value = yield* effect
  return { value, seconds: (performance.now() - before) / 1000 }
})

const soundness = Effect.fnUntraced(function* (ledger: Ledger["Service"], expected: number) {
  const { entries, mismatches, sums } = yield* ledger.verify
  if (entries !== expected) return yield* new BenchFailed({ detail: `${entries} entries of ${expected} are there` })
  if (mismatches.length > 0 || sums.some((sum) => sum !== 0)) {
    return yield* new BenchFailed({ detail: "the books are not what the entries say" })
  }
})

/** Has all of these entries in the books. */
const takeAll = Effect.fnUntraced(function* (ledger: Ledger["Service"], entries: ReadonlyArray<SealedEntry>) {
  let added = 0
  for (let at = 0; at < entries.length; at += windowEntries) {
    added += (yield* ledger.receive(entries.slice(at, at + windowEntries), "runs")).added
  }
  return added
})

/** Brings entries of others at a pace, as catching up does, until there is no need; says how many are there. */
const bring = Effect.fnUntraced(function* (
  ledger: Ledger["Service"],
  entries: ReadonlyArray<SealedEntry>,
  goesOn: () => boolean
) {
  const before = performance.now()
  let there = 0
  const window = Effect.fnUntraced(function* (at: number) {
    const due = (at / broughtPerSecond) * 1000
    yield* Effect.sleep(Math.max(0, due - (performance.now() - before)))
    if (!goesOn()) return
    const { added } = yield* ledger.receive(entries.slice(at, at + windowEntries), "runs")
    there += added
  })
  const starts = Array.from({ length: Math.ceil(entries.length / windowEntries) }, (_, index) => index * windowEntries)
  yield* Effect.forEach(starts, window, { concurrency: windowsTaken, discard: true })
  return there
})

/**
 * Recomputations idle, while entries of others come at a pace, and while sixty-four callers pay without a pause; then
 * all has to be there.
 */
export const measureRecompute = Effect.fnUntraced(function* (large: Large, entries: number, rounds: number) {
  const { directory, people } = large
  people.skip(entries)
  const ledger = yield* openLedger(directory)
  const start = yield* ledger.journalVersion
  let added = 0
  const verdicts: Array<Verdict> = []
  const beside = Effect.fnUntraced(function* <E>(load: (goesOn: () => boolean) => Effect.Effect<number, E>) {
    const state = { isDone: false }
    const recompute = Effect.tap(timed(ledger.recomputeBalancesWithRetry), () =>
      Effect.sync(() => (state.isDone = true))
    )
    const [busy, came] = yield* Effect.all([recompute, load(() => !state.isDone)], { concurrency: "unbounded" })
    added += came
    return { ...busy, perSecond: came / busy.seconds }
  })
  for (let round = 1; round <= rounds; round++) {
    const ready = people.take(readyEntries)
    const idle = yield* timed(ledger.recomputeBalancesWithRetry)
    const coming = yield* beside((goesOn) => bring(ledger, ready, goesOn))
    // What came and was not needed any more goes in now, since the next ones go on from it.
    added += yield* takeAll(ledger, ready)
    const paying = yield* beside((goesOn) => pay(ledger, { callers, goesOn, to: people.payee }))
    const about = (what: string, { perSecond, seconds, value }: typeof coming, atLeast?: number) => [
      { goal: `recomputation ${round} while ${what}, s`, measured: seconds },
      { goal: "to idle", measured: seconds / idle.seconds, atMost: recomputeTimesMax },
      { goal: "entries/s meanwhile", measured: perSecond, ...(atLeast === undefined ? {} : { atLeast }) },
      { goal: "snapshots caught up with", measured: value.retries }
    ]
    verdicts.push(
      { goal: `recomputation ${round}, idle, s`, measured: idle.seconds },
      ...about("entries come", coming, wantedPerSecond),
      ...about(`${callers} callers pay`, paying)
    )
  }
  yield* soundness(ledger, start + added)
  return verdicts
}, Effect.scoped)
