/**
 * The book itself, in memory: both layers are this, and one of them keeps a part of it on disk. Everything in it is
 * synchronous except the check of a signature, so what is stored is looked at again after that.
 */
import { Clock, Effect, Option, PubSub, type Scope, Stream } from "effect"
import { admits, type AddressScope, scopeOf } from "../../domain/addressScope.ts"
import { CandidateCache, mayBeTold } from "../../domain/candidateCache.ts"
import { candidateTag, type ConnectionCandidate, dialable, signedBytes } from "../../domain/connectionCandidate.ts"
import { Did } from "../../domain/did.ts"
import { type KeptPeer, KnownPeers } from "../../domain/knownPeers.ts"
import {
  candidatesCached,
  candidatesExpired,
  candidatesReceived,
  candidatesRejected,
  candidatesStaleRejected,
  networkPeersDiscovered
} from "../../domain/metrics.ts"
import { Identity } from "../../services/Identity.ts"
import { Metrics, type MetricsShape } from "../../services/Metrics.ts"
import { type CandidateVerdict, PeerBook } from "../../services/PeerBook.ts"

/** Changes that a slow subscriber may be behind; more members than one dials at a time. */
const changesMax = 256

export interface Book {
  readonly service: PeerBook["Service"]
  /** What survives a restart. */
  readonly kept: Effect.Effect<ReadonlyArray<KeptPeer>>
}

const count = (metrics: MetricsShape, verdict: CandidateVerdict): Effect.Effect<void> => {
  switch (verdict) {
    case "stored":
      return Effect.void
    case "older":
    case "expired":
      return metrics.inc(candidatesStaleRejected, {})
    case "badSignature":
      return metrics.inc(candidatesRejected, { reason: "bad_signature" })
    case "future":
    case "own":
    case "unusable":
      return metrics.inc(candidatesRejected, { reason: verdict })
  }
}

interface State {
  readonly peers: KnownPeers
  readonly cache: CandidateCache
  readonly identity: Identity["Service"]
  readonly metrics: MetricsShape
  readonly changed: PubSub.PubSub<Did>
}

/** The cheap checks come before the signature, and once more after it. */
const store = Effect.fnUntraced(function* (state: State, candidate: ConnectionCandidate, via: AddressScope) {
  const { cache, changed, identity, peers } = state
  if (Did.equals(candidate.did, identity.did)) return "own"
  const early = cache.verdict({ candidate, via }, yield* Clock.currentTimeMillis)
  if (early !== "stored") return early
  if (!(yield* identity.verify(candidate.did, candidateTag, signedBytes(candidate), candidate.signature))) {
    return "badSignature"
  }
  const now = yield* Clock.currentTimeMillis
  const verdict = cache.store({ candidate, via }, now)
  if (verdict !== "stored") return verdict
  const usable = candidate.addresses.filter(({ address }) => admits(via, scopeOf(address.host)))
  peers.learnCandidate(candidate.did, dialable({ addresses: usable }), candidate.timestamp, now)
  if (usable.length === 0) return "unusable"
  // Also where no address is new: the member says that it is there now.
  yield* PubSub.publish(changed, candidate.did)
  return "stored"
})

/** `onKeptChanged` is called whenever what survives a restart may have changed. */
export const make = Effect.fnUntraced(function* (
  restored: ReadonlyArray<KeptPeer>,
  onKeptChanged: () => void
): Effect.fn.Return<Book, never, Identity | Scope.Scope> {
  const identity = yield* Identity
  const metrics = yield* Metrics
  const cache = new CandidateCache()
  // A key that was in use elsewhere before may have met this one's member.
  const peers = new KnownPeers(restored.filter(({ did }) => !Did.equals(did, identity.did)))
  const changed = yield* Effect.acquireRelease(PubSub.sliding<Did>(changesMax), PubSub.shutdown)
  const state: State = { peers, cache, identity, metrics, changed }
  yield* metrics.sample(candidatesCached, {}, () => cache.size)
  yield* metrics.sample(networkPeersDiscovered, {}, () => peers.size)
  yield* metrics.sample(candidatesExpired, {}, () => cache.expiredCount)

  const isOwn = (did: Did): boolean => Did.equals(did, identity.did)
  const service = PeerBook.of({
    addresses: (did) => Effect.map(Clock.currentTimeMillis, (now) => peers.addresses(did, now)),
    learn: Effect.fnUntraced(function* (did, addresses, source) {
      if (isOwn(did)) return
      const isNews = peers.learn(did, addresses, source, yield* Clock.currentTimeMillis)
      // Whom there is a session with is kept, even if its addresses were known from its candidate already.
      if (isNews || source === "session") onKeptChanged()
      if (isNews) yield* PubSub.publish(changed, did)
    }),
    succeeded: (did, address) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        if (isOwn(did)) return
        peers.succeeded(did, address, now)
        onKeptChanged()
      }),
    failed: (did, address) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        if (peers.failed(did, address, now)) onKeptChanged()
      }),
    storeCandidate: Effect.fn("PeerBook.storeCandidate")(function* (candidate, via) {
      yield* metrics.inc(candidatesReceived, {})
      const verdict = yield* store(state, candidate, via)
      yield* count(metrics, verdict)
      return verdict
    }),
    candidate: (did, to) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const heard = cache.get(did, now)
        if (heard === undefined || (to !== undefined && !mayBeTold(heard, to))) return Option.none()
        return Option.some(heard.candidate)
      }),
    candidates: (max, to) =>
      Effect.map(Clock.currentTimeMillis, (now) =>
        cache
          .newest(now)
          .filter((heard) => to === undefined || mayBeTold(heard, to))
          .slice(0, Math.max(0, max))
          .map(({ candidate }) => candidate)
      ),
    removeExpired: Effect.map(Clock.currentTimeMillis, (now) => {
      peers.removeExpired(now)
      return cache.removeExpired(now)
    }),
    peers: Effect.map(Clock.currentTimeMillis, (now) => peers.peers(now)),
    peer: (did) => Effect.map(Clock.currentTimeMillis, (now) => Option.fromUndefinedOr(peers.peer(did, now))),
    remove: (did) =>
      Effect.sync(() => {
        cache.remove(did)
        if (peers.remove(did)) onKeptChanged()
      }),
    changes: Stream.fromPubSub(changed)
  })
  return { service, kept: Effect.map(Clock.currentTimeMillis, (now) => peers.kept(now)) }
})
