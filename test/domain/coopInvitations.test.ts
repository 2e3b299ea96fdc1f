import { assert, describe, it } from "@effect/vitest"
import {
  type Invitation,
  invitationsMax,
  redeem,
  retentionMillis,
  secretHash,
  withInvitation
} from "../../src/domain/coopInvitations.ts"
import { hash, invitationOf, keyOfText } from "../fixtures/coops.ts"

const secret = keyOfText("secret")
const [alice, bob] = [hash("alice"), hash("bob")]
const invitation = invitationOf({ secretHash: secretHash(secret), expiresAtMillis: 1000 })
const others = [invitationOf(), invitationOf({ secretHash: hash("another") })]
const open = [...others, invitation]

/** What comes of it, and the invitations afterwards. */
const use = (invitations: ReadonlyArray<Invitation>, account: string, now: number, by = secret) => {
  const answer = redeem(invitations, { account, secret: by }, now)
  return answer._tag === "Redeemed" ? answer.invitations : answer.reason
}

const many = (count: number, parts: Partial<Invitation>) =>
  Array.from({ length: count }, (_, index) => invitationOf({ secretHash: hash(`${index}`), ...parts }))

describe("an invitation", () => {
  it("lets in as many as it is for, until it expires", () => {
    const once = use(open, alice, 1000)
    assert.deepStrictEqual(once, [...others, { ...invitation, joined: [alice] }])
    assert.strictEqual(use(open, alice, 1001), "expired")
    assert.strictEqual(typeof once === "string" ? once : use(once, bob, 0), "usedUp")
    const twice = use([{ ...invitation, uses: 2, joined: [alice] }], bob, 0)
    assert.deepStrictEqual(twice, [{ ...invitation, uses: 2, joined: [alice, bob] }])
  })

  it("answers whoever has joined with it the same again, also when it is used up or has expired", () => {
    const used = [{ ...invitation, joined: [alice] }]
    assert.deepStrictEqual(use(used, alice, 0), used)
    assert.deepStrictEqual(use(used, alice, 1000 + retentionMillis), used)
    assert.strictEqual(use(used, alice, 1001 + retentionMillis), "wrongSecret")
  })

  it("is known by its whole secret only", () => {
    for (let at = 0; at < secret.length; at++) {
      assert.strictEqual(use(open, alice, 0, secret.with(at, (secret[at] ?? 0) ^ 1)), "wrongSecret")
    }
    assert.strictEqual(use(open, alice, 0, secret.subarray(1)), "wrongSecret")
    assert.strictEqual(use([], alice, 0), "wrongSecret")
  })

  it("is remembered by a hash that is not the secret's own", () => {
    assert.match(secretHash(secret), /^[0-9a-f]{64}$/)
    assert.notStrictEqual(secretHash(secret), Buffer.from(secret).toString("hex"))
    assert.notStrictEqual(secretHash(secret), hash("secret"))
  })
})

describe("the invitations of a node", () => {
  it("are limited in number while they are open", () => {
    const full = many(invitationsMax, { expiresAtMillis: 100 })
    assert.isUndefined(withInvitation(full, invitation, 100))
    assert.strictEqual(withInvitation(full, invitation, 101)?.length, invitationsMax + 1)
    const withOneUsed = [...full.slice(1), invitationOf({ joined: [alice], expiresAtMillis: 100 })]
    assert.strictEqual(withInvitation(withOneUsed, invitation, 100)?.length, invitationsMax + 1)
  })

  it("are forgotten a day after they have ended, and the first to end first when there are many", () => {
    assert.deepStrictEqual(withInvitation(many(3, { expiresAtMillis: 0 }), invitation, retentionMillis + 1), [
      invitation
    ])
    const ended = Array.from({ length: 500 }, (_, index) => invitationOf({ expiresAtMillis: index }))
    const kept = withInvitation(ended, invitation, 600) ?? []
    assert.strictEqual(kept.length, invitationsMax + 1)
    assert.strictEqual(kept.at(-1), invitation)
    assert.isTrue(kept.every(({ expiresAtMillis }) => expiresAtMillis >= 500 - invitationsMax))
  })
})
