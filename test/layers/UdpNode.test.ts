import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import * as UdpNode from "../../src/layers/UdpNode.ts"
import { Udp } from "../../src/services/Udp.ts"
import { udpContract } from "../contract/Udp.ts"

udpContract("UdpNode", {
  layer: UdpNode.layer,
  test: it.live,
  until: (condition) =>
    Effect.sync(condition).pipe(Effect.repeat({ until: (holds) => holds, schedule: Schedule.spaced("2 millis") }))
})

describe("UdpNode", () => {
  it.live("resolves localhost by the system's resolver", () =>
    Effect.gen(function* () {
      const udp = yield* Udp
      assert.include(yield* udp.resolve("localhost"), "127.0.0.1")
    }).pipe(Effect.provide(UdpNode.layer))
  )

  it.live("fails, typed, where the kernel knows no way to the address", () =>
    Effect.gen(function* () {
      const udp = yield* Udp
      // A link-local address without its link, and one for all hosts: as good as a host without IPv6.
      for (const host of ["fe80::1", "255.255.255.255"]) {
        const error = yield* Effect.flip(udp.connect({ host, port: 9 }))
        assert.strictEqual(error.operation, "open")
        assert.match(error.code, /^E[A-Z]+$/)
      }
    }).pipe(Effect.scoped, Effect.provide(UdpNode.layer))
  )

  it.live("keeps a burst that arrives while the event loop is busy", () =>
    Effect.gen(function* () {
      const udp = yield* Udp
      const endpoint = yield* udp.bind({ host: "127.0.0.1", port: 0 })
      let heard = 0
      endpoint.onReceive(() => void heard++)
      const socket = yield* udp.connect(endpoint.local)
      // Without a turn of the event loop in between, so that the kernel has to hold them all.
      for (let sent = 0; sent < 100; sent++) socket.send(new Uint8Array(200))
      yield* Effect.sync(() => heard).pipe(
        Effect.repeat({ until: (count) => count === 100, schedule: Schedule.spaced("2 millis") })
      )
    }).pipe(Effect.scoped, Effect.provide(UdpNode.layer))
  )

  it.live("hands on what comes at once after the last of it, in order", () =>
    Effect.gen(function* () {
      const udp = yield* Udp
      const endpoint = yield* udp.bind({ host: "127.0.0.1", port: 0 })
      const socket = yield* udp.connect(endpoint.local)
      const heard: Array<number> = []
      const turns: Array<number> = []
      let turn = 0
      endpoint.onReceive(([first = 0]) => {
        heard.push(first)
        turns.push(turn)
        // Within one hand-over no promise has its turn.
        void Promise.resolve().then(() => void turn++)
      })
      for (let sent = 0; sent < 20; sent++) socket.send(Uint8Array.of(sent))
      yield* Effect.sync(() => heard.length).pipe(
        Effect.repeat({ until: (count) => count === 20, schedule: Schedule.spaced("2 millis") })
      )
      assert.deepStrictEqual(
        heard,
        Array.from({ length: 20 }, (_, index) => index)
      )
      assert.isBelow(new Set(turns).size, 10)
    }).pipe(Effect.scoped, Effect.provide(UdpNode.layer))
  )
})
