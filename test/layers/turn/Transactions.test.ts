import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as TurnConfig from "../../../src/domain/turnConfig.ts"
import * as Transactions from "../../../src/layers/turn/Transactions.ts"
import { TurnUnreachable } from "../../../src/services/TurnClient.ts"
import { allocate, config, failure, inWorld, momentsOf, startServer, timed } from "./world.ts"

/** Loses the first so many datagrams to the server. */
const losing = (count: number) => {
  let left = count
  return {
    deliveries: ({ to }: { readonly to: { readonly port: number } }) => (to.port === 3478 && left-- > 0 ? [] : [0])
  }
}

describe("Transactions", () => {
  it.effect("sends a request at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s, and gives up at 39.5 s", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      server.script(() => ({ _tag: "Drop" }))
      const { atSeconds, error } = yield* failure(allocate(), "100 millis")
      assert.deepStrictEqual(momentsOf(server, "allocate"), [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5])
      assert.strictEqual(atSeconds, 39.5)
      const sends = server.requests().filter(({ method }) => method === "allocate")
      assert.strictEqual(new Set(sends.map(({ transaction }) => transaction)).size, 1)
      assert.strictEqual(error.reason._tag, "TurnTimeout")
      assert.include(error.message, "127.0.0.1:3478")
      assert.include(error.message, "7 attempts")
    }).pipe(inWorld())
  )

  it.effect("keeps to another RTO, count and final wait", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      server.script(() => ({ _tag: "Drop" }))
      const wanted = config.pipe(TurnConfig.withRetransmission({ timeout: "1 second", count: 3, finalWait: 2 }))
      const { atSeconds } = yield* failure(allocate(wanted), "100 millis")
      assert.deepStrictEqual(momentsOf(server, "allocate"), [0, 1, 3])
      assert.strictEqual(atSeconds, 5)
    }).pipe(inWorld())
  )

  it.effect("takes no longer than the configured timeout", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      server.script(() => ({ _tag: "Drop" }))
      const { atSeconds } = yield* failure(allocate(config.pipe(TurnConfig.withTimeout("2 seconds"))), "100 millis")
      assert.deepStrictEqual(momentsOf(server, "allocate"), [0, 0.5, 1.5])
      assert.strictEqual(atSeconds, 2)
    }).pipe(inWorld())
  )

  it.effect("counts the timeout over the repetitions that a challenge asks for", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      server.script(({ authenticated }) => (authenticated ? { _tag: "Drop" } : undefined))
      const { atSeconds } = yield* failure(allocate(config.pipe(TurnConfig.withTimeout("2 seconds"))), "100 millis")
      // The first request was lost, so that the challenge came at 0.5 s.
      assert.deepStrictEqual(momentsOf(server, "allocate"), [0.5, 0.5, 1])
      assert.strictEqual(atSeconds, 2)
    }).pipe(inWorld(losing(1)))
  )

  it.effect("stops sending once an answer has come", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      const { atMillis } = yield* timed(Effect.scoped(allocate()), "100 millis")
      assert.deepStrictEqual(momentsOf(server, "allocate"), [3.5, 3.5])
      assert.strictEqual(atMillis, 3_500)
    }).pipe(inWorld(losing(3)))
  )

  it.effect("takes an answer that comes twice once, and counts the other as dropped", () =>
    Effect.gen(function* () {
      yield* startServer()
      const { exit } = yield* timed(allocate(), "10 millis")
      const allocation = yield* exit
      yield* TestClock.adjust("50 millis")
      // The late copies of the challenge and of the success.
      assert.strictEqual(allocation.statistics().droppedPackets, 2)
      assert.isDefined(allocation.state())
    }).pipe(inWorld({ deliveries: ({ from }) => (from.port === 3478 ? [10, 20] : [0]) }))
  )

  it.effect("ignores answers with a wrong signature or a foreign transaction id", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      // The last byte belongs to the signature, the ninth to the transaction id.
      const flips = [-1, 8]
      server.script(({ authenticated }) => {
        const flip = authenticated ? flips.pop() : undefined
        if (flip === undefined) return undefined
        return { _tag: "Alter", alter: (answer) => answer.with(flip, (answer.at(flip) ?? 0) ^ 1) }
      })
      const { atMillis, exit } = yield* timed(allocate(), "100 millis")
      const allocation = yield* exit
      assert.strictEqual(atMillis, 1_500)
      assert.strictEqual(allocation.statistics().droppedPackets, 2)
    }).pipe(inWorld())
  )

  it.effect("ignores answers from another address", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      const reactions = [{ _tag: "Elsewhere" }, { _tag: "Elsewhere" }] as const
      server.script(() => reactions[server.requests().length - 1])
      const { atMillis } = yield* timed(Effect.scoped(allocate()), "100 millis")
      assert.strictEqual(atMillis, 1_500)
    }).pipe(inWorld())
  )

  it.effect("takes one refusal for that of an earlier datagram: sends again at once, and fails at the second", () =>
    Effect.gen(function* () {
      const sent: Array<Uint8Array> = []
      const transactions = Transactions.make({ write: (bytes) => void sent.push(bytes) })
      const asking = yield* Effect.forkChild(
        Effect.flip(
          transactions.exchange({
            transactionId: new Uint8Array(12),
            bytes: new Uint8Array(20),
            waits: [500],
            read: (response) => response
          })
        ),
        { startImmediately: true }
      )
      transactions.refuse("ECONNREFUSED")
      assert.strictEqual(sent.length, 2)
      assert.isUndefined(asking.pollUnsafe())
      transactions.refuse("ECONNREFUSED")
      assert.deepStrictEqual(yield* Fiber.join(asking), new TurnUnreachable({ code: "ECONNREFUSED" }))
    })
  )

  it.effect("fails at once when the host refuses the port twice", () =>
    Effect.gen(function* () {
      const { atSeconds, error } = yield* failure(allocate(), "1 millis")
      assert.deepStrictEqual([error.reason._tag, error.code], ["TurnUnreachable", "ECONNREFUSED"])
      assert.isBelow(atSeconds, 0.1)
    }).pipe(inWorld())
  )
})
