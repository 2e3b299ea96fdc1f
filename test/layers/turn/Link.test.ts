/** A link on a socket of the test's own: what a kernel would not let through cannot be seen otherwise. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Result } from "effect"
import type { TransportAddress } from "../../../src/domain/transportAddress.ts"
import * as Link from "../../../src/layers/turn/Link.ts"
import * as Wire from "../../../src/layers/turn/Wire.ts"
import { decode } from "../../../src/protocol/stun.ts"
import { allocateRequest } from "../../../src/protocol/turn.ts"
import { allocateSuccess } from "../../../src/protocol/turnServerMessages.ts"
import type { UdpReceive, UdpSocket } from "../../../src/services/Udp.ts"
import { config } from "./world.ts"

const server = { host: "127.0.0.1", port: 3478 }
const address = { host: "10.0.0.1", port: 1 }

const nobody: UdpReceive = () => {}
const silent = (_code: string): void => {}

const openLink = Effect.sync(() => {
  let receive = nobody
  const sent: Array<Uint8Array> = []
  const counts = { strays: 0, channelData: 0, refusals: 0 }
  let report = silent
  const socket: UdpSocket = {
    local: { host: "127.0.0.1", port: 1 },
    remote: server,
    send: (datagram) => void sent.push(datagram),
    onReceive: (next) => {
      receive = next
    },
    onError: (next) => {
      report = next
    }
  }
  const link = Link.make(
    {
      config,
      server,
      newTransactionId: () => new Uint8Array(12),
      handlers: {
        onChannelData: () => void counts.channelData++,
        onIndication: () => {},
        onStray: () => void counts.strays++,
        onRefused: () => void counts.refusals++
      }
    },
    Wire.ofUdp(socket)
  )
  return {
    counts,
    link,
    receive: (datagram: Uint8Array, from: TransportAddress) => receive(datagram, from),
    report: (code: string) => report(code),
    sent
  }
})

const allocating = {
  method: "allocate",
  build: (options) => allocateRequest({ ...options, lifetimeSeconds: 600 })
} as const satisfies Link.LinkRequest

const answerTo = (request: Uint8Array | undefined): Uint8Array => {
  assert.isDefined(request)
  const message = Result.getOrThrow(decode(request))
  return allocateSuccess(message, { relayedAddress: address, mappedAddress: address, lifetimeSeconds: 600 })
}

describe("Link", () => {
  it.effect("takes a response from the address that was asked, and from no other, whatever its transaction id", () =>
    Effect.gen(function* () {
      const { counts, link, receive, sent } = yield* openLink
      const asking = yield* Effect.forkChild(link.request(allocating), { startImmediately: true })
      receive(answerTo(sent[0]), { host: "127.0.0.1", port: 3479 })
      receive(Uint8Array.of(0x40, 0, 0, 0), { host: "127.0.0.2", port: 3478 })
      assert.deepStrictEqual([counts, link.heard()], [{ strays: 2, channelData: 0, refusals: 0 }, 0])
      assert.isUndefined(asking.pollUnsafe())
      receive(answerTo(sent[0]), server)
      assert.strictEqual((yield* Fiber.join(asking)).class, "success")
      assert.deepStrictEqual([counts.strays, link.heard()], [2, 1])
    })
  )

  it.effect("counts what is no message of ours", () =>
    Effect.gen(function* () {
      const { counts, link, receive, sent } = yield* openLink
      link.notify(allocating.build)
      const [request] = sent
      assert.isDefined(request)
      // Noise, an empty datagram, a request, and an answer that nobody waits for.
      for (const datagram of [Uint8Array.of(0xff, 1, 2), new Uint8Array(0), request, answerTo(request)]) {
        receive(datagram, server)
      }
      assert.deepStrictEqual([counts, link.heard()], [{ strays: 4, channelData: 0, refusals: 0 }, 4])
    })
  )

  it.effect("forgets a request with its answer, so that a later refusal of the port repeats nothing", () =>
    Effect.gen(function* () {
      const { counts, link, receive, report, sent } = yield* openLink
      const asking = yield* Effect.forkChild(link.request(allocating), { startImmediately: true })
      receive(answerTo(sent[0]), server)
      yield* Fiber.join(asking)
      report("ECONNREFUSED")
      assert.deepStrictEqual([counts.refusals, sent.length], [1, 1])
    })
  )

  it.effect("takes a datagram too long for the path for no sign of a server that is gone", () =>
    Effect.gen(function* () {
      const { counts, link, receive, report, sent } = yield* openLink
      const asking = yield* Effect.forkChild(link.request(allocating), { startImmediately: true })
      for (let times = 0; times < 3; times++) report("EMSGSIZE")
      assert.deepStrictEqual(counts, { strays: 3, channelData: 0, refusals: 0 })
      receive(answerTo(sent[0]), server)
      assert.strictEqual((yield* Fiber.join(asking)).class, "success")
      assert.strictEqual(sent.length, 1)
    })
  )
})
