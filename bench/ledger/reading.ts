/**
 * What readers and the rest of the node feel while a ledger writes as fast as it can: the time of a balance, and how
 * long the main thread does nothing else.
 */
import { Effect } from "effect"
import { monitorEventLoopDelay } from "node:perf_hooks"
import type { Ledger } from "../../src/services/Ledger.ts"
import { percentile } from "../turn/statistics.ts"
import { during, pay } from "./append.ts"
import { receiveAll, windowsOf } from "./ingest.ts"
import { found, openLedger, temporaryDirectory } from "./ledgers.ts"
import { People } from "./people.ts"
import type { Verdict } from "./verdicts.ts"

const callers = 64
const authors = 200
const millisMax = 5
/** A pause between questions, so that they are not a load of their own. */
const pauseMillis = 2
/** The timer of the monitor: an idle loop has this much by itself. */
const resolutionMillis = 1

/** Asks for a balance now and then until something ends. */
const watched = Effect.fnUntraced(function* <E>(
  ledger: Ledger["Service"],
  account: string,
  load: Effect.Effect<number, E>
) {
  const micros: Array<number> = []
  const delay = monitorEventLoopDelay({ resolution: resolutionMillis })
  const ask = Effect.gen(function* () {
    const before = performance.now()
    yield* ledger.balance(account)
    micros.push((performance.now() - before) * 1000)
    yield* Effect.sleep(pauseMillis)
  })
  yield* ledger.balance(account)
  delay.enable()
  const before = performance.now()
  const entries = yield* Effect.raceFirst(load, Effect.forever(ask))
  const seconds = (performance.now() - before) / 1000
  delay.disable()
  const stallMillis = delay.percentile(99) / 1e6 - resolutionMillis
  return { micros, perSecond: entries / seconds, stallMillis, longestMillis: delay.max / 1e6 }
})

type Watched = Effect.Success<ReturnType<typeof watched<never>>>

const verdictsOf = (
  load: string,
  { longestMillis, micros, perSecond, stallMillis }: Watched
): ReadonlyArray<Verdict> => [
  { goal: `${load}: entries/s meanwhile`, measured: perSecond },
  { goal: `${load}: balances asked for`, measured: micros.length },
  { goal: `${load}: balance p50, ms`, measured: percentile(micros, 50) / 1000 },
  { goal: `${load}: balance p99, ms`, measured: percentile(micros, 99) / 1000, atMost: millisMax },
  { goal: `${load}: event loop p99, ms`, measured: stallMillis, atMost: millisMax },
  { goal: `${load}: event loop, longest, ms`, measured: longestMillis }
]

/** Under appends of sixty-four callers for some seconds, and under so many entries of others. */
export const measureReading = Effect.fnUntraced(function* (seconds: number, entries: number) {
  const people = new People({ members: authors, signed: true })
  const windows = windowsOf(people.take(entries))
  const ledger = yield* openLedger(yield* temporaryDirectory)
  yield* found(ledger, people)
  const payFor = (millis: number) =>
    Effect.suspend(() => pay(ledger, { callers, goesOn: during(millis), to: people.payee }))
  // For the compiler.
  yield* payFor(2000)
  const idle = yield* watched(ledger, people.own, Effect.as(Effect.sleep(1000), 0))
  const paying = yield* watched(ledger, people.own, payFor(seconds * 1000))
  const receiving = yield* watched(ledger, people.payee, Effect.as(receiveAll(ledger, windows, "each"), entries))
  return [
    ...verdictsOf("idle", idle),
    ...verdictsOf(`${callers} callers`, paying),
    ...verdictsOf("strict ingest", receiving)
  ]
}, Effect.scoped)
