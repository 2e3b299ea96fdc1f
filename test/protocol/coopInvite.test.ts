import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { createHash } from "node:crypto"
import { type CoopInvite, inviteAddressesMax } from "../../src/domain/coopInvite.ts"
import { formatInvite, type InviteProblem, parseInvite } from "../../src/protocol/coopInvite.ts"
import { integer, thorough } from "../fixtures/arbitraries.ts"
import { quicAt } from "../fixtures/connectionCandidates.ts"
import { coopInvite, hash, keyOfText } from "../fixtures/coops.ts"
import { didNumber } from "../fixtures/dids.ts"

const invite: CoopInvite = {
  coop: hash("coop"),
  inviter: didNumber(1),
  secret: keyOfText("secret"),
  expiresAtMillis: 1_767_225_600_000,
  addresses: [quicAt("192.0.2.1"), { host: "2001:db8::1", port: 1, transport: "any" }]
}
const text = formatInvite(invite)
const problemOf = (text: string): InviteProblem | "none" =>
  Result.match(parseInvite(text), { onSuccess: () => "none", onFailure: (problem) => problem })
const payload = Buffer.from(text.slice("icn-coop:".length), "base64url")

/** A text with a right checksum over these bytes. */
const framed = (bytes: Uint8Array): string => {
  const checksum = createHash("sha256").update("icn-node/coop-invite/v1").update(bytes).digest().subarray(0, 4)
  return `icn-coop:${Buffer.concat([bytes, checksum]).toString("base64url")}`
}
/** The same with a body of version 1. */
const withBody = (body: Uint8Array): string =>
  framed(Buffer.concat([Uint8Array.of(1, body.length >> 8, body.length & 0xff), body]))
const body = payload.subarray(3, -4)

describe("the text of an invitation", () => {
  it.prop(
    "says the same after it was read",
    [coopInvite],
    ([invite]) => {
      assert.deepStrictEqual(Result.getOrThrow(parseInvite(formatInvite(invite))), invite)
    },
    thorough
  )

  it("has these bytes", () => {
    assert.strictEqual(
      createHash("sha256").update(text).digest("hex"),
      "2c52f1f73876de2993e8d20013f7f33795fadccc42c3b6fe7825f9e96291f86e"
    )
    assert.strictEqual(framed(payload.subarray(0, -4)), text)
    assert.strictEqual(withBody(body), text)
  })

  it("is read however it was wrapped and with the prefix in capitals", () => {
    const wrapped = ` ${text.slice(0, 30)}\n  ${text.slice(30, 90)}\r\n${text.slice(90)}\n`
    assert.deepStrictEqual(Result.getOrThrow(parseInvite(wrapped)), invite)
    assert.deepStrictEqual(Result.getOrThrow(parseInvite(text.replace("icn-coop", "ICN-Coop"))), invite)
  })

  it("fits into a few lines with all the addresses that it may have", () => {
    const addresses = Array.from({ length: inviteAddressesMax }, (_, index) => quicAt(`2001:db8::${index + 1}`))
    const longest = formatInvite({ ...invite, addresses })
    assert.isBelow(longest.length, 450)
    assert.strictEqual(problemOf(longest), "none")
    assert.throws(() => formatInvite({ ...invite, addresses: [...addresses, quicAt("192.0.2.1")] }))
    assert.throws(() => formatInvite({ ...invite, addresses: [quicAt("node.example")] }))
  })

  it("says that its end is missing, wherever it was cut", () => {
    for (let length = "icn-coop:".length; length < text.length; length++) {
      assert.strictEqual(problemOf(text.slice(0, length)), "cut", `${length}`)
    }
  })

  it.prop(
    "is not taken with any character changed",
    [integer(0, 4 * payload.length), integer(1, 63)],
    ([place, shift]) => {
      const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
      const at = "icn-coop:".length + (place % (text.length - "icn-coop:".length))
      const other = alphabet.charAt((alphabet.indexOf(text.charAt(at)) + shift) % 64)
      const problem = problemOf(text.slice(0, at) + other + text.slice(at + 1))
      assert.include(["mistyped", "cut", "tooLong"], problem)
      // A change in the length, which says "cut" or "tooLong" then, can only be in the first characters.
      if (at >= "icn-coop:".length + 4) assert.strictEqual(problem, "mistyped")
    },
    thorough
  )

  it("says that something follows it", () => {
    for (const rest of [".", ")", "A", "AAAA", '"', " and more", text]) {
      assert.strictEqual(problemOf(text + rest), "tooLong", rest)
    }
  })

  it("is told from other texts, and from later versions", () => {
    for (const other of ["", "icn-coop", "icn://did:key:z6Mk@192.0.2.1:1", "http://example.org", " ".repeat(9000)]) {
      assert.strictEqual(problemOf(other), "notAnInvite", other)
    }
    assert.strictEqual(problemOf(framed(Uint8Array.of(2, 0, 3, 1, 2, 3))), "unknownVersion")
    assert.strictEqual(
      problemOf(`icn-coop:${Buffer.from([2, 0, 3, 1, 2, 3, 0, 0, 0, 0]).toString("base64url")}`),
      "mistyped"
    )
    assert.strictEqual(problemOf("icn-coop:%%%%"), "mistyped")
  })

  it("is malformed where a body has a right checksum and is none", () => {
    const changed = (at: number, value: number) => Uint8Array.from(body).with(at, value)
    const cases = [
      body.subarray(0, 104),
      body.subarray(0, -1),
      Buffer.concat([body, Uint8Array.of(0)]),
      // No key of anybody, a time beyond the safe integers, another number of addresses, and a bad address.
      Uint8Array.from(body).fill(0xff, 32, 64),
      changed(96, 0x7f),
      changed(104, 1),
      changed(104, 3),
      changed(105, 3),
      changed(106, 5),
      Uint8Array.from(body).fill(0, 111, 113)
    ]
    for (const [index, one] of cases.entries()) assert.strictEqual(problemOf(withBody(one)), "malformed", `${index}`)
  })
})
