import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as TurnConfig from "../../../src/domain/turnConfig.ts"
import { allocate, config, inWorld, startServer } from "./world.ts"

describe("Upkeep of a doubted allocation", () => {
  it.effect("has another one 20 s after the doubt when nothing gets through on its socket", () => {
    let blocked = 0
    return Effect.gen(function* () {
      yield* startServer()
      const allocation = yield* allocate(config.pipe(TurnConfig.withKeepalive(0)))
      blocked = allocation.state()?.mappedAddress.port ?? 0
      yield* Effect.forkChild(allocation.probe)
      yield* TestClock.adjust("7 seconds")
      assert.isDefined(allocation.state())
      yield* TestClock.adjust("13 seconds")
      assert.isDefined(allocation.state())
      assert.notStrictEqual(allocation.state()?.mappedAddress.port, blocked)
    }).pipe(inWorld({ deliveries: ({ from, to }) => (from.port === blocked || to.port === blocked ? [] : [0]) }))
  })
})
