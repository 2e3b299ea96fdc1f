import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { NodeConfigOverrides } from "../../../src/domain/nodeConfig.ts"
import * as NodeConfigMemory from "../../../src/layers/NodeConfigMemory.ts"
import { configurationFact, namesOf, portsOf, stunServersOf } from "../../../src/programs/doctor/questions.ts"
import { NodeConfig } from "../../../src/services/NodeConfig.ts"
import { didNumber } from "../../fixtures/dids.ts"

const configOf = (network: NonNullable<NodeConfigOverrides["network"]> = {}) =>
  Effect.provide(NodeConfig, NodeConfigMemory.layer({ dataDir: "/data", network }))

const peer = (host: string) => ({ did: didNumber(1), address: { host, port: 7777, transport: "any" } }) as const
const any4 = { host: "0.0.0.0", port: 7777 }
const any6 = { host: "::", port: 7777 }

describe("questions of the doctor", () => {
  it.effect("ask for each host name once, with all keys that name it, and not for literals", () =>
    Effect.gen(function* () {
      const config = yield* configOf({
        bootstrapPeers: [peer("node.example.org"), peer("203.0.113.20")],
        turnServer: { host: "node.example.org", port: 3478 },
        stunServers: [{ host: "stun.example.org", port: 3478 }]
      })
      assert.deepStrictEqual(namesOf(config), [
        { name: "node.example.org", keys: ["bootstrap_peers", "turn_server"] },
        { name: "stun.example.org", keys: ["stun_servers"] }
      ])
    })
  )

  it.effect("ask the TURN server as a STUN server, first and once", () =>
    Effect.gen(function* () {
      const turnServer = { host: "203.0.113.10", port: 3478, transport: "tcp" } as const
      const other = { host: "203.0.113.11", port: 3478 }
      const config = yield* configOf({ turnServer, stunServers: [other, { host: "203.0.113.10", port: 3478 }] })
      assert.deepStrictEqual(
        stunServersOf(config).map(({ host }) => host),
        ["203.0.113.10", "203.0.113.11"]
      )
      assert.deepStrictEqual(stunServersOf(yield* configOf()), [])
    })
  )

  it.effect("need both protocols of each listen address, and a fixed link port where links will bind it", () =>
    Effect.gen(function* () {
      const links = Effect.fnUntraced(function* (network: NonNullable<NodeConfigOverrides["network"]>) {
        const ports = portsOf(yield* configOf(network)).filter(({ key }) => key === "link_port")
        return ports.map(({ address, protocol }) => [protocol, address.host, address.port])
      })
      assert.deepStrictEqual(
        portsOf(yield* configOf({ listenAddr: [any4], linkPort: 0 })).map(({ protocol }) => protocol),
        ["udp", "tcp"]
      )
      assert.deepStrictEqual(yield* links({ listenAddr: [any4, any6], linkPort: 7778 }), [
        ["udp", "0.0.0.0", 7778],
        ["udp", "::", 7778]
      ])
      const two = [
        { host: "192.0.2.1", port: 1 },
        { host: "192.0.2.2", port: 1 }
      ]
      assert.deepStrictEqual(yield* links({ listenAddr: two, linkPort: 7778 }), [["udp", "0.0.0.0", 7778]])
      assert.deepStrictEqual(yield* links({ listenAddr: [any4], linkPort: 7777 }), [])
      assert.deepStrictEqual(yield* links({ listenAddr: [any4], linkPort: 7778, linksEnabled: false }), [])
    })
  )

  it.effect("know a node that listens on loopback only", () =>
    Effect.gen(function* () {
      assert.isTrue(configurationFact(yield* configOf()).isLoopbackOnly)
      assert.isFalse(configurationFact(yield* configOf({ listenAddr: [any4] })).isLoopbackOnly)
    })
  )
})
