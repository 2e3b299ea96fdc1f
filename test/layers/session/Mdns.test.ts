import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Logger, Result, Scope } from "effect"
import { TestClock } from "effect/testing"
import type * as Dgram from "node:dgram"
import type { NetworkInterface } from "../../../src/domain/mdnsInterfaces.ts"
import { mdnsPacketsDropped, supervisorErrors } from "../../../src/domain/metrics.ts"
import { formatAddress, type PeerAddress } from "../../../src/domain/peerAddress.ts"
import * as Mdns from "../../../src/layers/session/Mdns.ts"
import * as MetricsMemory from "../../../src/layers/MetricsMemory.ts"
import { decode, encodeOffer, encodeQuery, offersOf } from "../../../src/protocol/mdns.ts"
import { Metrics } from "../../../src/services/Metrics.ts"
import { didNumber } from "../../fixtures/dids.ts"
import { group, openMulticast, randomPort, skipped } from "../../fixtures/loopbackMulticast.ts"

const loopback: NetworkInterface = {
  name: "lo",
  address: "127.0.0.1",
  netmask: "255.0.0.0",
  family: 4,
  internal: true
}

const at = (port: number): PeerAddress => ({ host: "127.0.0.1", port, transport: "any" })

/** Lets virtual time pass in steps, with real time in between for the sockets, until the condition holds. */
const until = Effect.fnUntraced(function* (condition: () => boolean) {
  for (let step = 0; step < 3000; step++) {
    if (condition()) return
    yield* TestClock.adjust(20)
    yield* TestClock.withLive(Effect.sleep(1))
  }
  assert.fail("it did not come true within a minute")
})

/** Lets virtual time pass, with real time in between for the sockets. */
const pass = Effect.fnUntraced(function* (millis: number) {
  for (let passed = 0; passed < millis; passed += 100) {
    yield* TestClock.adjust(100)
    yield* TestClock.withLive(Effect.sleep(1))
  }
})

/** Waits for the sockets while virtual time stands still. */
const arrives = (condition: () => boolean | Effect.Effect<boolean>): Effect.Effect<void> =>
  Effect.suspend(() => {
    const holds = condition()
    return typeof holds === "boolean" ? Effect.succeed(holds) : holds
  }).pipe(
    Effect.delay(2),
    Effect.repeat({ until: (holds) => holds }),
    Effect.timeout("4 seconds"),
    Effect.orDie,
    Effect.asVoid,
    TestClock.withLive
  )

/** Long enough for what is on the wire already to have arrived, if anything is. */
const settle = TestClock.withLive(Effect.sleep(30))

interface Found {
  readonly did: string
  readonly addresses: ReadonlyArray<string>
  readonly scopeHost: string
}

interface Member {
  readonly found: Array<Found>
  readonly finds: (other: number) => boolean
  readonly leave: Effect.Effect<void>
}

/** Member `number`, which listens on port 7000 + `number` of loopback. */
const join = Effect.fnUntraced(function* (
  number: number,
  port: number,
  options: Partial<Mdns.MdnsOptions> = {}
): Effect.fn.Return<Member, never, Scope.Scope> {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const found: Array<Found> = []
  yield* Mdns.start({
    did: didNumber(number),
    listening: () => [at(7000 + number)],
    interfaces: ["127.0.0.1"],
    listen: [],
    port,
    onFound: (did, addresses, scopeHost) =>
      Effect.sync(() => void found.push({ did: did.text, addresses: addresses.map(formatAddress), scopeHost })),
    ...options
  }).pipe(Scope.provide(scope))
  return {
    found,
    finds: (other) => found.some(({ did }) => did === didNumber(other).text),
    leave: Scope.close(scope, Exit.void)
  }
})

interface Wire {
  readonly queries: () => number
  /** How many packets announced a TTL of 0, or another one. */
  readonly count: (goodbye: boolean) => number
  readonly send: (packet: Uint8Array) => void
}

/** Somebody on the wire who sends anything. */
const onWire = Effect.fnUntraced(function* (port: number, bindPort = port) {
  const socket: Dgram.Socket = yield* Effect.acquireRelease(
    Effect.promise(() => openMulticast(bindPort)),
    (socket) => Effect.sync(() => void socket.close())
  )
  const ttls: Array<number> = []
  let queries = 0
  socket.on("message", (packet) => {
    const message = Result.getOrUndefined(decode(packet))
    if (message?._tag === "Query") queries++
    if (message?._tag === "Answer") ttls.push(...message.announcements.map(({ ttlSeconds }) => ttlSeconds))
  })
  const wire: Wire = {
    queries: () => queries,
    count: (goodbye) => ttls.filter((ttl) => (ttl === 0) === goodbye).length,
    send: (packet) => socket.send(packet, port, group)
  }
  return wire
})

const errors = Effect.flatMap(Metrics, (metrics) => metrics.value(supervisorErrors, { operation: "mdns" }))
const droppedReaches = (number: number) =>
  Effect.flatMap(Metrics, (metrics) =>
    arrives(() => Effect.map(metrics.value(mdnsPacketsDropped, {}), (count) => count >= number))
  )
const services = Layer.merge(MetricsMemory.layer, Logger.layer([]))

describe.skipIf(skipped)("Mdns", () => {
  it.live("lets two nodes of one machine find each other, and neither itself", () =>
    Effect.gen(function* () {
      const port = randomPort()
      const [one, two] = [yield* join(1, port), yield* join(2, port)]
      yield* Effect.sync(() => one.finds(2) && two.finds(1)).pipe(
        Effect.delay(5),
        Effect.repeat({ until: (holds) => holds }),
        Effect.timeout("10 seconds")
      )
      assert.deepStrictEqual(one.found, [
        { did: didNumber(2).text, addresses: ["127.0.0.1:7002"], scopeHost: "127.0.0.1" }
      ])
      assert.deepStrictEqual(two.found, [
        { did: didNumber(1).text, addresses: ["127.0.0.1:7001"], scopeHost: "127.0.0.1" }
      ])
    }).pipe(Effect.provide(services))
  )

  it.effect("is silent and deaf without an interface that it may use, and says so once", () =>
    Effect.gen(function* () {
      const port = randomPort()
      const outside = yield* join(3, port, { interfaces: ["nowhere0"] })
      assert.strictEqual(yield* errors, 1)
      const wildcard = yield* join(4, port, { interfaces: [], listen: [{ host: "0.0.0.0", port: 1 }] })
      assert.strictEqual(yield* errors, 2)
      const [one, two] = [yield* join(1, port), yield* join(2, port)]
      yield* until(() => one.finds(2) && two.finds(1))
      yield* pass(30_000)
      assert.deepStrictEqual([...outside.found, ...wildcard.found], [])
      assert.isFalse(one.finds(3) || one.finds(4) || two.finds(3) || two.finds(4))
      assert.strictEqual(yield* errors, 2)
    }).pipe(Effect.provide(services))
  )

  // Elsewhere loopback has one address only.
  it.effect.skipIf(process.platform !== "linux")("takes nothing from another network than its interface's", () =>
    Effect.gen(function* () {
      const port = randomPort()
      const elsewhere = { ...loopback, name: "eth0", address: "127.0.0.9", netmask: "255.255.255.255" }
      const one = yield* join(1, port, {
        interfaces: ["eth0"],
        networkInterfaces: () => [elsewhere],
        listening: () => [at(7001), { host: "127.0.0.9", port: 7001, transport: "quic" }]
      })
      const two = yield* join(2, port)
      yield* until(() => two.finds(1))
      yield* pass(20_000)
      // Its own address is all that it told.
      assert.deepStrictEqual(two.found, [
        { did: didNumber(1).text, addresses: ["127.0.0.9:7001/quic"], scopeHost: "127.0.0.9" }
      ])
      assert.deepStrictEqual(one.found, [])
    }).pipe(Effect.provide(services))
  )

  it.effect("asks again with growing pauses, up to a minute", () =>
    Effect.gen(function* () {
      const port = randomPort()
      const wire = yield* onWire(port)
      yield* join(1, port)
      for (const [index, pauseSeconds] of [10, 20, 40, 60, 60].entries()) {
        yield* arrives(() => wire.queries() === index + 1)
        yield* TestClock.adjust(pauseSeconds * 1000 - 1)
        yield* settle
        assert.strictEqual(wire.queries(), index + 1)
        yield* TestClock.adjust(1)
      }
      yield* arrives(() => wire.queries() === 6)
    }).pipe(Effect.provide(services))
  )

  it.effect("answers once a second however many ask, and not those who know", () =>
    Effect.gen(function* () {
      const port = randomPort()
      const wire = yield* onWire(port)
      yield* join(1, port)
      // The first one is sent after 20 to 120 ms.
      yield* TestClock.adjust(120)
      yield* arrives(() => wire.count(false) === 1)
      for (let number = 0; number < 30; number++) wire.send(encodeQuery([]))
      yield* settle
      yield* TestClock.adjust(890)
      yield* settle
      assert.strictEqual(wire.count(false), 1)
      yield* TestClock.adjust(110)
      yield* arrives(() => wire.count(false) === 2)
      wire.send(encodeQuery(offersOf(didNumber(1), [at(7001)])))
      yield* pass(5000)
      assert.strictEqual(wire.count(false), 2)
      wire.send(encodeQuery([]))
      yield* until(() => wire.count(false) === 3)
    }).pipe(Effect.provide(services))
  )

  it.effect("says goodbye at its end, and is news when it returns", () =>
    Effect.gen(function* () {
      const port = randomPort()
      const wire = yield* onWire(port)
      const [one, two] = [yield* join(1, port), yield* join(2, port)]
      yield* until(() => one.finds(2))
      assert.strictEqual(wire.count(true), 0)
      yield* two.leave
      yield* until(() => wire.count(true) === 1)
      assert.lengthOf(one.found, 1)
      yield* join(2, port)
      yield* until(() => one.found.length === 2)
    }).pipe(Effect.provide(services))
  )

  it.effect("tells of an unchanged member once a minute", () =>
    Effect.gen(function* () {
      const port = randomPort()
      const wire = yield* onWire(port)
      const [one] = [yield* join(1, port), yield* join(2, port)]
      yield* until(() => one.finds(2))
      for (let number = 0; number < 5; number++) {
        wire.send(encodeQuery([]))
        yield* pass(5000)
      }
      assert.isAtLeast(wire.count(false), 6)
      assert.lengthOf(one.found, 1)
      yield* pass(60_000)
      wire.send(encodeQuery([]))
      yield* until(() => one.found.length === 2)
    }).pipe(Effect.provide(services))
  )

  it.effect("announces a change of where the node listens, and takes back what it said", () =>
    Effect.gen(function* () {
      const port = randomPort()
      const wire = yield* onWire(port)
      const one = yield* join(1, port)
      let listening: ReadonlyArray<PeerAddress> = [at(1), at(2)]
      yield* join(2, port, { listening: () => listening })
      yield* until(() => one.found.length === 2)
      listening = [at(3)]
      yield* until(() => one.found.length === 3)
      assert.deepStrictEqual(
        one.found.map(({ addresses }) => addresses),
        [["127.0.0.1:1"], ["127.0.0.1:2"], ["127.0.0.1:3"]]
      )
      yield* until(() => wire.count(true) === 1)
    }).pipe(Effect.provide(services))
  )

  it.effect("follows interfaces that come and go", () =>
    Effect.gen(function* () {
      const port = randomPort()
      const wire = yield* onWire(port)
      const one = yield* join(1, port)
      let interfaces: ReadonlyArray<NetworkInterface> = []
      const two = yield* join(2, port, { networkInterfaces: () => interfaces })
      yield* pass(30_000)
      assert.deepStrictEqual([...one.found, ...two.found], [])
      assert.strictEqual(yield* errors, 1)
      interfaces = [loopback]
      yield* until(() => one.finds(2) && two.finds(1))
      assert.strictEqual(yield* errors, 1)
      interfaces = []
      yield* until(() => wire.count(true) === 1)
      yield* pass(20_000)
      assert.strictEqual(yield* errors, 2)
    }).pipe(Effect.provide(services))
  )

  it.effect("counts garbage, survives a flood of it, and finds members afterwards", () =>
    Effect.gen(function* () {
      const port = randomPort()
      const wire = yield* onWire(port)
      const one = yield* join(1, port)
      yield* until(() => wire.count(false) === 1)
      let drops = 0
      for (const length of [0, 1, 11, 12, 13, 500, 9001]) {
        wire.send(new Uint8Array(length).fill(0xc0))
        drops++
        yield* droppedReaches(drops)
      }
      for (let number = 0; number < 300; number++) wire.send(new Uint8Array(64).fill(number))
      // Whatever the kernel itself dropped: more than this node reads of one machine at a time.
      yield* droppedReaches(drops + 150)
      yield* pass(5000)
      yield* join(2, port)
      yield* until(() => one.finds(2))
      assert.strictEqual(yield* errors, 0)
    }).pipe(Effect.provide(services))
  )

  it.effect("does not believe what comes from another port", () =>
    Effect.gen(function* () {
      const port = randomPort()
      const wire = yield* onWire(port, randomPort() + 20_000)
      const one = yield* join(1, port)
      for (const offer of offersOf(didNumber(2), [at(7002)])) wire.send(encodeOffer(didNumber(2), offer, 120))
      yield* droppedReaches(1)
      yield* pass(1000)
      assert.deepStrictEqual(one.found, [])
    }).pipe(Effect.provide(services))
  )

  it.effect("goes on when the caller fails at a member", () =>
    Effect.gen(function* () {
      const port = randomPort()
      const seen: Array<string> = []
      yield* join(1, port, {
        onFound: (did) => {
          seen.push(did.text)
          return Effect.die(new Error("unexpected"))
        }
      })
      yield* join(2, port)
      yield* until(() => seen.length === 1)
      yield* join(3, port)
      yield* until(() => seen.length === 2)
      assert.strictEqual(yield* errors, 2)
    }).pipe(Effect.provide(services))
  )
})
