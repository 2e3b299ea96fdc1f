import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream, SubscriptionRef } from "effect"
import { TestClock } from "effect/testing"
import * as RelayPorts from "../../../../src/layers/session/link/RelayPort.ts"
import type { RelayRef } from "../../../../src/layers/session/Settings.ts"
import { type TurnAllocation, TurnError, TurnPeerRefused, TurnTimeout } from "../../../../src/services/TurnClient.ts"

const server = { host: "203.0.113.9", port: 3478 }
const limits = { perMemberBytesPerSecond: 1_000_000, totalBytesPerSecond: 1_000_000 }
const peer = "198.51.100.1"

const failure = (reason: TurnTimeout | TurnPeerRefused) =>
  new TurnError({ server: "203.0.113.9:3478", method: "createPermission", reason })
const timeout = failure(new TurnTimeout({ attempts: 7 }))
const refused = failure(new TurnPeerRefused({ code: 403, peer }))

/** An allocation that answers the first questions for a permission with these errors, and counts them all. */
const allocation = (errors: ReadonlyArray<TurnError>, relayHost = server.host) => {
  const asked: Array<string> = []
  const sent: Array<Uint8Array> = []
  const made: TurnAllocation = {
    state: () => ({
      server,
      transport: "udp",
      relayedAddress: { host: relayHost, port: 50_000 },
      mappedAddress: { host: "192.0.2.1", port: 4000 },
      lifetimeSeconds: 600,
      expiresAtMillis: 600_000
    }),
    permit: (host) =>
      Effect.suspend(() => {
        const error = errors[asked.length]
        asked.push(host)
        return error === undefined ? Effect.succeed({ host, expiresAtMillis: 300_000 }) : Effect.fail(error)
      }),
    revoke: () => Effect.void,
    bindChannel: () => Effect.void,
    send: (_to, payload) => sent.push(payload) > 0,
    onReceive: () => {},
    packets: Stream.empty,
    events: Stream.never,
    statistics: () => ({ sentBytes: 0, sentPackets: 0, receivedBytes: 0, receivedPackets: 0, droppedPackets: 0 }),
    probe: Effect.void
  }
  return { asked, sent, made }
}

const relayOf = Effect.fnUntraced(function* (of: TurnAllocation) {
  const ref: RelayRef = yield* SubscriptionRef.make<TurnAllocation | undefined>(of)
  const relay = yield* RelayPorts.make(ref, limits)
  // Until the allocation is taken.
  while (relay.state() === undefined) yield* Effect.yieldNow
  return { ref, relay }
})

describe("permissions of the relay", () => {
  it.effect("are asked for again until the server answers, later and later", () =>
    Effect.gen(function* () {
      const { asked, made } = allocation([timeout, timeout, timeout])
      const { relay } = yield* relayOf(made)
      relay.permit([peer])
      const counts: Array<number> = []
      for (const millis of [0, 1000, 1999, 1, 4000, 300_000]) {
        yield* TestClock.adjust(millis)
        counts.push(asked.length)
      }
      assert.deepStrictEqual(counts, [1, 2, 2, 3, 4, 4])
    })
  )

  it.effect("are asked for every half minute at least", () =>
    Effect.gen(function* () {
      const { asked, made } = allocation(Array.from({ length: 1000 }, () => timeout))
      const { relay } = yield* relayOf(made)
      relay.permit([peer])
      yield* TestClock.adjust("31 seconds")
      const before = asked.length
      yield* TestClock.adjust("5 minutes")
      assert.closeTo(asked.length - before, 10, 1)
    })
  )

  it.effect("are not asked for again where the server refused, or when nobody wants them", () =>
    Effect.gen(function* () {
      const unwilling = allocation([refused, refused])
      const { relay } = yield* relayOf(unwilling.made)
      relay.permit([peer])
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(unwilling.asked.length, 1)
      const silent = allocation([timeout, timeout])
      const { relay: other } = yield* relayOf(silent.made)
      const release = other.permit([peer])
      yield* TestClock.adjust(500)
      release()
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(silent.asked.length, 1)
    })
  )

  it.effect("are asked for hosts that the allocation reaches, also where one of another family comes later", () =>
    Effect.gen(function* () {
      const [four, six] = [allocation([]), allocation([], "2001:db8::9")]
      const { ref, relay } = yield* relayOf(four.made)
      relay.permit([peer, "2001:db8::1"])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual([relay.family(), four.asked], [4, [peer]])
      yield* SubscriptionRef.set(ref, six.made)
      yield* TestClock.adjust(1)
      assert.deepStrictEqual([relay.family(), six.asked], [6, ["2001:db8::1"]])
      yield* SubscriptionRef.set(ref, undefined)
      yield* TestClock.adjust(1)
      assert.isUndefined(relay.family())
    })
  )

  it.effect("are asked of the allocation that there is", () =>
    Effect.gen(function* () {
      const [first, second] = [allocation([timeout, timeout]), allocation([])]
      const { ref, relay } = yield* relayOf(first.made)
      relay.permit([peer])
      yield* TestClock.adjust(500)
      yield* SubscriptionRef.set(ref, second.made)
      yield* TestClock.adjust("5 minutes")
      assert.deepStrictEqual([first.asked.length, second.asked.length], [1, 1])
    })
  )
})

describe("the relay's limit", () => {
  it.effect("leaves each member its part, whatever another one sends", () =>
    Effect.gen(function* () {
      const { made, sent } = allocation([])
      const { relay } = yield* relayOf(made)
      const [greedy, modest] = [relay.meter(), relay.meter()]
      const to = { host: peer, port: 4000 }
      const packet = new Uint8Array(1000)
      for (let millis = 0; millis < 5000; millis += 10) {
        for (let count = 0; count < 20; count++) relay.send(packet, to, greedy)
        for (let count = 0; count < 4; count++) relay.send(packet, to, modest)
        yield* TestClock.adjust(10)
      }
      assert.strictEqual(modest.limitedPackets, 0)
      assert.strictEqual(modest.sentBytes, 5 * 400_000)
      assert.isAbove(greedy.limitedPackets, 0)
      assert.strictEqual(sent.length * 1000, modest.sentBytes + greedy.sentBytes)
    })
  )
})
