/**
 * An invitation to a cooperative: which one, whom to ask at which addresses, and the secret that says that one was
 * invited. Its text is in protocol/coopInvite.ts; what the inviting node remembers of it is in coopInvitations.ts.
 */
import { scopeOf } from "./addressScope.ts"
import { type ConnectionCandidate, dialable } from "./connectionCandidate.ts"
import type { Did } from "./did.ts"
import type { EntryId } from "./ledgerEntry.ts"
import { addressKey, type PeerAddress } from "./peerAddress.ts"

/** Bytes of the secret: nobody guesses it. */
export const inviteSecretBytes = 32
/** How long an invitation can be used, in milliseconds: it waits in a mailbox for some days. */
export const inviteTtlMillisDefault = 7 * 24 * 3600 * 1000
export const inviteTtlMillisMin = 60_000
/** Whoever finds an old invitation should not get in. */
export const inviteTtlMillisMax = 90 * 24 * 3600 * 1000
/** How many may join with one: a meeting, not a town. */
export const inviteUsesMax = 100
/** Clocks of members may differ by this much before one of them calls an invitation expired that the other takes. */
export const inviteClockSkewMillis = 3600 * 1000

/** Addresses of one reach that an invitation has room for: machines can have dozens. */
const perScopeMax = { public: 4, private: 4, loopback: 2 } as const
export const inviteAddressesMax = 10

export interface CoopInvite {
  readonly coop: EntryId
  readonly inviter: Did
  readonly secret: Uint8Array
  /** Milliseconds since the epoch by the inviter's clock. */
  readonly expiresAtMillis: number
  /** IP literals, the farthest reaching first. */
  readonly addresses: ReadonlyArray<PeerAddress>
}

/**
 * What of a node's addresses goes into an invitation: where it listens, as it says in its candidate and as it knows
 * itself. Loopback ones are of use on the same machine.
 */
export const inviteAddresses = (
  candidate: Pick<ConnectionCandidate, "addresses">,
  listening: ReadonlyArray<PeerAddress>
): ReadonlyArray<PeerAddress> => {
  const known = new Map([...dialable(candidate), ...listening].map((address) => [addressKey(address), address]))
  return (["public", "private", "loopback"] as const).flatMap((scope) =>
    Array.from(known.values())
      .filter(({ host }) => scopeOf(host) === scope)
      .slice(0, perScopeMax[scope])
  )
}

/** Whether it is too late by any clock. */
export const isLongExpired = ({ expiresAtMillis }: Pick<CoopInvite, "expiresAtMillis">, nowMillis: number): boolean =>
  nowMillis > expiresAtMillis + inviteClockSkewMillis
