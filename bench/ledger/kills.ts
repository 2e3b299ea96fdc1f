/** A ledger that is killed while it writes, again and again, and looked at after each time. */
import { Effect } from "effect"
import { killRounds } from "../../test/fixtures/ledgerKill.ts"
import { fuzzSeed } from "../../test/fixtures/random.ts"
import { BenchFailed } from "../turn/processes.ts"
import { temporaryDirectory } from "./ledgers.ts"
import type { Verdict } from "./verdicts.ts"

export const measureKills = Effect.fnUntraced(function* (rounds: number) {
  const directory = yield* temporaryDirectory
  const seed = fuzzSeed()
  const before = performance.now()
  const { answers, entries } = yield* Effect.tryPromise({
    try: () => killRounds(directory, rounds, seed),
    catch: (error) => new BenchFailed({ detail: `FUZZ_SEED=${seed}: ${String(error)}` })
  })
  const verdicts: ReadonlyArray<Verdict> = [
    { goal: "processes killed, sound each time", measured: rounds, atLeast: rounds },
    { goal: "answers", measured: answers },
    { goal: "entries, all answers among them", measured: entries, atLeast: answers },
    { goal: "seconds", measured: (performance.now() - before) / 1000 }
  ]
  return verdicts
}, Effect.scoped)
