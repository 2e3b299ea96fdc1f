import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { Rpc } from "effect/rpc"
import * as SessionMemory from "../../../src/layers/SessionMemory.ts"
import { fileHandlers } from "../../../src/programs/rpc/handlersFiles.ts"
import { SessionManager } from "../../../src/services/SessionManager.ts"
import { didNumber } from "../../fixtures/dids.ts"
import { fileIn, member } from "../../fixtures/fileTransferNodes.ts"
import { temporaryDirectory } from "../../fixtures/temporaryDirectory.ts"

describe("the handlers of files", () => {
  it.live("send sixteen files at a time, and the next one when one of them has ended", () =>
    Effect.gen(function* () {
      const { manager } = yield* member(yield* SessionMemory.makeNetwork(), 1)
      // Members that are never reached, so that all transfers stay under way.
      const waiting = { ...manager, open: () => Effect.never }
      const { Send } = yield* fileHandlers.pipe(Effect.provideService(SessionManager, waiting))
      const file = fileIn(yield* temporaryDirectory, "a", Buffer.from("x"))
      const begin = (index: number) => Rpc.unwrap(Send({ did: didNumber(index), file }))
      const isUnderWay = (index: number) =>
        Stream.runHead(Stream.filter(begin(index), ({ _tag }) => _tag === "Connecting"))
      // Each is under way for as long as somebody reads it.
      const held = yield* Effect.forEach(Array.from({ length: 16 }), (_, index) =>
        Effect.forkScoped(Stream.runDrain(begin(index)), { startImmediately: true })
      )
      const error = yield* Effect.flip(isUnderWay(17))
      assert.include(error.message, "16 transfers are under way")
      held[0]?.interruptUnsafe()
      const next = yield* Effect.retry(isUnderWay(17), { times: 1000 })
      assert.strictEqual(next._tag, "Some")
    })
  )
})
