import { assert, describe, it } from "@effect/vitest"
import { Redacted, Result } from "effect"
import * as ChannelData from "../../src/protocol/channelData.ts"
import * as Stun from "../../src/protocol/stun.ts"
import * as Attribute from "../../src/protocol/stunAttributes.ts"
import { longTermKey, verifyIntegrity } from "../../src/protocol/stunIntegrity.ts"
import * as Turn from "../../src/protocol/turn.ts"
import { firstAttempt, nextStep } from "../../src/protocol/turnAuthentication.ts"
import * as Server from "../../src/protocol/turnServerMessages.ts"
import { fuzzSeed, makeRandom, type Random } from "../fixtures/random.ts"
import * as Rfc5769 from "../fixtures/rfc5769.ts"
import * as Rfc8489 from "../fixtures/rfc8489.ts"

const runs = 200_000
/** HMACs are the slow part, so only one message in so many is also verified and judged as a response. */
const judgedEvery = 8

const id = Uint8Array.from({ length: 12 }, (_, index) => index + 1)
const peer = { host: "2001:db8::7", port: 4000 }
const credentials = { username: "alice", password: Redacted.make("p") }
const key = Result.getOrThrow(longTermKey({ ...credentials, realm: "r" }))
const auth: Turn.TurnAuth = { username: "alice", realm: "r", nonce: Uint8Array.of(1, 2, 3), key, profile: "SASLprep" }
const request = Result.getOrThrow(Stun.decode(Turn.allocateRequest({ transactionId: id, lifetimeSeconds: 600, auth })))
const challenge = { realm: "r", nonce: Uint8Array.of(4, 5, 6) }

const corpus: ReadonlyArray<Uint8Array> = [
  Rfc5769.request,
  Rfc5769.responseIPv4,
  Rfc5769.responseIPv6,
  Rfc5769.requestLongTerm,
  Rfc8489.request,
  request.bytes,
  Turn.createPermissionRequest({ transactionId: id, auth, peers: [peer, { host: "192.0.2.1", port: 1 }] }),
  Turn.channelBindRequest({ transactionId: id, auth, channel: 0x4001, peer }),
  Turn.sendIndication({ transactionId: id, peer, data: new Uint8Array(33) }),
  Server.dataIndication({ transactionId: id, peer, data: new Uint8Array(5) }),
  Server.unauthorizedResponse(request, challenge),
  Server.staleNonceResponse(request, challenge),
  Server.allocateSuccess(request, { relayedAddress: peer, mappedAddress: peer, lifetimeSeconds: 600 }, key),
  Server.errorResponse(request, { code: 420, reason: "?" }, { key, attributes: [{ type: 0x000a, value: id }] })
]

type Reader = (message: Stun.StunMessage) => ReadonlyArray<Result.Result<unknown, Stun.StunDecodeError>>
const reader =
  <A extends {}>(kind: Attribute.AttributeKind<A>): Reader =>
  (message) => [Attribute.optional(message, kind), Attribute.repeated(message, kind)]

const readers: ReadonlyArray<Reader> = [
  reader(Attribute.mappedAddress),
  reader(Attribute.username),
  reader(Attribute.lifetime),
  reader(Attribute.xorPeerAddress),
  reader(Attribute.data),
  reader(Attribute.realm),
  reader(Attribute.nonce),
  reader(Attribute.xorRelayedAddress),
  reader(Attribute.xorMappedAddress),
  reader(Attribute.software),
  reader(Attribute.alternateServer),
  reader(Attribute.channelNumber),
  reader(Attribute.requestedTransport),
  reader(Attribute.requestedAddressFamily),
  reader(Attribute.errorCode),
  reader(Attribute.unknownAttributes)
]

/** Makes the header fit the bytes, so that a mutation is not stopped by the first check. */
const fitHeader = (datagram: Uint8Array): Uint8Array => {
  if (datagram.length < Stun.headerLength) return datagram
  const fitted = datagram.subarray(0, datagram.length & ~3)
  fitted.set([0x21, 0x12, 0xa4, 0x42], 4)
  fitted.set([(fitted.length - 20) >> 8, (fitted.length - 20) & 0xff], 2)
  fitted[0] = (fitted[0] ?? 0) & 0x3f
  return fitted
}

const mutate = (random: Random): Uint8Array => {
  if (random.below(8) === 0) return fitHeader(random.bytes(random.below(120)))
  let datagram = random.pick(corpus).slice()
  for (let change = random.below(6); change >= 0; change--) {
    const at = random.below(datagram.length + 1)
    switch (random.below(5)) {
      case 0:
        datagram = datagram.subarray(0, at)
        break
      case 1:
        datagram = Uint8Array.of(...datagram, ...random.bytes(random.below(24)))
        break
      case 2:
        datagram = Uint8Array.of(...datagram.subarray(0, at), ...random.pick(corpus).subarray(random.below(100)))
        break
      default:
        if (at < datagram.length) datagram[at] = random.pick([0, 1, 3, 4, 5, 0x40, 0x7f, 0xff, random.below(256)])
    }
  }
  return random.below(4) === 0 ? datagram : fitHeader(datagram)
}

const isDecodeError = (result: Result.Result<unknown, Stun.StunDecodeError>): boolean =>
  Result.isSuccess(result) || result.failure._tag === "StunDecodeError"

/** Everything that is done with a datagram from the network; says whether it was taken for a STUN message. */
const receive = (datagram: Uint8Array, judge: boolean): boolean => {
  const channelData = ChannelData.decode(datagram)
  assert.isFalse(Stun.isStun(datagram) && channelData !== undefined)
  const decoded = Stun.decode(datagram)
  assert.isTrue(isDecodeError(decoded))
  if (Result.isFailure(decoded)) return false
  const message = decoded.success
  assert.isTrue(Stun.isStun(datagram))
  for (const read of readers) for (const result of read(message)) assert.isTrue(isDecodeError(result))
  assert.isTrue(isDecodeError(Turn.decodeDataIndication(message)))
  assert.isTrue(isDecodeError(Turn.readAllocateSuccess(message)))
  assert.isTrue(isDecodeError(Turn.readRefreshSuccess(message)))
  assert.isTrue(isDecodeError(Turn.readError(message)))
  const again = Result.getOrThrow(Stun.decode(Stun.encode(message, { fingerprint: true })))
  assert.strictEqual(again.fingerprint, "valid")
  assert.strictEqual(again.attributes.length, message.attributes.length)
  if (judge) {
    verifyIntegrity(message, key)
    for (const method of [1, 3]) {
      nextStep(firstAttempt(method, credentials), message)
      nextStep(firstAttempt(method, credentials, auth), message)
    }
  }
  return true
}

describe("hostile datagrams", () => {
  it("are refused with the typed error, or read, and nothing is ever thrown", () => {
    const seed = fuzzSeed()
    const random = makeRandom(seed)
    let accepted = 0
    for (let run = 0; run < runs; run++) {
      const datagram = mutate(random)
      try {
        if (receive(datagram, run % judgedEvery === 0)) accepted++
      } catch (cause) {
        throw new Error(`run ${run} with FUZZ_SEED=${seed}: ${Buffer.from(datagram).toString("hex")}`, { cause })
      }
    }
    // Both sides of the decoder were reached.
    assert.isAbove(accepted, runs / 20, `FUZZ_SEED=${seed}`)
    assert.isBelow(accepted, runs / 2, `FUZZ_SEED=${seed}`)
  }, 120_000)

  it("of plain random bytes are not taken for STUN", () => {
    const seed = fuzzSeed()
    const random = makeRandom(seed)
    for (let run = 0; run < 20_000; run++) {
      assert.isTrue(Result.isFailure(Stun.decode(random.bytes(random.below(200)))), `FUZZ_SEED=${seed}`)
    }
  })
})
