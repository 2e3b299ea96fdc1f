import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { killRounds } from "../fixtures/ledgerKill.ts"
import { fuzzSeed } from "../fixtures/random.ts"
import { temporaryDirectory } from "../fixtures/temporaryDirectory.ts"

const rounds = Number(process.env["LEDGER_KILL_ROUNDS"] ?? 30)

describe("a ledger that is killed while it writes", () => {
  it.live(
    `has everything that it answered, and sound books, ${rounds} times`,
    () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const seed = fuzzSeed()
        const { answers } = yield* Effect.promise(() => killRounds(directory, rounds, seed))
        assert.isAtLeast(answers, rounds, `FUZZ_SEED=${seed}`)
      }),
    30_000 + rounds * 5000
  )
})
