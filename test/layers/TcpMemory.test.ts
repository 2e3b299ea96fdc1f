import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as TcpMemory from "../../src/layers/TcpMemory.ts"
import { Tcp, type TcpSocket } from "../../src/services/Tcp.ts"
import { tcpContract } from "../contract/Tcp.ts"

tcpContract("TcpMemory", {
  layer: TcpMemory.layer(),
  test: it.effect,
  until: (condition) =>
    Effect.map(TestClock.adjust("1 millis"), () => assert.isTrue(condition(), "not so after a millisecond"))
})

describe("TcpMemory", () => {
  const address = { host: "192.0.2.1", port: 3478 }

  it.effect("takes its latency on the clock, and cuts messages as it is told", () =>
    Effect.gen(function* () {
      const tcp = yield* Tcp
      const accepted: Array<TcpSocket> = []
      yield* tcp.listen(address, (socket) => void accepted.push(socket))
      const connecting = yield* Effect.forkChild(tcp.connect(address), { startImmediately: true })
      yield* TestClock.adjust("99 millis")
      assert.lengthOf(accepted, 0)
      yield* TestClock.adjust("1 millis")
      const socket = yield* Fiber.join(connecting)
      const heard: Array<number> = []
      accepted[0]?.onReceive((chunk) => void heard.push(chunk.length))
      socket.send(new Uint8Array(3))
      yield* TestClock.adjust("49 millis")
      assert.deepStrictEqual([heard, socket.queuedBytes()], [[], 3])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual([heard, socket.queuedBytes()], [[1, 2], 0])
    }).pipe(
      Effect.scoped,
      Effect.provide(
        TcpMemory.layer({ latency: "50 millis", pieces: (message) => [message.subarray(0, 1), message.subarray(1)] })
      )
    )
  )

  it.effect("leaves an attempt to connect unanswered, which can be given up", () =>
    Effect.gen(function* () {
      const tcp = yield* Tcp
      yield* tcp.listen(address, () => assert.fail("connected"))
      const connecting = yield* Effect.forkChild(tcp.connect(address), { startImmediately: true })
      yield* TestClock.adjust("1 hour")
      assert.isUndefined(connecting.pollUnsafe())
      yield* Fiber.interrupt(connecting)
    }).pipe(Effect.scoped, Effect.provide(TcpMemory.layer({ unanswered: () => true })))
  )
})
