import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Redacted, Result, Scope } from "effect"
import { TestClock } from "effect/testing"
import type { TransportAddress } from "../../../../src/domain/transportAddress.ts"
import * as LinkSocket from "../../../../src/layers/session/link/LinkSocket.ts"
import * as UdpMemory from "../../../../src/layers/UdpMemory.ts"
import * as UdpNode from "../../../../src/layers/UdpNode.ts"
import { type DecodedStun, encode, magicCookie } from "../../../../src/protocol/stun.ts"
import * as Binding from "../../../../src/protocol/stunBinding.ts"
import { shortTermKey } from "../../../../src/protocol/stunIntegrity.ts"
import { Udp, UdpError } from "../../../../src/services/Udp.ts"
import { fuzzSeed, makeRandom } from "../../../fixtures/random.ts"

const key = Result.getOrThrow(shortTermKey(Redacted.make("a password of twenty-four")))
const id = (last: number): Uint8Array => Uint8Array.from({ length: 12 }, (_, index) => (index === 11 ? last : index))
const idOf = (index: number): Uint8Array => {
  const transactionId = new Uint8Array(12)
  new DataView(transactionId.buffer).setUint32(0, index)
  return transactionId
}
const here = { port: 7000, udp4: "192.0.2.1", udp6: "2001:db8::1" } as const
const there = { host: "198.51.100.1", port: 3478 }

/** A socket, and everything that it hands on. */
const openHeard = Effect.fnUntraced(function* (options: LinkSocket.LinkSocketOptions) {
  const socket = yield* LinkSocket.open(options)
  const data: Array<readonly [text: string, from: TransportAddress]> = []
  const requests: Array<readonly [request: DecodedStun, from: TransportAddress]> = []
  socket.onData((payload, from) => void data.push([Buffer.from(payload).toString("hex"), from]))
  socket.onStun((request, from) => void requests.push([request, from]))
  return { socket, data, requests }
})

const binding = (transactionId: Uint8Array) => ({
  transactionId,
  bytes: Binding.encodeBindingRequest({ transactionId }),
  to: there,
  waits: [250, 500],
  read: Binding.readBindingResponse
})

const response = (transactionId: Uint8Array) =>
  Binding.encodeBindingResponse({ transactionId, mapped: { host: "203.0.113.9", port: 9 }, fingerprint: true })

describe("LinkSocket in memory", () => {
  it.effect("binds both families on one port", () =>
    Effect.gen(function* () {
      const { data, socket } = yield* openHeard(here)
      assert.deepStrictEqual([socket.port, socket.families], [7000, { udp4: true, udp6: true }])
      const udp = yield* Udp
      const four = yield* udp.bind(there)
      const six = yield* udp.bind({ host: "2001:db8::2", port: 8 })
      four.send(Uint8Array.of(0x44), { host: "192.0.2.1", port: 7000 })
      six.send(Uint8Array.of(0x46), { host: "2001:db8::1", port: 7000 })
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(data, [
        ["44", there],
        ["46", { host: "2001:db8::2", port: 8 }]
      ])
    }).pipe(Effect.scoped, Effect.provide(UdpMemory.layer()))
  )

  it.effect("looks for a port that is free in both families, and leaves nothing open of those that are not", () =>
    Effect.gen(function* () {
      const udp = yield* Udp
      // The network gives out ports in turn, so that IPv4 gets the first ones that IPv6 has taken.
      const { local } = yield* Effect.scoped(udp.bind({ host: "2001:db8::1", port: 0 }))
      yield* udp.bind({ host: "2001:db8::1", port: local.port + 1 })
      yield* udp.bind({ host: "2001:db8::1", port: local.port + 2 })
      const socket = yield* LinkSocket.open({ ...here, port: 0 })
      assert.strictEqual(socket.port, local.port + 3)
      yield* udp.bind({ host: "192.0.2.1", port: local.port + 1 })
    }).pipe(Effect.scoped, Effect.provide(UdpMemory.layer()))
  )

  it.effect("fails when its port is taken, and when there is no family at all", () =>
    Effect.gen(function* () {
      yield* Udp.use((udp) => udp.bind({ host: "2001:db8::1", port: 7000 }))
      assert.strictEqual((yield* Effect.flip(LinkSocket.open(here))).code, "EADDRINUSE")
      const none = LinkSocket.open({ port: 7000, udp4: false, udp6: false })
      assert.strictEqual((yield* Effect.flip(none)).code, "EAFNOSUPPORT")
    }).pipe(Effect.scoped, Effect.provide(UdpMemory.layer()))
  )

  it.effect("goes without a family that the machine does not have", () =>
    Effect.gen(function* () {
      const udp = yield* Udp
      const lame = Udp.of({
        ...udp,
        bind: (local) =>
          local.host.includes(":")
            ? Effect.fail(new UdpError({ operation: "open", target: local.host, code: "EAFNOSUPPORT" }))
            : udp.bind(local)
      })
      const socket = yield* LinkSocket.open(here).pipe(Effect.provideService(Udp, lame))
      assert.deepStrictEqual(socket.families, { udp4: true, udp6: false })
      socket.send(Uint8Array.of(1), { host: "2001:db8::2", port: 1 })
      assert.strictEqual(socket.statistics().unsendable, 1)
      const asked = socket.exchange({ ...binding(id(1)), to: { host: "2001:db8::2", port: 1 } })
      assert.strictEqual((yield* Effect.flip(asked)).reason, "noFamily")
    }).pipe(Effect.scoped, Effect.provide(UdpMemory.layer()))
  )

  it.effect("hands on as data whatever has no first byte below 4, no cookie, or another length", () =>
    Effect.gen(function* () {
      const { data, requests, socket } = yield* openHeard(here)
      const peer = yield* Udp.use((udp) => udp.bind(there))
      const request = Binding.encodeBindingRequest({ transactionId: id(1) })
      const altered = (index: number, value: number) => request.with(index, value)
      const packets = [
        // Data: QUIC with and without its fixed bit, a STUN message of another method number, no cookie, a bad length.
        Uint8Array.of(0xc3, 1, 2),
        Uint8Array.of(0x13, 1, 2),
        new Uint8Array(0),
        altered(0, 4),
        altered(4, 0),
        altered(3, 0),
        Uint8Array.of(...request, 0)
      ]
      for (const packet of packets) peer.send(packet, { host: "192.0.2.1", port: 7000 })
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(
        data.map(([text]) => text),
        packets.map((packet) => Buffer.from(packet).toString("hex"))
      )
      assert.strictEqual(requests.length, 0)
      assert.strictEqual(socket.statistics().dataReceived, packets.length)
    }).pipe(Effect.scoped, Effect.provide(UdpMemory.layer()))
  )

  it.effect("hands on Binding requests, and drops and counts other STUN", () =>
    Effect.gen(function* () {
      const { data, requests, socket } = yield* openHeard(here)
      const peer = yield* Udp.use((udp) => udp.bind(there))
      const to = { host: "192.0.2.1", port: 7000 }
      const stun = (kind: "request" | "indication", method: number, fingerprint: boolean) =>
        encode({ class: kind, method, transactionId: id(1), attributes: [] }, { fingerprint })
      const good = stun("request", 1, true)
      peer.send(good, to)
      peer.send(stun("request", 1, false), to)
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(
        requests.map(([{ fingerprint }, from]) => [fingerprint, from]),
        [
          ["valid", there],
          ["absent", there]
        ]
      )
      peer.send(good.with(good.length - 1, (good.at(-1) ?? 0) ^ 1), to)
      peer.send(stun("request", 3, true), to)
      peer.send(stun("indication", 1, true), to)
      peer.send(response(id(1)), to)
      // An attribute that reaches over the end.
      peer.send(good.with(23, 200), to)
      yield* TestClock.adjust(0)
      assert.strictEqual(socket.statistics().stunDropped, 5)
      assert.deepStrictEqual([requests.length, data.length], [2, 0])
    }).pipe(Effect.scoped, Effect.provide(UdpMemory.layer()))
  )

  it.effect("sends a request until it is answered, and takes the answer from there only", () =>
    Effect.gen(function* () {
      const socket = yield* LinkSocket.open(here)
      const udp = yield* Udp
      const server = yield* udp.bind(there)
      const impostor = yield* udp.bind({ host: there.host, port: 1 })
      let received = 0
      server.onReceive((_, from) => {
        received++
        impostor.send(response(id(1)), from)
        if (received === 2) server.send(response(id(1)), from)
      })
      const asking = yield* Effect.forkChild(socket.exchange(binding(id(1))), { startImmediately: true })
      yield* TestClock.adjust(249)
      assert.deepStrictEqual([received, asking.pollUnsafe()], [1, undefined])
      yield* TestClock.adjust(1)
      const { answer, rttMillis } = yield* Fiber.join(asking)
      assert.deepInclude(answer, { _tag: "Mapped", mapped: { host: "203.0.113.9", port: 9 } })
      assert.strictEqual(rttMillis, 250)
      const { responsesReceived, stunDropped, waiting } = socket.statistics()
      assert.deepStrictEqual([responsesReceived, stunDropped, waiting], [1, 2, 0])
    }).pipe(Effect.scoped, Effect.provide(UdpMemory.layer()))
  )

  it.effect("gives up after the last wait, and forgets a request that was interrupted", () =>
    Effect.gen(function* () {
      const socket = yield* LinkSocket.open(here)
      const asking = yield* Effect.forkChild(Effect.flip(socket.exchange(binding(id(1)))), { startImmediately: true })
      yield* TestClock.adjust(749)
      assert.isUndefined(asking.pollUnsafe())
      yield* TestClock.adjust(1)
      const error = yield* Fiber.join(asking)
      assert.deepStrictEqual([error.reason, error.attempts], ["timeout", 2])
      assert.include(error.message, "198.51.100.1:3478 to 2 requests")
      const other = yield* Effect.forkChild(socket.exchange(binding(id(2))), { startImmediately: true })
      assert.strictEqual(socket.statistics().waiting, 1)
      yield* Fiber.interrupt(other)
      assert.strictEqual(socket.statistics().waiting, 0)
    }).pipe(Effect.scoped, Effect.provide(UdpMemory.layer()))
  )

  it.effect("takes no answer after the time of a transaction without a fiber, and none that its owner refuses", () =>
    Effect.gen(function* () {
      const socket = yield* LinkSocket.open(here)
      const server = yield* Udp.use((udp) => udp.bind(there))
      const answer = (last: number) =>
        Effect.suspend(() => {
          server.send(response(id(last)), { host: "192.0.2.1", port: 7000 })
          return TestClock.adjust(0)
        })
      const settled: Array<number> = []
      const expect = (last: number, accepts: boolean) =>
        socket.expect({
          transactionId: id(last),
          // Also an IPv4-mapped address is the IPv4 socket's.
          from: { host: `::ffff:${there.host}`, port: there.port },
          timeoutMillis: 100,
          settle: () => {
            settled.push(last)
            return accepts
          }
        })
      expect(1, false)
      expect(2, true)
      const end = expect(3, true)
      yield* answer(1)
      yield* answer(1)
      yield* answer(2)
      yield* answer(2)
      end?.()
      yield* answer(3)
      assert.deepStrictEqual(settled, [1, 1, 2])
      expect(4, true)
      yield* TestClock.adjust(101)
      yield* answer(4)
      assert.deepStrictEqual(settled, [1, 1, 2])
    }).pipe(Effect.scoped, Effect.provide(UdpMemory.layer()))
  )

  it.effect("lets so many requests wait and no more, until the old ones have had their time", () =>
    Effect.gen(function* () {
      const socket = yield* LinkSocket.open(here)
      const expect = (index: number) =>
        socket.expect({ transactionId: idOf(index), from: there, timeoutMillis: 1000, settle: () => true })
      for (let index = 0; index < 2048; index++) assert.isDefined(expect(index))
      assert.isUndefined(expect(2048))
      assert.strictEqual((yield* Effect.flip(socket.exchange(binding(id(1))))).reason, "busy")
      assert.deepStrictEqual([socket.statistics().refused, socket.statistics().waiting], [2, 2048])
      yield* TestClock.adjust(1001)
      assert.isDefined(expect(2048))
      assert.strictEqual(socket.statistics().waiting, 1)
    }).pipe(Effect.scoped, Effect.provide(UdpMemory.layer()))
  )

  it.effect("lets checks give way to what comes later, the oldest first, and nothing else", () =>
    Effect.gen(function* () {
      const socket = yield* LinkSocket.open(here)
      const server = yield* Udp.use((udp) => udp.bind(there))
      const settled: Array<number> = []
      const expect = (index: number, givesWay: boolean) =>
        socket.expect({
          transactionId: idOf(index),
          from: there,
          timeoutMillis: 5000,
          givesWay,
          settle: () => settled.push(index) > 0
        })
      expect(0, false)
      for (let index = 1; index <= 4000; index++) assert.isDefined(expect(index, true))
      assert.strictEqual(socket.statistics().waiting, 2048)
      for (const index of [0, 1, 1953, 1954, 4000]) {
        server.send(response(idOf(index)), { host: here.udp4, port: socket.port })
      }
      yield* TestClock.adjust(10)
      assert.deepStrictEqual(settled, [0, 1954, 4000])
    }).pipe(Effect.scoped, Effect.provide(UdpMemory.layer()))
  )

  it.effect("hands garbage nowhere twice, and loses none of it", () =>
    Effect.gen(function* () {
      const seed = fuzzSeed()
      const random = makeRandom(seed)
      const { data, requests, socket } = yield* openHeard(here)
      const peer = yield* Udp.use((udp) => udp.bind(there))
      const cookie = new Uint8Array(4)
      new DataView(cookie.buffer).setUint32(0, magicCookie)
      const count = 5000
      for (let index = 0; index < count; index++) {
        const packet = random.bytes(random.below(64))
        if (random.below(2) === 0 && packet.length >= 20) {
          packet[0] = random.below(4)
          packet[2] = 0
          packet[3] = packet.length - 20
          packet.set(cookie, 4)
        }
        peer.send(packet, { host: "192.0.2.1", port: 7000 })
      }
      yield* TestClock.adjust(0)
      const { stunDropped } = socket.statistics()
      assert.strictEqual(data.length + requests.length + stunDropped, count, `seed ${seed}`)
      assert.isAbove(data.length, 1000)
      assert.isAbove(stunDropped, 100)
    }).pipe(Effect.scoped, Effect.provide(UdpMemory.layer()))
  )
})

describe("LinkSocket on loopback", () => {
  for (const host of ["127.0.0.1", "::1"]) {
    it.live(`exchanges checks and data with another one over ${host}`, () =>
      Effect.gen(function* () {
        const [one, other] = yield* Effect.all([openHeard({ port: 0 }), openHeard({ port: 0 })])
        assert.notStrictEqual(one.socket.port, other.socket.port)
        other.socket.onStun((request, from) => {
          const { transactionId } = request
          if (Result.isFailure(Binding.readCheck(request, key))) return
          other.socket.send(Binding.encodeCheckResponse({ transactionId, mapped: from, key }), from)
        })
        const transactionId = id(7)
        const username = "theirs:ours"
        const fields = { priority: 1, controlling: true, tieBreaker: 1n, nominate: true }
        const { answer } = yield* one.socket.exchange<Binding.BindingAnswer>({
          transactionId,
          bytes: Binding.encodeCheck({ transactionId, username, key, ...fields }),
          to: { host, port: other.socket.port },
          waits: [500, 1000, 2000],
          read: (message) => Binding.readCheckResponse(message, key)
        })
        assert.deepInclude(answer, { _tag: "Mapped", mapped: { host, port: one.socket.port } })
        // A QUIC packet with the fixed bit greased away.
        one.socket.send(Uint8Array.of(0x02, 0x21), { host, port: other.socket.port })
        yield* Effect.sleep(1).pipe(Effect.repeat({ until: () => other.data.length > 0, times: 5000 }))
        assert.deepStrictEqual(other.data, [["0221", { host, port: one.socket.port }]])
      }).pipe(Effect.scoped, Effect.provide(UdpNode.layer))
    )
  }

  it.live("reaches the IPv4 socket by an IPv4-mapped address, and gives its port back with the scope", () =>
    Effect.gen(function* () {
      const other = yield* openHeard({ port: 0 })
      const scope = yield* Scope.make()
      const one = yield* Scope.provide(LinkSocket.open({ port: 0 }), scope)
      one.send(Uint8Array.of(0x41), { host: "::ffff:127.0.0.1", port: other.socket.port })
      yield* Effect.sleep(1).pipe(Effect.repeat({ until: () => other.data.length > 0, times: 5000 }))
      assert.deepStrictEqual(other.data, [["41", { host: "127.0.0.1", port: one.port }]])
      assert.strictEqual((yield* Effect.flip(LinkSocket.open({ port: one.port }))).code, "EADDRINUSE")
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* LinkSocket.open({ port: one.port })).port, one.port)
    }).pipe(Effect.scoped, Effect.provide(UdpNode.layer))
  )
})
