/** The scripted server keeps time and rules like a real one: a client that passes against it has earned it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Result } from "effect"
import { TestClock } from "effect/testing"
import { equals } from "../../../src/domain/transportAddress.ts"
import * as ScriptedTurnServer from "../../../src/layers/turn/ScriptedTurnServer.ts"
import { encodeHeader } from "../../../src/protocol/channelData.ts"
import { decode } from "../../../src/protocol/stun.ts"
import * as Attribute from "../../../src/protocol/stunAttributes.ts"
import { longTermKey } from "../../../src/protocol/stunIntegrity.ts"
import {
  allocateRequest,
  channelBindRequest,
  createPermissionRequest,
  readAllocateSuccess,
  readError,
  refreshRequest,
  type RequestOptions,
  sendIndication
} from "../../../src/protocol/turn.ts"
import { Udp } from "../../../src/services/Udp.ts"
import { bytes, openPeer, settle, text } from "../../contract/TurnClient.ts"
import { inWorld } from "./world.ts"

const key = Result.getOrThrow(
  longTermKey({ username: "user", realm: "example.org", password: Redacted.make("password") })
)

/** A client without any upkeep: it asks, and reads what comes. */
const openClient = Effect.fnUntraced(function* (server: ScriptedTurnServer.ScriptedTurnServer) {
  const socket = yield* Udp.use((udp) => udp.connect(server.address))
  const inbox: Array<Uint8Array> = []
  socket.onReceive((datagram) => void inbox.push(datagram))
  let nonce = new Uint8Array(0)
  let transactions = 0
  const ask = Effect.fnUntraced(function* (
    build: (options: RequestOptions) => Uint8Array,
    transaction = ++transactions
  ) {
    const transactionId = new Uint8Array(12).fill(transaction)
    socket.send(
      build({ transactionId, auth: { username: "user", realm: "example.org", profile: "SASLprep", nonce, key } })
    )
    yield* settle
    const datagram = inbox.pop()
    assert.isDefined(datagram)
    const message = Result.getOrThrow(decode(datagram))
    const error = message.class === "error" ? Result.getOrThrow(readError(message)).code : 0
    const challenge = Result.getOrThrow(Attribute.optional(message, Attribute.nonce))
    if (challenge !== undefined) nonce = challenge.slice()
    return { message, error }
  })
  return { ask, inbox, send: (datagram: Uint8Array) => socket.send(datagram) }
})

const allocating = (options: RequestOptions) => allocateRequest({ ...options, lifetimeSeconds: 600 })
const refreshing = (lifetimeSeconds: number) => (options: RequestOptions) =>
  refreshRequest({ ...options, lifetimeSeconds })

const openAllocated = Effect.fnUntraced(function* () {
  const server = yield* ScriptedTurnServer.make()
  const client = yield* openClient(server)
  assert.strictEqual((yield* client.ask(allocating)).error, 438)
  const { message } = yield* client.ask(allocating)
  const { relayedAddress } = Result.getOrThrow(readAllocateSuccess(message))
  return { client, relayedAddress, server }
})

describe("ScriptedTurnServer", () => {
  it.effect("answers a retransmitted Allocate as before, and another one with 437", () =>
    Effect.gen(function* () {
      const { client, relayedAddress, server } = yield* openAllocated()
      const again = yield* client.ask(allocating, 2)
      assert.isTrue(equals(Result.getOrThrow(readAllocateSuccess(again.message)).relayedAddress, relayedAddress))
      assert.strictEqual((yield* client.ask(allocating)).error, 437)
      assert.strictEqual(server.allocations().length, 1)
    }).pipe(inWorld())
  )

  it.effect("forgets an allocation to the second, and one that is refreshed with zero at once", () =>
    Effect.gen(function* () {
      const { client, server } = yield* openAllocated()
      yield* TestClock.adjust("599 seconds")
      assert.strictEqual((yield* client.ask(refreshing(10))).error, 0)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* client.ask(refreshing(10))).error, 437)
      yield* client.ask(allocating)
      assert.strictEqual((yield* client.ask(refreshing(0))).error, 0)
      assert.deepStrictEqual(server.allocations(), [])
    }).pipe(inWorld())
  )

  it.effect("lets permissions end after 300 s", () =>
    Effect.gen(function* () {
      const { client, relayedAddress } = yield* openAllocated()
      const peer = yield* openPeer()
      yield* client.ask((options) => createPermissionRequest({ ...options, peers: [peer.address] }))
      const both = Effect.gen(function* () {
        const transactionId = new Uint8Array(12)
        client.send(sendIndication({ transactionId, peer: peer.address, data: bytes("down") }))
        peer.send("up", relayedAddress)
        yield* settle
        return [peer.heard.splice(0).length, client.inbox.splice(0).length]
      })
      yield* TestClock.adjust("299 seconds")
      assert.deepStrictEqual(yield* both, [1, 1])
      yield* TestClock.adjust("1 seconds")
      assert.deepStrictEqual(yield* both, [0, 0])
    }).pipe(inWorld())
  )

  it.effect("lets channels end after 600 s, in silence", () =>
    Effect.gen(function* () {
      const { client } = yield* openAllocated()
      const peer = yield* openPeer()
      const frame = Uint8Array.of(0, 0, 0, 0, ...bytes("down"))
      encodeHeader(frame, 0, 0x4abc, 4)
      yield* client.ask(refreshing(3_600))
      yield* client.ask((options) => channelBindRequest({ ...options, channel: 0x4abc, peer: peer.address }))
      yield* TestClock.adjust("599 seconds")
      // The channel's own permission has ended before.
      yield* client.ask((options) => createPermissionRequest({ ...options, peers: [peer.address] }))
      client.send(frame)
      yield* settle
      yield* TestClock.adjust("1 seconds")
      client.send(frame)
      yield* settle
      assert.deepStrictEqual(
        peer.heard.map(([message]) => message),
        ["down"]
      )
    }).pipe(inWorld())
  )

  it.effect("refuses another number for a peer and another peer for a number", () =>
    Effect.gen(function* () {
      const { client } = yield* openAllocated()
      const bind = (channel: number, port: number) =>
        Effect.map(
          client.ask((options) => channelBindRequest({ ...options, channel, peer: { host: "10.0.0.1", port } })),
          ({ error }) => error
        )
      assert.deepStrictEqual(
        yield* Effect.all([bind(0x4000, 1), bind(0x4000, 1), bind(0x4001, 1), bind(0x4000, 2), bind(0x4001, 2)]),
        [0, 0, 400, 400, 0]
      )
    }).pipe(inWorld())
  )

  it.effect("tells only a Refresh that there is no allocation, as coturn does", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedTurnServer.make()
      const client = yield* openClient(server)
      yield* client.ask(refreshing(600))
      assert.strictEqual((yield* client.ask(refreshing(600))).error, 437)
      const peers = [{ host: "10.0.0.1", port: 1 }]
      assert.strictEqual((yield* client.ask((options) => createPermissionRequest({ ...options, peers }))).error, 400)
    }).pipe(inWorld())
  )

  it.effect("forgets everything when it is stopped, and is found at the same port again", () =>
    Effect.gen(function* () {
      const { client, relayedAddress, server } = yield* openAllocated()
      const peer = yield* openPeer()
      yield* client.ask((options) => createPermissionRequest({ ...options, peers: [peer.address] }))
      yield* server.stop
      yield* server.stop
      yield* server.start
      yield* server.start
      assert.strictEqual((yield* client.ask(refreshing(600))).error, 438)
      assert.strictEqual((yield* client.ask(refreshing(600))).error, 437)
      peer.send("up", relayedAddress)
      yield* settle
      assert.deepStrictEqual(client.inbox.map(text), [])
    }).pipe(inWorld())
  )
})
