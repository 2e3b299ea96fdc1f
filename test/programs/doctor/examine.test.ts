import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { reportOf } from "../../../src/domain/doctorReport.ts"
import * as NodeConfigMemory from "../../../src/layers/NodeConfigMemory.ts"
import * as TcpMemory from "../../../src/layers/TcpMemory.ts"
import * as TurnUdpTcp from "../../../src/layers/TurnUdpTcp.ts"
import * as UdpMemory from "../../../src/layers/UdpMemory.ts"
import { examine } from "../../../src/programs/doctor/examine.ts"
import { NodeConfig } from "../../../src/services/NodeConfig.ts"
import { didNumber } from "../../fixtures/dids.ts"
import { timed } from "../../layers/turn/world.ts"

const server = { host: "203.0.113.10", port: 3478 }

/** Everything that can be configured, in a network that swallows all. */
const config = Effect.provide(
  NodeConfig,
  NodeConfigMemory.layer({
    dataDir: "/data",
    network: {
      listenAddr: [{ host: "192.168.1.2", port: 7777 }],
      linkPort: 7778,
      turnServer: server,
      stunServers: Array.from({ length: 8 }, (_, index) => ({ host: `203.0.113.${20 + index}`, port: 3478 })),
      bootstrapPeers: Array.from({ length: 64 }, (_, index) => ({
        did: didNumber(index),
        address: { host: `203.0.113.${100 + index}`, port: 7777, transport: "any" } as const
      }))
    }
  })
)

const silent = TurnUdpTcp.layer.pipe(
  Layer.provideMerge(
    Layer.merge(UdpMemory.layer({ deliveries: () => [] }), TcpMemory.layer({ unanswered: () => true }))
  )
)

describe("examine", () => {
  it.effect("is done within 8 s, however much is configured and however little answers", () =>
    Effect.gen(function* () {
      const told: Array<ReadonlyArray<string>> = []
      const { atMillis, exit } = yield* timed(
        examine(yield* config, Effect.succeed({ _tag: "NotRunning" }), (waitingFor) =>
          Effect.sync(() => void told.push(waitingFor))
        ),
        "50 millis"
      )
      const facts = yield* exit
      assert.isAtMost(atMillis, 8000)
      assert.deepStrictEqual([facts.bootstrap.length, facts.ports.length, facts.turn.length], [64, 3, 2])
      const { ok, udp } = reportOf(facts)
      assert.deepStrictEqual([ok, udp], [false, "unknown"])
      // Whatever takes its time goes on at once, and is gone at the end.
      const all = ["STUN and NAT", "TURN over UDP", "TURN over TCP", "bootstrap peers"]
      assert.isTrue(told.some((names) => all.every((name) => names.includes(name))))
      assert.deepStrictEqual(told.at(-1), [])
    }).pipe(Effect.provide(silent))
  )

  it.effect("asks nobody whom the configuration does not name", () =>
    Effect.gen(function* () {
      const bare = yield* Effect.provide(NodeConfig, NodeConfigMemory.layer({ dataDir: "/data" }))
      const { atMillis, exit } = yield* timed(examine(bare, Effect.succeed({ _tag: "NotRunning" })), "10 millis")
      const { bootstrap, names, stun, turn } = yield* exit
      assert.deepStrictEqual([bootstrap, names, stun, turn], [[], [], [], []])
      assert.isAtMost(atMillis, 10)
    }).pipe(Effect.provide(silent))
  )
})
