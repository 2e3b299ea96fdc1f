import { assert, describe, it } from "@effect/vitest"
import { encode } from "cborg"
import { Result } from "effect"
import { standingsMax } from "../../src/domain/coopRoster.ts"
import { frame } from "../../src/domain/ed25519.ts"
import { decodeRoster, encodeRoster, openRoster, rosterBytesMax, rosterTag } from "../../src/protocol/coopRoster.ts"
import { integer, thorough } from "../fixtures/arbitraries.ts"
import { accountNumber, coopRoster, hash, keyOfText, rosterBy } from "../fixtures/coops.ts"
import { keyNumber } from "../fixtures/dids.ts"

const coop = { coop: hash("coop"), stewards: [accountNumber(1), accountNumber(2)] }
const key = keyOfText("key")
const whyNot = (body: Uint8Array, signature: Uint8Array, of = coop): string | undefined =>
  Result.getOrUndefined(Result.flip(openRoster(body, signature, of)))

const hex = (text: string) => Uint8Array.from(Buffer.from(text, "hex"))

describe("the bytes of a roster", () => {
  it.prop(
    "say the same after they were read",
    [coopRoster],
    ([roster]) => {
      const bytes = encodeRoster(roster)
      assert.deepStrictEqual(Result.getOrThrow(decodeRoster(bytes)), roster)
    },
    thorough
  )

  it.prop(
    "are refused or read as something else with any bit changed",
    [coopRoster, integer(0, 100_000), integer(0, 7)],
    ([roster, place, bit]) => {
      const bytes = encodeRoster(roster)
      const at = place % bytes.length
      const read = decodeRoster(bytes.with(at, (bytes[at] ?? 0) ^ (1 << bit)))
      if (Result.isSuccess(read)) assert.notDeepEqual(read.success, roster)
    },
    thorough
  )

  it("fit with as many members as may be shut out", () => {
    const standings = Array.from({ length: standingsMax }, (_, number) => ({
      account: number.toString(16).padStart(64, "0"),
      turns: 0xffff,
      epoch: 0xffff_ffff
    })).toSorted((a, b) => (a.account < b.account ? -1 : 1))
    const bytes = encodeRoster({ ...rosterBy(1, { key }).roster, epoch: 0xffff_ffff, standings })
    assert.isAtMost(bytes.length, rosterBytesMax)
    assert.isTrue(Result.isSuccess(decodeRoster(bytes)))
  })

  it("have one form", () => {
    const { roster } = rosterBy(1, { key })
    const parts: ReadonlyArray<unknown> = [1, hex(roster.coop), 1, hex(roster.keyId), hex(roster.steward), []]
    const standing = [hex(hash("a")), 1, 1]
    assert.isTrue(Result.isSuccess(decodeRoster(encode(parts))))
    const others: ReadonlyArray<unknown> = [
      parts.with(0, 2),
      parts.with(2, 0),
      parts.with(2, 0x1_0000_0000),
      parts.with(3, hex(roster.coop)),
      parts.slice(1),
      [...parts, 0],
      parts.with(5, [standing, standing]),
      parts.with(5, [standing.with(1, 0)]),
      parts.with(5, [standing.slice(1)]),
      parts.with(5, new Map()),
      null,
      {}
    ]
    for (const other of others) assert.isTrue(Result.isFailure(decodeRoster(encode(other))), JSON.stringify(other))
    // The same with a longer encoding of the epoch.
    const bytes = Buffer.from(encode(parts))
    const at = bytes.indexOf(Buffer.from([0x58, 0x20])) + 34
    const longer = Buffer.concat([bytes.subarray(0, at), Uint8Array.of(0x18, 1), bytes.subarray(at + 1)])
    assert.isTrue(Result.isFailure(decodeRoster(longer)))
    assert.isTrue(Result.isFailure(decodeRoster(new Uint8Array(rosterBytesMax + 1))))
    assert.isTrue(Result.isFailure(decodeRoster(new Uint8Array())))
  })
})

describe("a sealed roster", () => {
  it("is taken from a steward of this cooperative", () => {
    for (const steward of [1, 2]) {
      const sealed = rosterBy(steward, { key })
      assert.deepStrictEqual(Result.getOrThrow(openRoster(sealed.body, sealed.signature, coop)), sealed)
    }
  })

  it("is refused from anybody else, of another cooperative, or with another signature", () => {
    const byMember = rosterBy(3, { key })
    assert.match(whyNot(byMember.body, byMember.signature) ?? "", /no steward/)
    const sealed = rosterBy(1, { key })
    assert.match(whyNot(sealed.body, sealed.signature, { ...coop, coop: hash("other") }) ?? "", /another cooperative/)
    // A member who names a steward, a steward who names another one, and a signature made for something else.
    const inTheName = keyNumber(3).sign(frame(rosterTag, sealed.body))
    const ofTheOther = keyNumber(2).sign(frame(rosterTag, sealed.body))
    const forAnEntry = keyNumber(1).sign(frame("icn-node/ledger-entry/v1", sealed.body))
    for (const signature of [inTheName, ofTheOther, forAnEntry, new Uint8Array(64), new Uint8Array()]) {
      assert.match(whyNot(sealed.body, signature) ?? "", /signature is wrong/)
    }
  })
})
