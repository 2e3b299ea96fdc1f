import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Redacted, Result } from "effect"
import * as Stun from "../../src/protocol/stun.ts"
import * as Attribute from "../../src/protocol/stunAttributes.ts"
import { longTermKey, verifyIntegrity } from "../../src/protocol/stunIntegrity.ts"
import * as Turn from "../../src/protocol/turn.ts"
import * as Server from "../../src/protocol/turnServerMessages.ts"
import { bytes, integer, thorough, transactionId, transportAddress } from "../fixtures/arbitraries.ts"

const id = Uint8Array.from({ length: 12 }, (_, index) => index)
const peer = { host: "192.0.2.7", port: 4000 }
const key = Result.getOrThrow(longTermKey({ username: "alice", realm: "r", password: Redacted.make("p") }))
const auth: Turn.TurnAuth = {
  username: "alice",
  realm: "r",
  nonce: Uint8Array.of(0xff, 1, 2),
  key,
  profile: "SASLprep"
}

const decode = (datagram: Uint8Array): Stun.DecodedStun => Result.getOrThrow(Stun.decode(datagram))
const request = decode(Turn.allocateRequest({ transactionId: id, lifetimeSeconds: 600, auth }))
const value = <A extends {}>(message: Stun.StunMessage, kind: Attribute.AttributeKind<A>): A =>
  Result.getOrThrow(Attribute.required(message, kind))
const types = (message: Stun.StunMessage) => message.attributes.map(({ type }) => type)

describe("TURN requests", () => {
  it("Allocate without credentials asks for UDP, a lifetime, and nothing else", () => {
    const message = decode(Turn.allocateRequest({ transactionId: id, lifetimeSeconds: 600 }))
    assert.deepStrictEqual([message.class, message.method], ["request", 0x003])
    assert.deepStrictEqual(message.transactionId, id)
    assert.deepStrictEqual(types(message), [0x0019, 0x000d])
    assert.strictEqual(value(message, Attribute.requestedTransport), 17)
    assert.strictEqual(value(message, Attribute.lifetime), 600)
    assert.strictEqual(message.fingerprint, "valid")
    assert.strictEqual(verifyIntegrity(message, key), "absent")
  })

  it("Allocate may ask for an address family", () => {
    const message = decode(Turn.allocateRequest({ transactionId: id, lifetimeSeconds: 600, family: 6 }))
    assert.strictEqual(value(message, Attribute.requestedAddressFamily), 6)
  })

  it("carry the credentials and are signed with their key", () => {
    const options = { transactionId: id, auth }
    const all: ReadonlyArray<readonly [method: number, datagram: Uint8Array]> = [
      [0x003, Turn.allocateRequest({ ...options, lifetimeSeconds: 1 })],
      [0x004, Turn.refreshRequest({ ...options, lifetimeSeconds: 0 })],
      [0x008, Turn.createPermissionRequest({ ...options, peers: [peer] })],
      [0x009, Turn.channelBindRequest({ ...options, channel: 0x4000, peer })]
    ]
    for (const [method, datagram] of all) {
      const message = decode(datagram)
      assert.deepStrictEqual([message.class, message.method], ["request", method])
      assert.strictEqual(value(message, Attribute.username), "alice")
      assert.strictEqual(value(message, Attribute.realm), "r")
      assert.deepStrictEqual(value(message, Attribute.nonce), auth.nonce)
      assert.strictEqual(verifyIntegrity(message, key), "valid")
      assert.strictEqual(message.fingerprint, "valid")
      assert.deepStrictEqual(Attribute.unknownRequired(message), [])
    }
  })

  it("Refresh carries the lifetime, 0 to release", () => {
    const message = decode(Turn.refreshRequest({ transactionId: id, auth, lifetimeSeconds: 0 }))
    assert.strictEqual(value(message, Attribute.lifetime), 0)
  })

  it("CreatePermission carries a hundred peers of both families", () => {
    const peers = Array.from({ length: 100 }, (_, index) => ({
      host: index % 2 === 0 ? `192.0.2.${index}` : `2001:db8::${index.toString(16)}`,
      port: index
    }))
    const message = decode(Turn.createPermissionRequest({ transactionId: id, auth, peers }))
    assert.deepStrictEqual(Attribute.repeated(message, Attribute.xorPeerAddress), Result.succeed(peers))
  })

  it("ChannelBind carries channel and peer", () => {
    const message = decode(Turn.channelBindRequest({ transactionId: id, auth, channel: 0x4fff, peer }))
    assert.strictEqual(value(message, Attribute.channelNumber), 0x4fff)
    assert.deepStrictEqual(value(message, Attribute.xorPeerAddress), peer)
  })
})

describe("TURN indications", () => {
  const relayed = Arbitrary.all({ peer: transportAddress, data: bytes(0, 1200), transactionId })

  it.prop(
    "a Data indication is read as the server wrote it",
    [relayed],
    ([{ data, peer, transactionId }]) => {
      const message = decode(Server.dataIndication({ data, peer, transactionId }))
      assert.deepStrictEqual([message.class, message.method], ["indication", 0x007])
      assert.deepStrictEqual(Turn.decodeDataIndication(message), Result.succeed({ peer, data }))
    },
    thorough
  )

  it.prop(
    "a Send indication carries peer and data, and nothing else",
    [relayed],
    ([{ data, peer, transactionId }]) => {
      const message = decode(Turn.sendIndication({ data, peer, transactionId }))
      assert.deepStrictEqual([message.class, message.method], ["indication", 0x006])
      assert.deepStrictEqual(types(message), [0x0012, 0x0013])
      assert.deepStrictEqual(value(message, Attribute.xorPeerAddress), peer)
      assert.deepStrictEqual(value(message, Attribute.data), data)
    },
    thorough
  )

  it("a Data indication without peer or data is refused", () => {
    const data = Attribute.make(Attribute.data, Uint8Array.of(1), id)
    const from = Attribute.make(Attribute.xorPeerAddress, peer, id)
    for (const attributes of [[], [data], [from], [data, { ...from, value: from.value.subarray(1) }]]) {
      const message = decode(Stun.encode({ class: "indication", method: 7, transactionId: id, attributes }))
      assert.isTrue(Result.isFailure(Turn.decodeDataIndication(message)))
    }
  })
})

describe("TURN responses", () => {
  const granted = {
    relayedAddress: { host: "198.51.100.1", port: 50_000 },
    mappedAddress: { host: "2001:db8::5", port: 6000 },
    lifetimeSeconds: 600
  }

  it.prop(
    "an Allocate success is read as the server wrote it",
    [transportAddress, transportAddress, integer(1, 0xffffffff)],
    ([relayedAddress, mappedAddress, lifetimeSeconds]) => {
      const given = {
        relayedAddress: { ...relayedAddress, host: "192.0.2.1", port: 1 },
        mappedAddress,
        lifetimeSeconds
      }
      const response = decode(Server.allocateSuccess(request, given, key))
      assert.deepStrictEqual(Turn.readAllocateSuccess(response), Result.succeed(given))
      assert.strictEqual(verifyIntegrity(response, key), "valid")
    },
    thorough
  )

  it("an Allocate success without a lifetime, with none left, or without a relay is refused", () => {
    const reading = (change: Partial<typeof granted>) =>
      Turn.readAllocateSuccess(decode(Server.allocateSuccess(request, { ...granted, ...change }, key)))
    assert.isTrue(Result.isSuccess(reading({})))
    assert.isTrue(Result.isSuccess(reading({ lifetimeSeconds: 1 })))
    assert.isTrue(Result.isFailure(reading({ lifetimeSeconds: 0 })))
    assert.isTrue(Result.isFailure(reading({ relayedAddress: { host: "0.0.0.0", port: 0 } })))
    assert.isTrue(Result.isFailure(reading({ relayedAddress: { host: "::", port: 5 } })))
    assert.isTrue(Result.isFailure(reading({ relayedAddress: { host: "198.51.100.1", port: 0 } })))
    const complete = decode(Server.allocateSuccess(request, granted, key))
    for (const { type } of complete.attributes) {
      const attributes = complete.attributes.filter((attribute) => attribute.type !== type)
      const partial = decode(Server.successResponse(request, { key, attributes }))
      assert.deepStrictEqual(Turn.readAllocateSuccess(partial), Stun.decodeFailure("attributeMissing", 0, type))
    }
  })

  it("a Refresh success tells the lifetime, 0 for a release", () => {
    for (const seconds of [0, 5, 3600]) {
      const response = decode(Server.refreshSuccess(request, seconds, key))
      assert.deepStrictEqual(Turn.readRefreshSuccess(response), Result.succeed(seconds))
    }
    assert.isTrue(Result.isFailure(Turn.readRefreshSuccess(decode(Server.successResponse(request)))))
  })

  it("an error tells its code and reason", () => {
    const response = decode(Server.errorResponse(request, { code: 486, reason: "Allocation Quota Reached" }, { key }))
    assert.strictEqual(response.class, "error")
    assert.deepStrictEqual(Turn.readError(response), Result.succeed({ code: 486, reason: "Allocation Quota Reached" }))
    assert.isTrue(Result.isFailure(Turn.readError(decode(Server.successResponse(request)))))
  })
})
