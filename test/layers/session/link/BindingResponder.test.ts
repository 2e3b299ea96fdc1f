import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { TestClock } from "effect/testing"
import type { TransportAddress } from "../../../../src/domain/transportAddress.ts"
import * as BindingResponder from "../../../../src/layers/session/link/BindingResponder.ts"
import { decode, encode, type StunAttribute } from "../../../../src/protocol/stun.ts"
import * as Attribute from "../../../../src/protocol/stunAttributes.ts"
import { encodeBindingRequest, readBindingResponse } from "../../../../src/protocol/stunBinding.ts"

const transactionId = Uint8Array.from({ length: 12 }, (_, index) => index)
const from = { host: "198.51.100.1", port: 7 }
const asked = (attributes: ReadonlyArray<StunAttribute>, fingerprint: boolean) =>
  encode({ class: "request", method: 1, transactionId, attributes }, { fingerprint })
const plain = Result.getOrThrow(decode(encodeBindingRequest({ transactionId })))

/** A responder, and what it has sent. */
const make = Effect.fnUntraced(function* (limits?: BindingResponder.BindingLimits) {
  const sent: Array<readonly [bytes: Uint8Array, to: TransportAddress]> = []
  const responder = yield* BindingResponder.make({ send: (bytes, to) => void sent.push([bytes, to]) }, limits)
  return { ...responder, sent }
})

const small = { perSource: { ratePerSecond: 2, burst: 3 }, total: { ratePerSecond: 4, burst: 5 } }

describe("BindingResponder", () => {
  it.effect("tells the asker from where it sees it", () =>
    Effect.gen(function* () {
      const { answer, sent, statistics } = yield* make()
      for (const source of [from, { host: "2001:db8::1", port: 8 }]) answer(plain, source)
      const read = sent.map(([bytes, to]) => [readBindingResponse(Result.getOrThrow(decode(bytes))), to])
      const expected = { _tag: "Mapped" as const, origin: undefined, other: undefined }
      assert.deepStrictEqual(read, [
        [{ ...expected, mapped: from }, from],
        [
          { ...expected, mapped: { host: "2001:db8::1", port: 8 } },
          { host: "2001:db8::1", port: 8 }
        ]
      ])
      assert.deepStrictEqual(statistics(), { answered: 2, refused: 0, limited: 0 })
    })
  )

  it.effect("names an address on this wire without its zone, and answers to it with the zone", () =>
    Effect.gen(function* () {
      const { answer, sent } = yield* make()
      const source = { host: "fe80::1%eth0", port: 8 }
      answer(plain, source)
      const [bytes = new Uint8Array(0), to] = sent[0] ?? []
      assert.deepInclude(readBindingResponse(Result.getOrThrow(decode(bytes))), {
        mapped: { host: "fe80::1", port: 8 }
      })
      assert.deepStrictEqual(to, source)
    })
  )

  it.effect("answers with at most twice what it was asked, and with FINGERPRINT only where there was one", () =>
    Effect.gen(function* () {
      const { answer, sent } = yield* make()
      for (const fingerprint of [true, false]) {
        const request = asked([], fingerprint)
        answer(Result.getOrThrow(decode(request)), from)
        const [bytes = new Uint8Array(0)] = sent.at(-1) ?? []
        assert.isAtMost(bytes.length, request.length * 2)
        assert.strictEqual(Result.getOrThrow(decode(bytes)).fingerprint, fingerprint ? "valid" : "absent")
      }
    })
  )

  it.effect("refuses what it does not understand, such as an answer from elsewhere, within the same limits", () =>
    Effect.gen(function* () {
      const { answer, sent, statistics } = yield* make(small)
      const bytes = encodeBindingRequest({ transactionId, change: { ip: true, port: false } })
      const request = Result.getOrThrow(decode(bytes))
      for (let index = 0; index < 4; index++) answer(request, from)
      const refusal = Result.getOrThrow(decode(sent[0]?.[0] ?? new Uint8Array(0)))
      assert.deepStrictEqual(readBindingResponse(refusal), { _tag: "Refused", code: 420, reason: "" })
      assert.deepStrictEqual(Result.getOrThrow(Attribute.required(refusal, Attribute.unknownAttributes)), [0x0003])
      assert.isAtMost(sent[0]?.[0].length ?? 1000, bytes.length * 2)
      assert.deepStrictEqual(statistics(), { answered: 3, refused: 3, limited: 1 })
    })
  )

  it.effect("answers one source so often, whatever its port, and again with time", () =>
    Effect.gen(function* () {
      const { answer, sent } = yield* make(small)
      for (let port = 1; port <= 10; port++) answer(plain, { host: from.host, port })
      assert.strictEqual(sent.length, 3)
      yield* TestClock.adjust("1 second")
      for (let port = 1; port <= 10; port++) answer(plain, { host: from.host, port })
      assert.strictEqual(sent.length, 5)
    })
  )

  it.effect("takes a public IPv6 /64 for one source", () =>
    Effect.gen(function* () {
      const { answer, sent } = yield* make(small)
      for (let index = 1; index <= 10; index++) answer(plain, { host: `2001:db8::${index}`, port: 1 })
      assert.strictEqual(sent.length, 3)
      answer(plain, { host: "2001:db8:0:1::1", port: 1 })
      assert.strictEqual(sent.length, 4)
    })
  )

  it.effect("answers all sources together so often, and lets none use that up", () =>
    Effect.gen(function* () {
      const { answer, sent, statistics } = yield* make(small)
      for (let index = 0; index < 100; index++) answer(plain, from)
      assert.strictEqual(sent.length, 3)
      for (let host = 1; host <= 50; host++) answer(plain, { host: `192.0.2.${host}`, port: 1 })
      assert.strictEqual(sent.length, 5)
      assert.deepStrictEqual(statistics(), { answered: 5, refused: 0, limited: 145 })
      yield* TestClock.adjust("1 second")
      for (let host = 51; host <= 99; host++) answer(plain, { host: `192.0.2.${host}`, port: 1 })
      assert.strictEqual(sent.length, 9)
    })
  )
})
