/**
 * Appends through the `Ledger` service, one caller and sixty-four at a time, beside the same rows on bare `node:sqlite`
 * (bareRows.ts). They take turns on files of their own.
 */
import { Effect } from "effect"
import { join } from "node:path"
import type { Comparison, Sample } from "../session/figures.ts"
import { BenchFailed } from "../turn/processes.ts"
import type { Ledger } from "../../src/services/Ledger.ts"
import { BareRows } from "./bareRows.ts"
import { found, openLedger, temporaryDirectory } from "./ledgers.ts"
import { People } from "./people.ts"

const callerCounts = [1, 64] as const

const figureOf = (callers: number): string => `appends/s, ${callers} ${callers === 1 ? "caller" : "callers"}`

export const appendComparisons: ReadonlyArray<Comparison> = callerCounts.map((callers) => ({
  figure: figureOf(callers),
  of: "ledger",
  to: "bare rows",
  atLeast: 0.8
}))

const payOnce = Effect.fnUntraced(function* (ledger: Ledger["Service"], to: string) {
  const written = yield* ledger.transfer({ to, amount: 1, memo: "bread" })
  if (written._tag !== "Committed") return yield* new BenchFailed({ detail: JSON.stringify(written) })
})

/** Has so many callers pay, each one payment after the other; says how many payments were answered. */
export const pay = Effect.fnUntraced(function* (
  ledger: Ledger["Service"],
  { callers, goesOn, to }: { readonly callers: number; readonly goesOn: () => boolean; readonly to: string }
) {
  let answered = 0
  const caller = Effect.gen(function* () {
    while (goesOn()) {
      yield* payOnce(ledger, to)
      answered++
    }
  })
  yield* Effect.all(
    Array.from({ length: callers }, () => caller),
    { concurrency: "unbounded" }
  )
  return answered
})

/** From now on for so long. */
export const during = (millis: number): (() => boolean) => {
  const endsAt = performance.now() + millis
  return () => performance.now() < endsAt
}

const bareFor = (rows: BareRows, group: number, millis: number): number => {
  rows.prepare()
  const goesOn = during(millis)
  let written = 0
  while (goesOn()) {
    rows.commit(group)
    written += group
  }
  return written
}

const perSecond = Effect.fnUntraced(function* <E>(work: Effect.Effect<number, E>) {
  const before = performance.now()
  const done = yield* work
  return (done / (performance.now() - before)) * 1000
})

/** Turns of `seconds`, `rounds` of each. */
export const measureAppend = Effect.fnUntraced(function* (rounds: number, seconds: number) {
  const people = new People({ members: 1, signed: true })
  const ledger = yield* openLedger(yield* temporaryDirectory)
  yield* found(ledger, people)
  const bare = yield* Effect.acquireRelease(
    Effect.map(temporaryDirectory, (path) => new BareRows(join(path, "ledger.sqlite"))),
    (rows) => Effect.sync(() => rows.close())
  )
  const millis = seconds * 1000
  const rivals = [
    [
      "ledger",
      (callers: number) => Effect.suspend(() => pay(ledger, { callers, goesOn: during(millis), to: people.payee }))
    ],
    ["bare rows", (callers: number) => Effect.sync(() => bareFor(bare, callers, millis))]
  ] as const
  const samples: Array<Sample> = []
  // The first round is for the compiler.
  for (let round = -1; round < rounds; round++) {
    for (const callers of callerCounts) {
      for (const [rival, work] of round % 2 === 0 ? rivals : rivals.toReversed()) {
        const value = yield* perSecond(work(callers))
        if (round >= 0) samples.push({ round, rival, figure: figureOf(callers), value })
      }
    }
  }
  return samples
}, Effect.scoped)
