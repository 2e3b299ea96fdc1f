/**
 * Where other members are, as far as this node knows: from the configuration, from the members' own signed candidates,
 * from sessions, from what others tell and from the local network. Implemented by layers/PeerBookFile.ts (members met
 * survive a restart) and layers/PeerBookMemory.ts; the rules are in domain/knownPeers.ts, domain/candidateCache.ts and
 * domain/addressScope.ts. It knows addresses and dials none: it has to be told what became of a dial.
 */
import { Context, type Effect, type Option, type Stream } from "effect"
import type { AddressScope } from "../domain/addressScope.ts"
import type { ConnectionCandidate } from "../domain/connectionCandidate.ts"
import type { Did } from "../domain/did.ts"
import type { AddressSource, KnownPeer } from "../domain/knownPeers.ts"
import type { PeerAddress } from "../domain/peerAddress.ts"

/**
 * What became of a candidate that was heard. `stored`: newer than anything known; `unusable`: likewise, but no address
 * in it may be dialled; `older`, `expired`, `future` by its time; `badSignature`: not what the member signed; `own`:
 * this node's.
 */
export type CandidateVerdict = "stored" | "older" | "expired" | "future" | "badSignature" | "own" | "unusable"

export class PeerBook extends Context.Service<
  PeerBook,
  {
    /**
     * Where to dial a member, best first and at most 16: what worked last, then by source; what failed comes last.
     * Nothing for a member of whom nothing is known.
     */
    readonly addresses: (did: Did) => Effect.Effect<ReadonlyArray<PeerAddress>>
    /**
     * Takes addresses of a member from a source. Who tells them has to be entitled to (`admits` in
     * domain/addressScope.ts); names are taken from the configuration only, and what nobody can be at from nobody.
     */
    readonly learn: (
      did: Did,
      addresses: ReadonlyArray<PeerAddress>,
      source: Exclude<AddressSource, "candidate">
    ) => Effect.Effect<void>
    /** A session was opened at an address: it comes first from now on, and survives a restart. */
    readonly succeeded: (did: Did, address: PeerAddress) => Effect.Effect<void>
    /** A dial failed: the address goes to the back, and is dropped in the end unless the configuration names it. */
    readonly failed: (did: Did, address: PeerAddress) => Effect.Effect<void>
    /**
     * Checks a candidate and keeps it when it is newer than the one at hand. Whoever brought it is reached over `via`;
     * addresses that he may not tell of are never given out for dialling, while the candidate is kept whole.
     */
    readonly storeCandidate: (candidate: ConnectionCandidate, via: AddressScope) => Effect.Effect<CandidateVerdict>
    /** A member's candidate while it holds; with `to`, only if it may be told to somebody reached over that scope. */
    readonly candidate: (did: Did, to?: AddressScope) => Effect.Effect<Option.Option<ConnectionCandidate>>
    /** Candidates that hold, newest first; with `to`, those that may be told to somebody reached over that scope. */
    readonly candidates: (max: number, to?: AddressScope) => Effect.Effect<ReadonlyArray<ConnectionCandidate>>
    /** Drops candidates that no longer hold and says how many; they are never given out anyway. */
    readonly removeExpired: Effect.Effect<number>
    /** Everybody that is known, in no particular order. */
    readonly peers: Effect.Effect<ReadonlyArray<KnownPeer>>
    /** What is known of one member. */
    readonly peer: (did: Did) => Effect.Effect<Option.Option<KnownPeer>>
    /** Forgets a member, whatever is known of it. */
    readonly remove: (did: Did) => Effect.Effect<void>
    /**
     * Members of whom a new address to dial becomes known, or a newer candidate with one, from subscription on; who is
     * slow loses the oldest.
     */
    readonly changes: Stream.Stream<Did>
  }
>()("icn-node/services/PeerBook") {}
