import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Redacted, Result } from "effect"
import * as Werift from "werift"
import * as Stun from "../../src/protocol/stun.ts"
import * as Attribute from "../../src/protocol/stunAttributes.ts"
import * as Binding from "../../src/protocol/stunBinding.ts"
import { type IntegrityKey, shortTermKey } from "../../src/protocol/stunIntegrity.ts"
import { boolean, bytes, integer, thorough, transactionId, transportAddress } from "../fixtures/arbitraries.ts"
import { fuzzSeed, makeRandom } from "../fixtures/random.ts"
import * as Rfc5769 from "../fixtures/rfc5769.ts"

const keyOf = (password: string): IntegrityKey => Result.getOrThrow(shortTermKey(Redacted.make(password)))
const key = keyOf("a password of twenty-four")
const stranger = keyOf("another password")
const decode = (datagram: Uint8Array): Stun.DecodedStun => Result.getOrThrow(Stun.decode(datagram))
const id = Uint8Array.from({ length: 12 }, (_, index) => index)
const mapped = { host: "192.0.2.1", port: 32853 }

const check: Binding.Check = {
  transactionId: id,
  username: "theirs:ours",
  key,
  priority: 0x6e0001ff,
  controlling: true,
  tieBreaker: 0x932ff9b151263b36n,
  nominate: true
}

/** A request with these attributes, signed as a check is unless said otherwise. */
const request = (
  attributes: ReadonlyArray<Stun.StunAttribute>,
  options: Stun.EncodeOptions = { key, fingerprint: true }
) => decode(Stun.encode({ class: "request", method: 1, transactionId: id, attributes }, options))

const name = Attribute.make(Attribute.username, "theirs:ours", id)
const priority = Attribute.make(Attribute.priority, 1, id)
const leads = Attribute.make(Attribute.iceControlling, 2n, id)
const follows = Attribute.make(Attribute.iceControlled, 2n, id)
const nominates = Attribute.make(Attribute.useCandidate, true, id)
const codeOf = (message: Stun.DecodedStun, with_ = key) => {
  const result = Binding.readCheck(message, with_)
  return Result.isFailure(result) ? result.failure.code : undefined
}

const nominated = (role: Stun.StunAttribute) =>
  Result.getOrThrow(Binding.readCheck(request([name, priority, role, nominates]), key)).nominate

describe("checks", () => {
  it("reads the request of RFC 5769, and the responses", () => {
    const vectorKey = keyOf(Rfc5769.shortTermPassword)
    const message = decode(Rfc5769.request)
    assert.strictEqual(Binding.usernameOf(message), "evtj:h6vY")
    assert.deepStrictEqual(Result.getOrThrow(Binding.readCheck(message, vectorKey)), {
      username: "evtj:h6vY",
      priority: 0x6e0001ff,
      controlling: false,
      tieBreaker: 0x932ff9b151263b36n,
      nominate: false
    })
    const answer = { _tag: "Mapped" as const, origin: undefined, other: undefined }
    assert.deepStrictEqual(Binding.readCheckResponse(decode(Rfc5769.responseIPv4), vectorKey), { ...answer, mapped })
    const six = { host: "2001:db8:1234:5678:11:2233:4455:6677", port: 32853 }
    assert.deepStrictEqual(Binding.readCheckResponse(decode(Rfc5769.responseIPv6), vectorKey), {
      ...answer,
      mapped: six
    })
  })

  it.prop(
    "carries a check there and its answer back",
    [transactionId, bytes(0, 60), integer(0, 0xffffffff), boolean, bytes(8, 8), boolean, transportAddress],
    ([transactionId, nameBytes, priority, controlling, tie, wants, address]) => {
      const username = `${Buffer.from(nameBytes).toString("hex")}:\u{fc}`
      const tieBreaker = Buffer.from(tie).readBigUInt64BE()
      const nominate = controlling && wants
      const sent = { transactionId, username, key, priority, controlling, tieBreaker, nominate }
      const message = decode(Binding.encodeCheck(sent))
      assert.deepStrictEqual(Result.getOrThrow(Binding.readCheck(message, key)), {
        username,
        priority,
        controlling,
        tieBreaker,
        nominate
      })
      assert.strictEqual(codeOf(message, stranger), 401)
      if (address.port === 0) return
      const response = decode(Binding.encodeCheckResponse({ transactionId, mapped: address, key }))
      const answer = Binding.readCheckResponse(response, key)
      assert.strictEqual(answer?._tag, "Mapped")
      const expected = address.host.startsWith("::ffff:") ? address.host.slice(7) : address.host
      if (answer?._tag === "Mapped" && address.host.includes(".")) assert.strictEqual(answer.mapped.host, expected)
      assert.isUndefined(Binding.readCheckResponse(response, stranger))
    },
    thorough
  )

  it("refuses what is no whole check with the code that says why", () => {
    assert.isUndefined(codeOf(request([name, priority, leads])))
    assert.strictEqual(codeOf(request([priority, leads])), 400)
    assert.strictEqual(codeOf(request([name, priority, leads], { fingerprint: true })), 400)
    assert.strictEqual(codeOf(request([name, priority, leads], { key: stranger, fingerprint: true })), 401)
    assert.strictEqual(codeOf(request([name, leads])), 400)
    assert.strictEqual(codeOf(request([name, priority])), 400)
    assert.strictEqual(codeOf(request([name, priority, leads, follows])), 400)
    assert.strictEqual(codeOf(request([name, priority, leads], { key })), 400)
    assert.strictEqual(codeOf(decode(Binding.encodeCheckResponse({ transactionId: id, mapped, key }))), 400)
  })

  it("refuses what must be understood only once the signature is seen to be right", () => {
    const odd = { type: 0x0026, value: new Uint8Array(4) }
    const result = Binding.readCheck(request([name, priority, leads, odd]), key)
    assert.deepStrictEqual(result, Result.fail({ code: 420, unknown: [0x0026] }))
    assert.strictEqual(codeOf(request([name, priority, leads, odd]), stranger), 401)
    assert.isUndefined(codeOf(request([name, priority, leads, { type: 0xc057, value: new Uint8Array(4) }])))
  })

  it("takes a nomination from the side that leads only", () => {
    assert.isTrue(nominated(leads))
    assert.isFalse(nominated(follows))
    assert.throws(() => Binding.encodeCheck({ ...check, controlling: false }), RangeError)
  })

  it("writes nothing that a check cannot hold", () => {
    assert.throws(() => Binding.encodeCheck({ ...check, tieBreaker: 2n ** 64n }), RangeError)
    assert.throws(() => Binding.encodeCheck({ ...check, tieBreaker: -1n }), RangeError)
    assert.throws(() => Binding.encodeCheck({ ...check, priority: 2 ** 32 }), RangeError)
    assert.throws(() => Binding.encodeCheck({ ...check, username: "x".repeat(509) }), RangeError)
  })

  it("believes no check with a changed bit, and none of garbage", () => {
    const seed = fuzzSeed()
    const random = makeRandom(seed)
    const good = Binding.encodeCheck(check)
    for (let bit = 0; bit < good.length * 8; bit++) {
      const bad = good.slice()
      bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      const decoded = Stun.decode(bad)
      if (Result.isFailure(decoded)) continue
      assert.isTrue(Result.isFailure(Binding.readCheck(decoded.success, key)), `bit ${bit}`)
    }
    for (let round = 0; round < 20_000; round++) {
      const bad = good.slice()
      for (let changes = 0; changes <= random.below(6); changes++) bad[random.below(bad.length)] = random.below(256)
      const decoded = Stun.decode(bad)
      if (Result.isFailure(decoded)) continue
      const same = Buffer.compare(bad, good) === 0
      assert.strictEqual(Result.isFailure(Binding.readCheck(decoded.success, key)), !same, `seed ${seed}`)
      Binding.readBindingResponse(decoded.success)
      Binding.unknownInRequest(decoded.success)
    }
  })

  it("answers a conflict of roles with a signed 487", () => {
    const error = { transactionId: id, code: 487, key, fingerprint: true } as const
    const message = decode(Binding.encodeBindingError(error))
    assert.deepStrictEqual(Binding.readCheckResponse(message, key), { _tag: "Refused", code: 487, reason: "" })
    assert.isUndefined(Binding.readCheckResponse(message, stranger))
    const unsigned = decode(Binding.encodeBindingError({ ...error, key: undefined }))
    assert.isUndefined(Binding.readCheckResponse(unsigned, key))
  })
})

describe("plain Binding", () => {
  it("reads what a server says of itself, and a mapped address in the plain form too", () => {
    const origin = { host: "198.51.100.1", port: 3478 }
    const other = { host: "198.51.100.2", port: 3479 }
    const fields = { transactionId: id, mapped, origin, other, fingerprint: true }
    const response = decode(Binding.encodeBindingResponse(fields))
    assert.deepStrictEqual(Binding.readBindingResponse(response), { _tag: "Mapped", mapped, origin, other })
    const attributes = [Attribute.make(Attribute.mappedAddress, mapped, id)]
    const old = decode(Stun.encode({ class: "success", method: 1, transactionId: id, attributes }))
    assert.deepInclude(Binding.readBindingResponse(old), { mapped, origin: undefined })
  })

  it("takes an IPv4-mapped address for what it is", () => {
    const six = { host: "::ffff:192.0.2.1", port: 7 }
    const response = decode(Binding.encodeBindingResponse({ transactionId: id, mapped: six, fingerprint: false }))
    assert.deepInclude(Binding.readBindingResponse(response), { mapped: { host: "192.0.2.1", port: 7 } })
  })

  it("goes on waiting after an answer that says nothing usable", () => {
    const response = (attributes: ReadonlyArray<Stun.StunAttribute>, method = 1) =>
      decode(Stun.encode({ class: "success", method, transactionId: id, attributes }))
    const good = Attribute.make(Attribute.xorMappedAddress, mapped, id)
    assert.isDefined(Binding.readBindingResponse(response([good])))
    assert.isUndefined(Binding.readBindingResponse(response([])))
    assert.isUndefined(Binding.readBindingResponse(response([good], 3)))
    assert.isUndefined(Binding.readBindingResponse(response([good, { type: 0x7000, value: new Uint8Array(0) }])))
    const portless = Attribute.make(Attribute.xorMappedAddress, { host: "192.0.2.1", port: 0 }, id)
    assert.isUndefined(Binding.readBindingResponse(response([portless])))
    assert.isUndefined(Binding.readBindingResponse(request([])))
  })

  it("asks for an answer from elsewhere, which a server with one address does not understand", () => {
    for (const ip of [false, true]) {
      for (const port of [false, true]) {
        const message = decode(Binding.encodeBindingRequest({ transactionId: id, change: { ip, port } }))
        assert.deepStrictEqual(Result.getOrThrow(Attribute.required(message, Attribute.changeRequest)), { ip, port })
        assert.deepStrictEqual(Binding.unknownInRequest(message), [0x0003])
      }
    }
    // RFC 5780 section 7.2: A is bit 29, B is bit 30 of the value.
    const both = Binding.encodeBindingRequest({ transactionId: id, change: { ip: true, port: true } })
    assert.deepStrictEqual(Array.from(both.subarray(20, 28)), [0, 3, 0, 4, 0, 0, 0, 6])
  })

  it.prop(
    "answers with at most twice the bytes of the request",
    [transportAddress, boolean, Arbitrary.array(integer(0x7000, 0x7fff), { minLength: 1, maxLength: 100 })],
    ([address, fingerprint, types]) => {
      const attributes = types.map((type) => ({ type, value: new Uint8Array(0) }))
      const asked = (some: ReadonlyArray<Stun.StunAttribute>) =>
        Stun.encode({ class: "request", method: 1, transactionId: id, attributes: some }, { fingerprint })
      const unknown = Binding.unknownInRequest(decode(asked(attributes)))
      const error = Binding.encodeBindingError({ transactionId: id, code: 420, unknown, fingerprint })
      assert.isAtMost(error.length, asked(attributes).length * 2)
      const response = Binding.encodeBindingResponse({ transactionId: id, mapped: address, fingerprint })
      // An IPv6 address in answer to a request without FINGERPRINT takes four bytes more.
      assert.isAtMost(response.length, asked([]).length * 2 + (fingerprint ? 0 : 4))
    },
    thorough
  )
})

describe("werift, as an independent implementation", () => {
  const password = "a password of twenty-four"

  it("reads our checks and verifies their signature", () => {
    const message = Werift.parseMessage(Buffer.from(Binding.encodeCheck(check)), Buffer.from(password))
    assert.isDefined(message)
    assert.strictEqual(message?.getAttributeValue("USERNAME"), "theirs:ours")
    assert.strictEqual(message?.getAttributeValue("PRIORITY"), 0x6e0001ff)
    assert.strictEqual(message?.getAttributeValue("ICE-CONTROLLING"), 0x932ff9b151263b36n)
    assert.include(message?.attributesKeys ?? [], "USE-CANDIDATE")
    assert.isUndefined(Werift.parseMessage(Buffer.from(Binding.encodeCheck(check)), Buffer.from("wrong")))
  })

  it("writes checks that we read", () => {
    const message = new Werift.Message(Werift.methods.BINDING, Werift.classes.REQUEST, Buffer.from(id))
    message
      .setAttribute("USERNAME", "theirs:ours")
      .setAttribute("PRIORITY", 77)
      .setAttribute("ICE-CONTROLLED", 5n)
      .addMessageIntegrity(Buffer.from(password))
      .addFingerprint()
    const read = Result.getOrThrow(Binding.readCheck(decode(message.bytes), key))
    assert.deepStrictEqual(read, {
      username: "theirs:ours",
      priority: 77,
      controlling: false,
      tieBreaker: 5n,
      nominate: false
    })
  })
})
