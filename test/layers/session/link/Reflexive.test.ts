import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, References, type Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import type { TransportAddress } from "../../../../src/domain/transportAddress.ts"
import * as BindingResponder from "../../../../src/layers/session/link/BindingResponder.ts"
import * as LinkSocket from "../../../../src/layers/session/link/LinkSocket.ts"
import * as Reflexive from "../../../../src/layers/session/link/Reflexive.ts"
import * as UdpMemory from "../../../../src/layers/UdpMemory.ts"
import { Udp, UdpError } from "../../../../src/services/Udp.ts"
import * as NatUdp from "../../../fixtures/natUdp.ts"
import * as StunServer from "../../../fixtures/stunServer.ts"

const cone: NatUdp.NatOptions = {
  inside: "192.168.",
  outside: "198.51.100.7",
  mapping: "endpointIndependent",
  filtering: "addressAndPortDependent"
}
const symmetric: NatUdp.NatOptions = { ...cone, mapping: "addressAndPortDependent" }
const serverAt = (last: number): TransportAddress => ({ host: `203.0.113.${last}`, port: 3478 })

/** The third server is near, the others are far. */
const nearAndFar = ({ from, to }: UdpMemory.UdpDatagram) => [
  [from, to].some(({ host }) => host === "203.0.113.3") ? 5 : from.host.endsWith(".1") ? 30 : 20
]

/** A socket behind the NAT, and three servers beyond it. */
const world = Effect.gen(function* () {
  const socket = yield* LinkSocket.open({ port: 7000, udp4: "192.168.1.2", udp6: false })
  const servers = yield* Effect.forEach([1, 2, 3], (last) => StunServer.start({ address: serverAt(last) }))
  return { socket, servers }
})

/** Runs in a network with a NAT, without log. */
const behind = (nat: NatUdp.Nat) =>
  Effect.provide(Layer.merge(nat.layer, Layer.succeed(References.MinimumLogLevel, "None")))

const started = Effect.fnUntraced(function* (options: Reflexive.ReflexiveOptions) {
  const reflexive = yield* Reflexive.make(options)
  const changes: Array<Reflexive.ReflexiveChange> = []
  yield* Effect.forkScoped(
    Stream.runForEach(reflexive.changes, (change) => Effect.sync(() => void changes.push(change))),
    { startImmediately: true }
  )
  yield* TestClock.adjust(0)
  return { ...reflexive, changes }
})

const ports = (addresses: ReadonlyArray<TransportAddress>) => addresses.map(({ port }) => port)

/** Runs a round to its end in virtual time. */
const round = Effect.fnUntraced(function* <A, E>(asking: Effect.Effect<A, E, Udp | Scope.Scope>) {
  const fiber = yield* Effect.forkChild(asking, { startImmediately: true })
  yield* TestClock.adjust("3 seconds")
  return yield* Fiber.join(fiber)
})

describe("Reflexive", () => {
  it.effect("finds one address behind a cone, whoever is asked, and tells it", () => {
    const nat = NatUdp.make(cone)
    return Effect.gen(function* () {
      const { servers, socket } = yield* world
      const reflexive = yield* started({ socket, servers: () => servers.map(({ address }) => address) })
      yield* reflexive.began
      assert.deepStrictEqual(reflexive.addresses(), [{ host: "198.51.100.7", port: 49_152 }])
      assert.deepStrictEqual(reflexive.changes, [{ before: [], after: reflexive.addresses() }])
      const { answers = [], failures } = reflexive.latest() ?? {}
      assert.deepStrictEqual(
        answers.map(({ address }) => address.host).toSorted(),
        [1, 2, 3].map((n) => serverAt(n).host)
      )
      assert.deepStrictEqual(failures, [])
    }).pipe(Effect.scoped, behind(nat))
  })

  it.effect("finds an address per server behind a symmetric NAT, the quickest server's first", () => {
    const nat = NatUdp.make(symmetric, { deliveries: nearAndFar })
    return Effect.gen(function* () {
      const { servers, socket } = yield* world
      const reflexive = yield* started({ socket, servers: () => servers.map(({ address }) => address) })
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(ports(reflexive.addresses()), [49_154, 49_153, 49_152])
      assert.deepStrictEqual(
        reflexive.latest()?.answers.map(({ rttMillis }) => rttMillis),
        [10, 40, 50]
      )
    }).pipe(Effect.scoped, behind(nat))
  })

  it.effect("sends again after 250, 750 and 1750 ms, and says after 3 s who did not answer", () => {
    const nat = NatUdp.make(cone)
    return Effect.gen(function* () {
      const { servers, socket } = yield* world
      const [silent, honest] = servers
      silent?.behave("silent")
      const asking = yield* Effect.forkChild(Reflexive.askAll(socket, [serverAt(1), serverAt(2)]), {
        startImmediately: true
      })
      const counts: Array<number> = []
      for (const step of [249, 1, 500, 1000, 1249]) {
        yield* TestClock.adjust(step)
        counts.push(silent?.asked.length ?? 0)
      }
      assert.deepStrictEqual(counts, [1, 2, 3, 4, 4])
      assert.isUndefined(asking.pollUnsafe())
      yield* TestClock.adjust(1)
      const { answers, failures } = yield* Fiber.join(asking)
      assert.deepStrictEqual(
        answers.map(({ server }) => server),
        [serverAt(2)]
      )
      assert.deepStrictEqual(
        failures.map(({ reason, server }) => [reason, server]),
        [["timeout", "203.0.113.1:3478"]]
      )
      assert.strictEqual(honest?.asked.length, 1)
    }).pipe(Effect.scoped, behind(nat))
  })

  it.effect("says why else a server told nothing", () => {
    const nat = NatUdp.make(cone, { resolve: (host) => (host === "six.example" ? ["2001:db8::1"] : []) })
    return Effect.gen(function* () {
      const { servers, socket } = yield* world
      servers[0]?.behave("refusing")
      servers[1]?.behave({ mapped: { host: "192.168.1.9", port: 5 } })
      const list = [serverAt(1), serverAt(2), { host: "nowhere.example", port: 1 }, { host: "six.example", port: 1 }]
      const { answers, failures } = yield* round(Reflexive.askAll(socket, list))
      assert.deepStrictEqual(answers, [])
      assert.sameDeepMembers(
        failures.map(({ detail, reason }) => [reason, detail]),
        [
          ["implausible", "192.168.1.9:5"],
          ["noFamily", "2001:db8::1"],
          ["refused", "400"],
          ["resolve", "ENOTFOUND"]
        ]
      )
      assert.include(
        failures.map(({ message }) => message).join(),
        "STUN server nowhere.example:1: resolve (ENOTFOUND)"
      )
    }).pipe(Effect.scoped, behind(nat))
  })

  it.effect("asks a server that has two names once, and no more than eight servers", () => {
    const nat = NatUdp.make(cone, { resolve: () => ["203.0.113.1"] })
    return Effect.gen(function* () {
      const { servers, socket } = yield* world
      const named = ["a.example", "b.example", "203.0.113.1"].map((host) => ({ host, port: 3478 }))
      const many = Array.from({ length: 20 }, (_, index) => ({ host: "203.0.113.9", port: 1 + index }))
      const { answers, failures } = yield* round(Reflexive.askAll(socket, [...named, ...many]))
      assert.deepStrictEqual([answers.length, failures.length], [1, 5])
      assert.strictEqual(servers[0]?.asked.length, 1)
    }).pipe(Effect.scoped, behind(nat))
  })

  it.effect("asks in both families, and gets no answer from a resolver that hangs", () =>
    Effect.gen(function* () {
      const udp = yield* Udp
      const socket = yield* LinkSocket.open({ port: 7000, udp4: "192.0.2.1", udp6: "2001:db8::1" })
      yield* StunServer.start({ address: serverAt(1) })
      yield* StunServer.start({ address: { host: "2001:db8:5::1", port: 3478 } })
      const hanging = Udp.of({
        ...udp,
        resolve: (host) =>
          host === "hangs.example"
            ? Effect.never
            : host === "both.example"
              ? Effect.succeed(["2001:db8:5::1", "203.0.113.1"])
              : Effect.fail(new UdpError({ operation: "resolve", target: host, code: "ENOTFOUND" }))
      })
      const list = ["both.example", "hangs.example"].map((host) => ({ host, port: 3478 }))
      const { answers, failures } = yield* round(
        Reflexive.askAll(socket, list).pipe(Effect.provideService(Udp, hanging))
      )
      assert.deepStrictEqual(answers.map(({ mapped }) => mapped.host).toSorted(), ["192.0.2.1", "2001:db8::1"])
      assert.deepStrictEqual(
        failures.map(({ detail, reason }) => [reason, detail]),
        [["resolve", "no answer"]]
      )
    }).pipe(Effect.scoped, Effect.provide(UdpMemory.layer()))
  )

  it.effect("keeps the mapping of a NAT that forgets after 30 s, asking one server", () => {
    const nat = NatUdp.make({ ...cone, lifetimeMillis: 30_000 })
    return Effect.gen(function* () {
      const { servers, socket } = yield* world
      const reflexive = yield* started({ socket, servers: () => servers.map(({ address }) => address) })
      const first = reflexive.addresses()
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual(reflexive.addresses(), first)
      assert.strictEqual(reflexive.changes.length, 1)
      assert.sameMembers(
        servers.map(({ asked }) => asked.length),
        [1, 1, 31]
      )
      assert.deepStrictEqual(new Set(servers.flatMap(({ asked }) => ports(asked))), new Set([49_152]))
    }).pipe(Effect.scoped, behind(nat))
  })

  it.effect("notices within 20 s that the NAT maps it elsewhere, and tells", () => {
    const nat = NatUdp.make(cone)
    return Effect.gen(function* () {
      const { servers, socket } = yield* world
      const reflexive = yield* started({ socket, servers: () => servers.map(({ address }) => address) })
      const before = reflexive.addresses()
      nat.forget()
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual(ports(reflexive.addresses()), [49_153])
      assert.deepStrictEqual(reflexive.changes.at(-1), { before, after: reflexive.addresses() })
      nat.forget()
      const { answers } = yield* round(reflexive.refresh)
      assert.strictEqual(answers.length, 3)
      assert.deepStrictEqual(ports(reflexive.addresses()), [49_154])
      assert.strictEqual(reflexive.changes.length, 3)
    }).pipe(Effect.scoped, behind(nat))
  })

  it.effect("asks once for all who want to know at the same time, and once more for who comes later", () => {
    const nat = NatUdp.make(cone)
    return Effect.gen(function* () {
      const { servers, socket } = yield* world
      const reflexive = yield* started({ socket, servers: () => servers.map(({ address }) => address) })
      servers[0]?.behave("silent")
      const before = servers[1]?.asked.length ?? 0
      const first = yield* Effect.forkChild(reflexive.refresh, { startImmediately: true })
      const others = yield* Effect.forEach(Array.from({ length: 100 }), () =>
        Effect.forkChild(reflexive.refresh, { startImmediately: true })
      )
      const [interrupted = first] = others
      yield* Fiber.interrupt(interrupted)
      yield* TestClock.adjust("6 seconds")
      for (const fiber of others.slice(1)) yield* Fiber.join(fiber)
      assert.strictEqual((servers[1]?.asked.length ?? 0) - before, 2)
    }).pipe(Effect.scoped, behind(nat))
  })

  it.effect("goes on with another server when the one it asks falls silent", () => {
    const nat = NatUdp.make({ ...cone, lifetimeMillis: 30_000 })
    return Effect.gen(function* () {
      const { servers, socket } = yield* world
      const reflexive = yield* started({ socket, servers: () => servers.map(({ address }) => address) })
      const first = reflexive.addresses()
      yield* TestClock.adjust("20 seconds")
      const keeper = servers.find(({ asked }) => asked.length === 2)
      keeper?.behave("silent")
      yield* TestClock.adjust("5 minutes")
      assert.deepStrictEqual(reflexive.addresses(), first)
      // Once with all its repetitions as the keeper, once more in the round that follows.
      assert.strictEqual(keeper?.asked.length, 2 + 4 + 4)
      assert.strictEqual(reflexive.changes.length, 1)
    }).pipe(Effect.scoped, behind(nat))
  })

  it.effect("drops its addresses when nobody answers, asks ever less often, and finds them again", () => {
    const nat = NatUdp.make(cone)
    return Effect.gen(function* () {
      const { servers, socket } = yield* world
      const reflexive = yield* started({ socket, servers: () => [serverAt(1)] })
      const before = reflexive.addresses()
      servers[0]?.behave("silent")
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(reflexive.addresses(), [])
      assert.deepStrictEqual(reflexive.changes.at(-1), { before, after: [] })
      const asked = servers[0]?.asked.length ?? 0
      yield* TestClock.adjust("1 hour")
      // Four datagrams every 160 s, and a few more at the start.
      const later = (servers[0]?.asked.length ?? 0) - asked
      assert.isAtLeast(later, 4 * 20)
      assert.isAtMost(later, 4 * 26)
      servers[0]?.behave("honest")
      yield* TestClock.adjust("3 minutes")
      assert.deepStrictEqual(reflexive.addresses(), before)
    }).pipe(Effect.scoped, behind(nat))
  })

  it.effect("asks anew when the list of servers changes, even while nobody answers", () => {
    const nat = NatUdp.make(cone)
    return Effect.gen(function* () {
      const { socket } = yield* world
      let list: ReadonlyArray<TransportAddress> = []
      const reflexive = yield* started({ socket, servers: () => list })
      yield* TestClock.adjust("15 minutes")
      assert.deepStrictEqual(reflexive.addresses(), [])
      list = [serverAt(2)]
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(reflexive.addresses().length, 1)
      list = [serverAt(2), serverAt(3)]
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(reflexive.latest()?.answers.length, 2)
    }).pipe(Effect.scoped, behind(nat))
  })

  it.effect("asks other nodes' link sockets as well as servers, and survives a list that throws", () => {
    const nat = NatUdp.make(cone)
    return Effect.gen(function* () {
      const { socket } = yield* world
      const member = yield* LinkSocket.open({ port: 7000, udp4: "203.0.113.50", udp6: false })
      const responder = yield* BindingResponder.make(member)
      member.onStun(responder.answer)
      let isBroken = true
      const servers = () => {
        if (isBroken) throw new Error("no list")
        return [{ host: "203.0.113.50", port: 7000 }]
      }
      const reflexive = yield* started({ socket, servers })
      yield* reflexive.began
      assert.deepStrictEqual(reflexive.addresses(), [])
      isBroken = false
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual(reflexive.addresses(), [{ host: "198.51.100.7", port: 49_152 }])
      isBroken = true
      yield* TestClock.adjust("20 seconds")
      nat.forget()
      isBroken = false
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual(ports(reflexive.addresses()), [49_153])
    }).pipe(Effect.scoped, behind(nat))
  })

  it.effect("takes 3 s at most, the resolver's time included", () => {
    const nat = NatUdp.make(cone)
    return Effect.gen(function* () {
      const { servers, socket } = yield* world
      servers[0]?.behave("silent")
      const udp = yield* Udp
      const slow = Udp.of({ ...udp, resolve: () => Effect.delay(Effect.succeed([serverAt(1).host]), 2600) })
      const list = [{ host: "slow.example", port: 3478 }]
      const { failures } = yield* round(Reflexive.askAll(socket, list).pipe(Effect.provideService(Udp, slow)))
      assert.deepStrictEqual(
        failures.map(({ reason }) => reason),
        ["timeout"]
      )
      assert.strictEqual(servers[0]?.asked.length, 2)
    }).pipe(Effect.scoped, behind(nat))
  })

  it.effect("stops with its scope", () => {
    const nat = NatUdp.make(cone)
    return Effect.gen(function* () {
      const { servers, socket } = yield* world
      yield* Effect.scoped(started({ socket, servers: () => [serverAt(1)] }))
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(servers[0]?.asked.length, 1)
    }).pipe(Effect.scoped, behind(nat))
  })
})
