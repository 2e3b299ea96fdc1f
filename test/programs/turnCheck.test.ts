/** What `turn check` finds out, against a server in memory whose relay loses packets one way. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import * as TurnConfig from "../../src/domain/turnConfig.ts"
import type { UdpMemoryOptions } from "../../src/layers/UdpMemory.ts"
import { turnCheck, turnCheckOver } from "../../src/programs/turnCheck.ts"
import { config, inWorld, inWorldWithTcp, startServer, timed } from "../layers/turn/world.ts"

const relayHost = "10.0.0.9"

const check = (wanted: TurnConfig.TurnConfig, options: UdpMemoryOptions = {}) =>
  Effect.gen(function* () {
    const server = yield* startServer({ relayHost })
    const { exit } = yield* timed(turnCheckOver(wanted, "udp"), "10 millis")
    return { result: yield* exit, left: server.allocations().length }
  }).pipe(inWorld(options))

describe("turnCheck", () => {
  it.effect("tries each transport for itself, and is content with one", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      const checkNow = Effect.gen(function* () {
        const { exit } = yield* timed(turnCheck(config.pipe(TurnConfig.withTimeout("8 seconds"))), "10 millis")
        const { ok, transports } = yield* exit
        return [ok, transports.map((check) => [check.transport, check.ok])]
      })
      assert.deepStrictEqual(yield* checkNow, [
        true,
        [
          ["udp", true],
          ["tcp", true]
        ]
      ])
      server.blockUdp(true)
      assert.deepStrictEqual(yield* checkNow, [
        true,
        [
          ["udp", false],
          ["tcp", true]
        ]
      ])
      yield* server.stop
      assert.deepStrictEqual((yield* checkNow)[0], false)
    }).pipe(inWorldWithTcp())
  )

  it.effect("tries only the transport that the configuration allows", () =>
    Effect.gen(function* () {
      yield* startServer()
      const { exit } = yield* timed(turnCheck(config.pipe(TurnConfig.withTransport("tcp"))), "10 millis")
      const result = yield* exit
      assert.deepStrictEqual(
        [result.server, result.transports.map(({ transport }) => transport)],
        ["127.0.0.1:3478", ["tcp"]]
      )
    }).pipe(inWorldWithTcp())
  )
})

describe("turnCheckOver", () => {
  it.effect("proves a relay over TCP where no UDP of this machine gets out", () =>
    Effect.gen(function* () {
      const server = yield* startServer({ relayHost })
      const { exit } = yield* timed(turnCheckOver(config, "tcp"), "10 millis")
      const result = yield* exit
      assert.deepInclude(result, { transport: "tcp", ok: true })
      assert.strictEqual(server.allocations().length, 0)
    }).pipe(inWorldWithTcp({}, { deliveries: ({ from }) => (from.host === relayHost ? [0] : []) }))
  )

  it.effect("proves both directions, measures the round trip, and releases the relay", () =>
    Effect.gen(function* () {
      const { left, result } = yield* check(config, { deliveries: () => [10] })
      const { mappedAddress, relayedAddress, ...rest } = result
      assert.deepStrictEqual(rest, { transport: "udp", ok: true, lifetimeSeconds: 600, rttMs: 40 })
      assert.match(relayedAddress ?? "", new RegExp(`^${relayHost}:\\d+$`))
      assert.match(mappedAddress ?? "", /^127\.0\.0\.1:\d+$/)
      assert.strictEqual(left, 0)
    })
  )

  it.effect.each([
    { direction: "peer to relay", end: "to" },
    { direction: "relay to peer", end: "from" }
  ] as const)("tells that nothing comes through from $direction, with what it knows", ({ direction, end }) =>
    Effect.gen(function* () {
      const { result } = yield* check(config, {
        deliveries: (datagram) => (datagram[end].host === relayHost ? [] : [0])
      })
      assert.isFalse(result.ok)
      assert.include(result.error, `(${direction})`)
      assert.isTrue(result.relayedAddress?.startsWith(`${relayHost}:`))
      assert.isUndefined(result.rttMs)
    })
  )

  it.effect("sends a lost packet again", () => {
    let lost = 0
    return Effect.gen(function* () {
      const { result } = yield* check(config, {
        deliveries: ({ to }) => (to.host === relayHost && lost++ < 2 ? [] : [0])
      })
      assert.isTrue(result.ok)
    })
  })

  it.effect("says why there is no relay", () =>
    Effect.gen(function* () {
      const { result } = yield* check(config.pipe(TurnConfig.withCredentials("user", Redacted.make("wrong"))))
      assert.deepStrictEqual(result, {
        transport: "udp",
        ok: false,
        error:
          "TURN allocate at 127.0.0.1:3478 failed over UDP: " +
          '401 for realm "example.org"; check the user name and password'
      })
    })
  )
})
