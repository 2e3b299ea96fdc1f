/** The questions of the link socket to a real coturn with two addresses on loopback: mapped address and RFC 5780. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as LinkSocket from "../../src/layers/session/link/LinkSocket.ts"
import * as NatDiscovery from "../../src/layers/session/link/NatDiscovery.ts"
import * as Reflexive from "../../src/layers/session/link/Reflexive.ts"
import * as UdpNode from "../../src/layers/UdpNode.ts"
import * as Coturn from "./coturn.ts"

const second = "127.0.0.2"

describe.skipIf(Coturn.skipped)(`links and a real coturn (${Coturn.missing ?? "installed"})`, () => {
  it.live(
    "is told its own address, and that there is no NAT on loopback",
    () =>
      Effect.gen(function* () {
        const { host, port } = yield* Coturn.start({ rfc5780: true, flags: [`--listening-ip=${second}`] })
        const socket = yield* LinkSocket.open({ port: 0 })
        const report = yield* Reflexive.askAll(socket, [
          { host, port },
          { host: second, port }
        ])
        assert.deepStrictEqual(report.failures, [])
        const mapped = { host, port: socket.port }
        assert.deepStrictEqual(
          report.answers.map((answer) => answer.mapped),
          [mapped, mapped]
        )
        // coturn names its second address to whomever asks it, be it there: that answer offers no tests.
        const others = report.answers.map(({ address, other }) => [address.host, other])
        const other = { host: second, port: port + 1 }
        assert.sameDeepMembers(others, [
          [host, other],
          [second, other]
        ])
        const found = yield* NatDiscovery.discover({ report, ownHosts: [host] })
        assert.deepStrictEqual(found.mapping, { behaviour: "endpointIndependent", confidence: "measured" })
        assert.deepStrictEqual(found.filtering, { behaviour: "endpointIndependent", confidence: "measured" })
        assert.strictEqual(found.kind, "none")
      }).pipe(Effect.scoped, Effect.provide(UdpNode.layer)),
    30_000
  )

  it.live(
    "keeps its mapping known while coturn is restarted",
    () =>
      Effect.gen(function* () {
        const coturn = yield* Coturn.start()
        const socket = yield* LinkSocket.open({ port: 0, udp6: false })
        const { host, port } = coturn
        const reflexive = yield* Reflexive.make({ socket, servers: () => [{ host, port }], keepAliveMillis: 50 })
        yield* reflexive.began
        const known = [{ host, port: socket.port }]
        assert.deepStrictEqual(reflexive.addresses(), known)
        const { responsesReceived } = socket.statistics()
        yield* coturn.start
        yield* Effect.sleep(5).pipe(
          Effect.repeat({ until: () => socket.statistics().responsesReceived > responsesReceived + 3, times: 4000 })
        )
        assert.isAbove(socket.statistics().responsesReceived, responsesReceived + 3)
        yield* reflexive.refresh
        assert.deepStrictEqual(reflexive.addresses(), known)
      }).pipe(Effect.scoped, Effect.provide(UdpNode.layer)),
    30_000
  )
})
