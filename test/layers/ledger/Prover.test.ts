import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Stream } from "effect"
import { TestClock } from "effect/testing"
import type { LedgerEngine } from "../../../src/layers/ledger/Engine.ts"
import type { StoredEntry } from "../../../src/layers/ledger/Journal.ts"
import { Prover } from "../../../src/layers/ledger/Prover.ts"
import { sampleEntries } from "../../fixtures/ledgerEntries.ts"

const entry = sampleEntries["transfer"] ?? assert.fail("no transfer among the samples")

/** An engine with so many entries that are vouched for; tells when their signatures are looked at. */
const engineWith = (count: number) => {
  const looked: Array<{ readonly at: number; readonly entries: number }> = []
  let vouched: ReadonlyArray<StoredEntry> = Array.from({ length: count }, (_, index) => ({
    id: String(index),
    entry,
    version: index + 1,
    booked: true,
    proof: "vouched",
    sealed: { body: new Uint8Array(), signature: new Uint8Array(64) }
  }))
  const answers: Readonly<Record<string, (...args: ReadonlyArray<never>) => unknown>> = {
    vouched: (max: number, after: number) => vouched.filter(({ version }) => version > after).slice(0, max),
    prove: (proven: ReadonlyArray<{ readonly id: string }>) => {
      const ids = new Set(proven.map(({ id }) => id))
      vouched = vouched.filter(({ id }) => !ids.has(id))
    }
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- these two calls are all that the prover makes
  const call = ((name: string, ...args: ReadonlyArray<never>) =>
    Effect.sync(() => answers[name]?.(...args))) as unknown as LedgerEngine["write"] & LedgerEngine["read"]
  const engine: LedgerEngine = {
    coop: "",
    write: call,
    read: call,
    verifySignatures: (entries) =>
      Effect.map(Clock.currentTimeMillis, (at) => {
        looked.push({ at, entries: entries.length })
        return entries.map(() => "signed" as const)
      }),
    compareBooks: Effect.never,
    recomputeBooks: () => Effect.never,
    progress: Stream.empty,
    versions: Stream.empty
  }
  return { engine, looked, left: () => vouched.length }
}

describe("Prover", () => {
  it.effect("verifies all that is vouched for, and what comes after a word of it", () =>
    Effect.gen(function* () {
      const { engine, left, looked } = engineWith(1100)
      const prover = yield* Prover.make(engine)
      yield* Effect.forkScoped(prover.run)
      yield* TestClock.adjust(1)
      assert.deepStrictEqual([looked.map(({ entries }) => entries), left()], [[512, 512, 76], 0])
      assert.isFalse(prover.isStuck)
    })
  )

  it.effect("lets runs that come go first, until none has come for a while", () =>
    Effect.gen(function* () {
      const { engine, looked } = engineWith(600)
      const prover = yield* Prover.make(engine)
      yield* prover.coming
      yield* Effect.forkScoped(prover.run)
      yield* TestClock.adjust(60)
      yield* prover.coming
      yield* TestClock.adjust(99)
      assert.deepStrictEqual(looked, [])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(looked, [
        { at: 160, entries: 512 },
        { at: 160, entries: 88 }
      ])
    })
  )

  it.effect("does not wait for a time that comes again when the clock is set back", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(7_200_000)
      const { engine, left } = engineWith(600)
      const prover = yield* Prover.make(engine)
      yield* prover.coming
      yield* TestClock.setTime(3_600_000)
      yield* Effect.forkScoped(prover.run)
      yield* TestClock.adjust(1)
      assert.strictEqual(left(), 0)
    })
  )

  it.effect("goes on, batch by batch, beside somebody who sends without end", () =>
    Effect.gen(function* () {
      const { engine, left, looked } = engineWith(1100)
      const prover = yield* Prover.make(engine)
      yield* prover.coming
      yield* Effect.forkScoped(prover.run)
      for (let millis = 0; millis < 4000; millis += 50) {
        yield* TestClock.adjust(50)
        yield* prover.coming
      }
      assert.strictEqual(left(), 0)
      assert.strictEqual(looked.length, 3)
      assert.isAtLeast(looked[1]?.at ?? 0, 1900)
    })
  )
})
