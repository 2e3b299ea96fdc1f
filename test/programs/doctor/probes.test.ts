import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import type { PeerTransport } from "../../../src/domain/peerAddress.ts"
import { withTransport } from "../../../src/domain/turnConfig.ts"
import * as TcpMemory from "../../../src/layers/TcpMemory.ts"
import * as TcpNode from "../../../src/layers/TcpNode.ts"
import * as UdpMemory from "../../../src/layers/UdpMemory.ts"
import * as UdpNode from "../../../src/layers/UdpNode.ts"
import { ownHosts, resolveName, tryBootstrapPeers, tryPorts, tryTurn } from "../../../src/programs/doctor/probes.ts"
import { Tcp } from "../../../src/services/Tcp.ts"
import { Udp, type UdpError } from "../../../src/services/Udp.ts"
import { didNumber } from "../../fixtures/dids.ts"
import { config, inWorldWithTcp, startServer, timed } from "../../layers/turn/world.ts"

const peer = (host: string, transport: PeerTransport = "any") => ({
  did: didNumber(1),
  address: { host, port: 7777, transport }
})

/** A resolver that knows two names and is silent about one. */
const resolving = (): Layer.Layer<Udp> =>
  Layer.effect(
    Udp,
    Effect.map(Udp, (udp) =>
      Udp.of({
        ...udp,
        resolve: (host): Effect.Effect<ReadonlyArray<string>, UdpError> =>
          host === "silent.example.org" ? Effect.never : udp.resolve(host)
      })
    )
  ).pipe(
    Layer.provide(
      UdpMemory.layer({
        resolve: (host) => (host === "two.example.org" ? ["203.0.113.1", "203.0.113.2"] : [])
      })
    )
  )

const ask = (name: string) => Effect.flatMap(timed(resolveName({ name, keys: [] }), "100 millis"), ({ exit }) => exit)

describe("resolveName", () => {
  it.effect("tells the addresses, the resolver's code, or that there was no answer in time", () =>
    Effect.gen(function* () {
      const found = yield* ask("two.example.org")
      assert.deepStrictEqual([found.addresses, found.problem], [["203.0.113.1", "203.0.113.2"], undefined])
      assert.strictEqual((yield* ask("none.example.org")).problem, "ENOTFOUND")
      const silent = yield* timed(resolveName({ name: "silent.example.org", keys: [] }), "100 millis")
      assert.strictEqual((yield* silent.exit).problem, "timeout")
      assert.strictEqual(silent.atMillis, 5000)
    }).pipe(Effect.provide(resolving()))
  )
})

const world = (unanswered: ReadonlyArray<string> = []) =>
  Layer.merge(
    resolving(),
    TcpMemory.layer({ latency: "10 millis", unanswered: ({ host }) => unanswered.includes(host) })
  )

/** Answers the probe of QUIC as a server does, to its third packet. */
const answerQuic = Effect.fnUntraced(function* (host: string) {
  const socket = yield* Udp.use((udp) => udp.bind({ host, port: 7777 }))
  let asked = 0
  socket.onReceive((probe, from) => {
    if (++asked < 3) return
    const ids = [...probe.subarray(14, 23), ...probe.subarray(5, 14)]
    socket.send(Uint8Array.of(0x80, 0, 0, 0, 0, ...ids, 0, 0, 0, 1), from)
  })
})

describe("tryBootstrapPeers", () => {
  it.effect("says who answers over QUIC", () =>
    Effect.gen(function* () {
      yield* answerQuic("203.0.113.2")
      const peers = [peer("203.0.113.1"), peer("203.0.113.2", "quic"), peer("two.example.org", "quic")]
      const { exit } = yield* timed(tryBootstrapPeers(peers), "20 millis")
      assert.deepStrictEqual(
        (yield* exit).map(({ quic }) => quic),
        [false, true, true]
      )
    }).pipe(Effect.scoped, Effect.provide(world(["203.0.113.1"])))
  )

  it.effect("connects to any address of a member, and takes the silence of another for none", () =>
    Effect.gen(function* () {
      const tcp = yield* Tcp
      yield* tcp.listen({ host: "203.0.113.2", port: 7777 }, () => {})
      const { atMillis, exit } = yield* timed(tryBootstrapPeers([peer("two.example.org")]), "5 millis")
      const [fact] = yield* exit
      assert.deepInclude(fact, { result: "connected", address: "two.example.org:7777", problem: undefined })
      // Nobody answers over QUIC, which is waited for.
      assert.isAtMost(atMillis, 4000)
    }).pipe(Effect.scoped, Effect.provide(world(["203.0.113.1"])))
  )

  it.effect("tells who refuses, who is silent for 4 s, and who cannot be asked over TCP", () =>
    Effect.gen(function* () {
      const peers = [peer("203.0.113.1"), peer("203.0.113.2"), peer("203.0.113.3", "quic"), peer("none.example.org")]
      const { atMillis, exit } = yield* timed(tryBootstrapPeers(peers), "100 millis")
      assert.deepStrictEqual(
        (yield* exit).map(({ problem, result }) => [result, problem]),
        [
          ["failed", "ECONNREFUSED"],
          ["failed", "timeout"],
          ["udpOnly", undefined],
          ["failed", "ENOTFOUND"]
        ]
      )
      assert.strictEqual(atMillis, 4000)
    }).pipe(Effect.provide(world(["203.0.113.2"])))
  )
})

/** For a node that uses UDP only. */
const attempt = (transport: "udp" | "tcp") =>
  Effect.flatMap(timed(tryTurn(config.pipe(withTransport("udp")), transport), "10 millis"), ({ exit }) => exit)

describe("tryTurn", () => {
  it.effect("tries each transport, also one that the configuration leaves out", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      assert.deepInclude(yield* attempt("udp"), { ok: true, isAllowed: true, problem: undefined })
      assert.deepInclude(yield* attempt("tcp"), { ok: true, isAllowed: false })
      server.blockUdp(true)
      const blocked = yield* attempt("udp")
      assert.deepInclude(blocked, { ok: false, relayed: undefined, rttMs: undefined })
      assert.include(blocked.problem, "no answer")
    }).pipe(inWorldWithTcp())
  )

  it.effect("is done in 7.5 s, whatever the server does", () =>
    Effect.gen(function* () {
      const server = yield* startServer()
      server.blockUdp(true)
      const { atMillis } = yield* timed(tryTurn(config, "udp"), "100 millis")
      assert.isAtLeast(atMillis, 4000)
      assert.isAtMost(atMillis, 7600)
    }).pipe(inWorldWithTcp())
  )
})

describe("tryPorts", () => {
  const network = Layer.merge(UdpNode.layer, TcpNode.layer)

  it.live("finds free ports free, leaves them free, and tells the system's code of others", () =>
    Effect.gen(function* () {
      const udp = yield* Udp
      const tcp = yield* Tcp
      const host = "127.0.0.1"
      const held = yield* udp.bind({ host, port: 0 })
      const listening = yield* tcp.listen({ host, port: 0 }, () => {})
      const questions = [
        { key: "listen_addr", protocol: "udp", address: { host, port: 0 } },
        { key: "listen_addr", protocol: "udp", address: held.local },
        { key: "listen_addr", protocol: "tcp", address: listening.local },
        { key: "link_port", protocol: "udp", address: { host: "203.0.113.254", port: 7778 } }
      ] as const
      for (let round = 0; round < 2; round++) {
        const facts = yield* tryPorts(questions)
        assert.deepStrictEqual(
          facts.map(({ problem }) => problem),
          [undefined, "EADDRINUSE", "EADDRINUSE", "EADDRNOTAVAIL"]
        )
        assert.deepStrictEqual(facts[0]?.address, "127.0.0.1 (any port)")
      }
      const again = [{ key: "listen_addr", protocol: "tcp", address: { host, port: held.local.port } }] as const
      assert.deepStrictEqual(
        (yield* tryPorts([...again, ...again])).map(({ problem }) => problem),
        [undefined, undefined]
      )
    }).pipe(Effect.scoped, Effect.provide(network))
  )
})

describe("ownHosts", () => {
  it.effect("knows loopback, with its interface and scope", () =>
    Effect.gen(function* () {
      const loopback = (yield* ownHosts).find(({ host }) => host === "127.0.0.1")
      assert.strictEqual(loopback?.scope, "loopback")
    })
  )
})
