/**
 * The `candidate_announce` actor: tells all members where this node can be reached, and takes down where they can. A
 * candidate holds for five minutes (domain/connectionCandidate.ts), so it is told again at half of that; sooner when
 * it has changed, and when somebody new is connected, who has not heard it. A node that announces no addresses only
 * listens.
 */
import { Clock, Effect, Random, Stream } from "effect"
import { type AddressScope, scopeOf } from "../domain/addressScope.ts"
import { candidateJsonBytesMax, ConnectionCandidate } from "../domain/connectionCandidate.ts"
import { candidatesPublished } from "../domain/metrics.ts"
import { addressKey } from "../domain/peerAddress.ts"
import { envelopeHeaderBytes } from "../protocol/gossipEnvelope.ts"
import { Gossip, type GossipMessage, type GossipTopic } from "../services/Gossip.ts"
import { Metrics } from "../services/Metrics.ts"
import { PeerBook } from "../services/PeerBook.ts"
import { SessionManager } from "../services/SessionManager.ts"

/** Where members say that they can be reached, each for itself. */
export const candidateTopic: GossipTopic<ConnectionCandidate> = {
  name: "network:candidates",
  schema: ConnectionCandidate,
  bytesMax: envelopeHeaderBytes + candidateJsonBytesMax
}

/** Half the time for which a candidate holds, so that one lost message leaves no gap. */
const intervalMillis = 150_000
/** A tenth more or less by chance, so that nodes that started together do not announce together. */
const jitterShare = 0.1
/** How soon a change of addresses is noticed. */
const lookMillis = 5000
/** A new neighbour is given this long to say what it listens to, and others to come with it. */
const settleMillis = 3000
/** New neighbours are told no more often than this, however many come. */
const quietMillis = 30_000

/**
 * The scope over which a member may tell of addresses: its own path for what it says itself, the internet otherwise.
 */
const scopeOfBearer = Effect.fnUntraced(function* ({ author, from }: GossipMessage<unknown>) {
  // What came by others may have crossed the internet, whatever the last step was: nobody may aim this node at a
  // private network through somebody who is in it.
  if (author.text !== from.text) return "public" satisfies AddressScope
  const path = yield* (yield* SessionManager).path(from)
  if (path._tag === "None") return "public" satisfies AddressScope
  const { remoteAddress } = path.value
  return scopeOf(remoteAddress.slice(0, remoteAddress.lastIndexOf(":")).replace(/^\[(.*)\]$/, "$1"))
})

/** The book counts what it makes of it. */
const takeDown = Effect.fnUntraced(function* (heard: GossipMessage<ConnectionCandidate>) {
  const book = yield* PeerBook
  if (heard.message.did.text !== heard.author.text) return
  yield* book.storeCandidate(heard.message, yield* scopeOfBearer(heard))
})

const addressesOf = ({ addresses }: ConnectionCandidate): string =>
  addresses.map(({ address, kind }) => `${kind} ${addressKey(address)}`).join("\n")

const announce = Effect.gen(function* () {
  const gossip = yield* Gossip
  const sessions = yield* SessionManager
  const metrics = yield* Metrics
  let told = ""
  let toldAtMillis = Number.NEGATIVE_INFINITY
  let dueAtMillis = Number.NEGATIVE_INFINITY
  /** When the first neighbour came that was not told yet. */
  let newcomerAtMillis: number | undefined

  yield* sessions.events.pipe(
    Stream.filter((event) => event._tag === "Opened"),
    Stream.runForEach(() =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        newcomerAtMillis ??= now
      })
    ),
    Effect.forkScoped({ startImmediately: true })
  )

  const look = Effect.gen(function* () {
    const topics = yield* gossip.topics
    // Nobody would hear it, and it would not count as told.
    if (!topics.some(({ name, neighbours }) => name === candidateTopic.name && neighbours > 0)) return
    const candidate = yield* sessions.connectionCandidate
    if (candidate.addresses.length === 0) return
    const now = yield* Clock.currentTimeMillis
    const newcomer = newcomerAtMillis !== undefined && now - newcomerAtMillis >= settleMillis
    const wanted = newcomer && now - toldAtMillis >= quietMillis
    const addresses = addressesOf(candidate)
    if (addresses === told && now < dueAtMillis && !wanted) return
    const sent = yield* gossip.publish(candidateTopic, candidate).pipe(
      Effect.as(true),
      // The next look tries again.
      Effect.catchReason("GossipError", "GossipRateLimited", () => Effect.succeed(false))
    )
    if (!sent) return
    yield* metrics.inc(candidatesPublished, {})
    told = addresses
    toldAtMillis = now
    if (newcomer) newcomerAtMillis = undefined
    dueAtMillis = now + intervalMillis * (1 + jitterShare * (2 * (yield* Random.next) - 1))
  })
  return yield* Effect.forever(Effect.andThen(look, Effect.sleep(lookMillis)))
})

/** Announces and listens, for ever; `ready` once it listens. */
export const candidateAnnounce = Effect.fnUntraced(function* (ready: Effect.Effect<void>) {
  const gossip = yield* Gossip
  const heard = yield* gossip.subscribe(candidateTopic)
  yield* ready
  return yield* Effect.raceFirst(announce, Effect.andThen(Stream.runForEach(heard, takeDown), Effect.never))
})
