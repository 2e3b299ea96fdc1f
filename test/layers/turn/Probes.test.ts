import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Probes from "../../../src/layers/turn/Probes.ts"

const ask = (probes: Probes.Probes) => Effect.forkChild(probes.verdict, { startImmediately: true })
const done = (fibers: ReadonlyArray<{ readonly pollUnsafe: () => unknown }>) =>
  fibers.map((fiber) => fiber.pollUnsafe() !== undefined)

describe("Probes", () => {
  it.effect("gives one verdict to all who asked before the Refresh began, and none to those after", () =>
    Effect.gen(function* () {
      const probes = Probes.make()
      const fibers = [yield* ask(probes), yield* ask(probes)]
      yield* probes.wanted
      probes.begin()
      fibers.push(yield* ask(probes))
      probes.settle()
      yield* Effect.yieldNow
      assert.deepStrictEqual(done(fibers), [true, true, false])
      // The late question is still open, so that another Refresh is wanted.
      yield* probes.wanted
    })
  )

  it.effect("gives everybody the same verdict when the allocation is gone", () =>
    Effect.gen(function* () {
      const probes = Probes.make()
      const early = yield* ask(probes)
      probes.begin()
      const late = yield* ask(probes)
      probes.settleAll()
      yield* Effect.yieldNow
      assert.deepStrictEqual(done([early, late]), [true, true])
    })
  )

  it.effect("leaves it at one question when nobody waits for the verdict", () =>
    Effect.gen(function* () {
      const probes = Probes.make()
      probes.ask()
      probes.ask()
      yield* probes.wanted
      probes.begin()
      probes.settle()
      const wanted = yield* Effect.forkChild(probes.wanted, { startImmediately: true })
      assert.isUndefined(wanted.pollUnsafe())
    })
  )
})
