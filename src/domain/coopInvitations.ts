/**
 * What a steward's node remembers of the invitations that it made: the hash of each secret, until when it is good, and
 * who has joined with it. Plain data with `now` as an argument.
 */
import { createHash, timingSafeEqual } from "node:crypto"
import type { AccountId } from "./ledgerEntry.ts"

/** Invitations that are open at a time. */
export const invitationsMax = 64
/** How long an invitation is remembered after its end, so that "expired" is not told as "unknown", in milliseconds. */
export const retentionMillis = 24 * 3600 * 1000
/** Invitations remembered, those that have ended included; the first to have ended gives way. */
const rememberedMax = 2 * invitationsMax

export interface Invitation {
  /** SHA-256 over a tag and the secret, 64 hex digits: the file of a node lets nobody join. */
  readonly secretHash: string
  readonly expiresAtMillis: number
  /** How many may join. */
  readonly uses: number
  /** The epoch of the roster at the time: whoever was excluded before is welcome again with it. */
  readonly epoch: number
  readonly joined: ReadonlyArray<AccountId>
}

const hashPrefix = Buffer.from("icn-node/coop-invite-secret/v1", "ascii")

export const secretHash = (secret: Uint8Array): string =>
  createHash("sha256").update(hashPrefix).update(secret).digest("hex")

const remembered = (invitations: ReadonlyArray<Invitation>, nowMillis: number): ReadonlyArray<Invitation> =>
  invitations.filter(({ expiresAtMillis }) => nowMillis <= expiresAtMillis + retentionMillis)

/** With one more; `undefined` when as many as may be are open. */
export const withInvitation = (
  invitations: ReadonlyArray<Invitation>,
  added: Invitation,
  nowMillis: number
): ReadonlyArray<Invitation> | undefined => {
  const known = remembered(invitations, nowMillis)
  const isOpen = ({ expiresAtMillis, joined, uses }: Invitation) => nowMillis <= expiresAtMillis && joined.length < uses
  if (known.filter(isOpen).length >= invitationsMax) return undefined
  const ended = known.filter((one) => !isOpen(one)).toSorted((a, b) => b.expiresAtMillis - a.expiresAtMillis)
  return [...known.filter(isOpen), ...ended.slice(0, rememberedMax - invitationsMax), added]
}

/** The invitation with a secret. Every one is compared, in a time that tells nothing of where they differ. */
const withSecret = (invitations: ReadonlyArray<Invitation>, secret: Uint8Array): Invitation | undefined => {
  const hash = Buffer.from(secretHash(secret), "hex")
  let found: Invitation | undefined
  for (const invitation of invitations) {
    if (timingSafeEqual(hash, Buffer.from(invitation.secretHash, "hex"))) found = invitation
  }
  return found
}

export type Redemption =
  /** He may join; the invitations with him among those who did. */
  | {
      readonly _tag: "Redeemed"
      readonly invitation: Invitation
      readonly invitations: ReadonlyArray<Invitation>
    }
  | { readonly _tag: "Refused"; readonly reason: "wrongSecret" | "expired" | "usedUp" }

/**
 * Somebody comes with a secret. Whoever joined with it before gets the same answer again, also when it has expired
 * since: his first answer may have been lost.
 */
export const redeem = (
  invitations: ReadonlyArray<Invitation>,
  { account, secret }: { readonly account: AccountId; readonly secret: Uint8Array },
  nowMillis: number
): Redemption => {
  const invitation = withSecret(remembered(invitations, nowMillis), secret)
  if (invitation === undefined) return { _tag: "Refused", reason: "wrongSecret" }
  if (invitation.joined.includes(account)) return { _tag: "Redeemed", invitation, invitations }
  if (nowMillis > invitation.expiresAtMillis) return { _tag: "Refused", reason: "expired" }
  if (invitation.joined.length >= invitation.uses) return { _tag: "Refused", reason: "usedUp" }
  const used = { ...invitation, joined: [...invitation.joined, account] }
  return {
    _tag: "Redeemed",
    invitation: used,
    invitations: invitations.map((one) => (one === invitation ? used : one))
  }
}
