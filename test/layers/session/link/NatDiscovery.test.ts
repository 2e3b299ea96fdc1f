import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { NatDependence } from "../../../../src/domain/natBehaviour.ts"
import * as LinkSocket from "../../../../src/layers/session/link/LinkSocket.ts"
import * as NatDiscovery from "../../../../src/layers/session/link/NatDiscovery.ts"
import * as Reflexive from "../../../../src/layers/session/link/Reflexive.ts"
import * as UdpMemory from "../../../../src/layers/UdpMemory.ts"
import * as NatUdp from "../../../fixtures/natUdp.ts"
import * as StunServer from "../../../fixtures/stunServer.ts"
import { inVirtualTime } from "../../../fixtures/virtualTime.ts"

type Dependence = Exclude<NatDependence, "dependent">
const dependences: ReadonlyArray<Dependence> = ["endpointIndependent", "addressDependent", "addressAndPortDependent"]
const natOf = (mapping: Dependence, filtering: Dependence, network?: UdpMemory.UdpMemoryOptions) =>
  NatUdp.make({ inside: "192.168.", outside: "198.51.100.7", mapping, filtering }, network)

const first = { host: "203.0.113.1", port: 3478 }
const other = { host: "203.0.113.2", port: 3479 }
const probe = { port: 0, udp4: "192.168.1.2", udp6: false } as const

/** Asks the servers from a link socket, then finds out about the NAT. */
const discover = Effect.fnUntraced(function* (servers: ReadonlyArray<Reflexive.StunServer>, ownHost = "192.168.1.2") {
  const udp4 = ownHost
  const socket = yield* LinkSocket.open({ port: 7000, udp4, udp6: false })
  const report = yield* Reflexive.askAll(socket, servers)
  return yield* NatDiscovery.discover({ report, ownHosts: [ownHost], probe: { ...probe, udp4 } })
})

describe("NatDiscovery", () => {
  for (const mapping of dependences) {
    for (const filtering of dependences) {
      it.effect(`measures a NAT that maps ${mapping} and filters ${filtering}`, () =>
        Effect.gen(function* () {
          yield* StunServer.start({ address: first, other })
          const found = yield* discover([first])
          assert.deepStrictEqual(found.mapping, { behaviour: mapping, confidence: "measured" })
          assert.deepStrictEqual(found.filtering, { behaviour: filtering, confidence: "measured" })
        }).pipe(Effect.scoped, inVirtualTime, Effect.provide(natOf(mapping, filtering).layer))
      )
    }
  }

  it.effect("measures through loss", () => {
    let count = 0
    const deliveries = () => (count++ % 3 === 0 ? [] : [10])
    return Effect.gen(function* () {
      yield* StunServer.start({ address: first, other })
      const found = yield* discover([first])
      assert.strictEqual(found.kind, "full cone")
    }).pipe(
      Effect.scoped,
      inVirtualTime,
      Effect.provide(natOf("endpointIndependent", "endpointIndependent", { deliveries }).layer)
    )
  })

  it.effect("infers from two servers where none offers tests", () =>
    Effect.gen(function* () {
      yield* StunServer.start({ address: first })
      yield* StunServer.start({ address: other })
      const found = yield* discover([first, other])
      assert.deepStrictEqual(found.mapping, { behaviour: "dependent", confidence: "inferred" })
      assert.deepStrictEqual([found.filtering.confidence, found.kind], ["unknown", "symmetric"])
    }).pipe(Effect.scoped, inVirtualTime, Effect.provide(natOf("addressDependent", "endpointIndependent").layer))
  )

  it.effect("finds no NAT where there is none", () =>
    Effect.gen(function* () {
      yield* StunServer.start({ address: first, other })
      const found = yield* discover([first], "192.0.2.44")
      assert.deepStrictEqual([found.kind, found.filtering.behaviour], ["none", "endpointIndependent"])
    }).pipe(Effect.scoped, inVirtualTime, Effect.provide(UdpMemory.layer()))
  )

  it.effect("takes silence for blocked UDP, a refusal or a bad name for nothing", () =>
    Effect.gen(function* () {
      const server = yield* StunServer.start({ address: first })
      const socket = yield* LinkSocket.open({ ...probe, port: 7000 })
      const kindOf = Effect.fnUntraced(function* (servers: ReadonlyArray<Reflexive.StunServer>) {
        const report = yield* Reflexive.askAll(socket, servers)
        return (yield* NatDiscovery.discover({ report, ownHosts: [], probe })).kind
      })
      server.behave("silent")
      assert.strictEqual(yield* kindOf([first]), "udp blocked")
      server.behave("refusing")
      assert.strictEqual(yield* kindOf([first, other]), "unknown")
      assert.strictEqual(yield* kindOf([{ host: "nowhere.example", port: 1 }]), "unknown")
      assert.strictEqual(yield* kindOf([]), "unknown")
    }).pipe(Effect.scoped, inVirtualTime, Effect.provide(UdpMemory.layer()))
  )

  it.effect("does not take a broken second address for a filter, nor knocks at one inside this network", () =>
    Effect.gen(function* () {
      // The server names addresses where nobody answers.
      const nobody = { host: "203.0.113.99", port: 9 }
      const socket = yield* LinkSocket.open({ ...probe, port: 7000 })
      yield* StunServer.start({ address: first })
      const tests = yield* NatDiscovery.runTests(socket, { first, other: nobody })
      assert.deepStrictEqual([tests.mapping.behaviour, tests.filtering.behaviour], ["unknown", "unknown"])
      const answer = { server: first, address: first, mapped: { host: "198.51.100.7", port: 1 }, rttMillis: 1 }
      const inner = { host: "10.0.0.1", port: 53 }
      const router = yield* StunServer.start({ address: inner })
      const report = { atMillis: 0, answers: [{ ...answer, other: inner }], failures: [] }
      const found = yield* NatDiscovery.discover({ report, ownHosts: [], probe })
      assert.strictEqual(found.kind, "unknown")
      assert.deepStrictEqual(router.asked, [])
    }).pipe(Effect.scoped, inVirtualTime, Effect.provide(natOf("endpointIndependent", "addressAndPortDependent").layer))
  )
})
