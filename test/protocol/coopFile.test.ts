import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Result } from "effect"
import { inviteUsesMax } from "../../src/domain/coopInvite.ts"
import { type Invitation, invitationsMax } from "../../src/domain/coopInvitations.ts"
import { standingsMax } from "../../src/domain/coopRoster.ts"
import { coopsMax, type CoopState, emptyState } from "../../src/domain/coopState.ts"
import { coopFileBytesMax, decodeCoopFile, encodeCoopFile } from "../../src/protocol/coopFile.ts"
import { boolean, integer } from "../fixtures/arbitraries.ts"
import { hash, hex32, invitationOf, keyOfText, rosterBy, stateAfter } from "../fixtures/coops.ts"

const millis = integer(0, Number.MAX_SAFE_INTEGER)

const invitation: Arbitrary.Arbitrary<Invitation> = Arbitrary.map(
  Arbitrary.all([hex32, millis, integer(1, 100), integer(0, 100), Arbitrary.array(hex32, { maxLength: 3 })]),
  ([secretHash, expiresAtMillis, uses, epoch, joined]) => ({ secretHash, expiresAtMillis, uses, epoch, joined })
)
const state: Arbitrary.Arbitrary<CoopState> = Arbitrary.map(
  Arbitrary.all([integer(0, 10), boolean, Arbitrary.array(invitation, { maxLength: 3 })]),
  ([epochs, left, invitations]) => stateAfter(epochs, { left, invitations })
)

const one = stateAfter(2, { invitations: [invitationOf()] })
const text = encodeCoopFile([one, emptyState(hash("another"))])

describe("cooperative.json", () => {
  it.prop(
    "says the same after it was read",
    [Arbitrary.array(state, { maxLength: 4 })],
    ([states]) => {
      assert.deepStrictEqual(Result.getOrThrow(decodeCoopFile(encodeCoopFile(states))), states)
    },
    { arbitrary: { runs: 50, size: 100 } }
  )

  it("has room for everything that a node may remember", () => {
    const standings = Array.from({ length: standingsMax }, (_, index) => hash(`${index}`))
      .toSorted()
      .map((account) => ({ account, turns: 0xffff, epoch: 0xffff_ffff }))
    const joined = Array.from({ length: inviteUsesMax }, (_, index) => hash(`${index}`))
    const full = Array.from({ length: 2 * invitationsMax + 1 }, () => invitationOf({ uses: inviteUsesMax, joined }))
    const states = Array.from({ length: coopsMax }, (_, index) => {
      const coop = hash(`coop ${index}`)
      const key = keyOfText("key 9")
      return { ...stateAfter(8), coop, invitations: full, roster: rosterBy(1, { coop, epoch: 9, key, standings }) }
    }).map(({ keys, ...rest }) => ({
      ...rest,
      keys: [{ id: "", epoch: 9, key: keyOfText("key 9") }, ...keys.slice(1)]
    }))
    const largest = encodeCoopFile(states)
    assert.isBelow(largest.length, coopFileBytesMax)
    assert.isTrue(Result.isSuccess(decodeCoopFile(largest)))
  })

  it("is refused, without a word of what is in it, where it is not what was written", () => {
    const key = Buffer.from(keyOfText("key 2")).toString("base64url")
    assert.include(text, key)
    const hostile = [
      "",
      "null",
      "{}",
      text.slice(0, -3),
      `${text}x`,
      text.replace('"version":1', '"version":2'),
      text.replace('"left":false', '"left":false,"more":1'),
      text.replace(key, `${key}A`),
      text.replace(key, key.slice(1)),
      // A roster whose key is another one, and one of another cooperative.
      text.replace(key, Buffer.from(keyOfText("key 3")).toString("base64url")),
      text.replace(hash("coop"), hash("third"))
    ]
    for (const [index, one] of hostile.entries()) {
      const read = decodeCoopFile(one)
      assert.isTrue(Result.isFailure(read), `${index}`)
      if (Result.isFailure(read)) assert.notInclude(read.failure, key.slice(1, 20))
    }
  })
})
