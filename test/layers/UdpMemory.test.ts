import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as UdpMemory from "../../src/layers/UdpMemory.ts"
import { Udp } from "../../src/services/Udp.ts"
import { udpContract } from "../contract/Udp.ts"

udpContract("UdpMemory", {
  layer: UdpMemory.layer(),
  test: it.effect,
  until: (condition) => TestClock.adjust(1).pipe(Effect.repeat({ until: condition, times: 10 }))
})

const exchange = Effect.fnUntraced(function* (count: number) {
  const udp = yield* Udp
  const endpoint = yield* udp.bind({ host: "192.0.2.1", port: 7 })
  const socket = yield* udp.connect(endpoint.local, { localHost: "198.51.100.1" })
  const heard: Array<string> = []
  endpoint.onReceive((payload, from) => void heard.push(`${payload[0]} from ${from.host}`))
  for (let index = 0; index < count; index++) socket.send(Uint8Array.of(index))
  return heard
})

describe("UdpMemory", () => {
  it.effect("has every address, and delivers in order", () =>
    Effect.gen(function* () {
      const heard = yield* exchange(3)
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(heard, ["0 from 198.51.100.1", "1 from 198.51.100.1", "2 from 198.51.100.1"])
    }).pipe(Effect.scoped, Effect.provide(UdpMemory.layer()))
  )

  it.effect("delays, loses, duplicates and reorders as it is told, on the clock", () =>
    Effect.gen(function* () {
      const heard = yield* exchange(3)
      yield* TestClock.adjust("19 millis")
      assert.deepStrictEqual(heard, [])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(heard, ["2 from 198.51.100.1"])
      yield* TestClock.adjust("20 millis")
      assert.deepStrictEqual(heard.slice(1), ["0 from 198.51.100.1", "2 from 198.51.100.1"])
    }).pipe(
      Effect.scoped,
      Effect.provide(UdpMemory.layer({ deliveries: ({ payload }) => [[40], [], [20, 40]][payload[0] ?? 0] ?? [] }))
    )
  )

  it.effect("gives each layer a network of its own", () =>
    Effect.gen(function* () {
      const bind = Udp.use((udp) => udp.bind({ host: "192.0.2.1", port: 7 }))
      yield* bind.pipe(Effect.provide(UdpMemory.layer()))
      yield* bind.pipe(Effect.provide(UdpMemory.layer()))
    })
  )
})
