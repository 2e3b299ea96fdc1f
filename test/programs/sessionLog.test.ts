import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Logger, Stream } from "effect"
import { sessionLog } from "../../src/programs/sessionLog.ts"
import { type SessionEvent, SessionManager } from "../../src/services/SessionManager.ts"
import { didNumber } from "../fixtures/dids.ts"

describe("sessionLog", () => {
  it.effect("writes a line for each thing that happens to a session", () =>
    Effect.gen(function* () {
      const did = didNumber(1)
      const path = {
        kind: "direct",
        transport: "quic",
        remoteAddress: "192.0.2.1:7777",
        rttMs: 1,
        sinceMillis: 0,
        switches: 0
      } as const
      const session = { did, direction: "inbound", openedAtMillis: 0, path, bytesIn: 0, bytesOut: 0 } as const
      const events: ReadonlyArray<SessionEvent> = [
        { _tag: "Opened", session },
        { _tag: "PathChanged", did, path: { ...path, kind: "relayed" } },
        { _tag: "Closed", did, reason: "it said goodbye" }
      ]
      const lines: Array<string> = []
      const done = yield* Deferred.make<void>()
      const capture = Logger.make(({ message }) => {
        lines.push(String(message))
        if (lines.length === events.length) Deferred.doneUnsafe(done, Effect.void)
      })
      const fiber = yield* sessionLog(Effect.void).pipe(
        Effect.provide([
          Layer.mock(SessionManager)({ did, events: Stream.fromIterable(events).pipe(Stream.concat(Stream.never)) }),
          Logger.layer([capture])
        ]),
        Effect.forkChild
      )
      yield* Deferred.await(done)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(lines, [
        `session with ${did.text} (inbound; direct over quic, 192.0.2.1:7777)`,
        `session with ${did.text} is now relayed over quic, 192.0.2.1:7777`,
        `session with ${did.text} ended: it said goodbye`
      ])
    })
  )
})
