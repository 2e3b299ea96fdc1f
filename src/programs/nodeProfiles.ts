/**
 * Profiles of nodes over gossip: this node tells its own, remembers those of others, answers questions, and asks. A
 * question is answered by the member itself at once, and by one that knows it after a short random wait, if nobody was
 * faster, so that an absent member's profile is told once and not by everybody.
 */
import { Clock, Deferred, Effect, FiberSet, Option, Random, Stream } from "effect"
import type { Did } from "../domain/did.ts"
import {
  type NodeProfile,
  ProfileCache,
  ProfileMessage,
  profileSignedBytes,
  profileTag,
  type UnsignedProfile
} from "../domain/nodeProfile.ts"
import * as TokenBucket from "../domain/tokenBucket.ts"
import { version } from "../domain/version.ts"
import { Gossip, type GossipError, type GossipMessage, type GossipTopic } from "../services/Gossip.ts"
import { Identity } from "../services/Identity.ts"

/** What members tell and ask about nodes. */
export const profileTopic: GossipTopic<ProfileMessage> = {
  name: "network:profiles",
  schema: ProfileMessage,
  // The longest profile takes about 600 bytes.
  bytesMax: 2048
}

/** Three times within the hour for which a profile holds. */
const announceMillis = 1_200_000
/** A tenth more or less by chance, so that nodes that started together do not announce together. */
const jitterShare = 0.1
/** Wait for somebody to listen before the first announcement. */
const lookMillis = 5000
/** Between these a node that knows an absent member waits for a faster one. */
const answerMillisMin = 200
const answerMillisMax = 1500
/** How long this node waits for an answer: the longest wait of others, and the way there and back. */
const queryMillisMax = 3000
/** Answers in the long run and at once: questions of many cost no more than this. */
const answerRate: TokenBucket.TokenRate = { ratePerSecond: 1, burst: 10 }
/** Answers that wait for somebody faster. */
const answersWaitingMax = 32
/** Members that are asked for at the same time. */
const queriesMax = 64

export interface NodeProfilesOptions {
  /** What to tell of this node; software and role are filled in. */
  readonly self?: Partial<Pick<NodeProfile, "software" | "platform" | "startedAt" | "role">>
  /** Whether to tell anything; `true` unless given. */
  readonly tells?: boolean
}

export interface NodeProfiles {
  /** What is known of a member now. */
  readonly known: (did: Did) => Effect.Effect<Option.Option<NodeProfile>>
  /** All profiles that hold. */
  readonly all: Effect.Effect<ReadonlyArray<NodeProfile>>
  /** What is known of a member, asked for when nothing is; none when nobody answers in time. */
  readonly query: (did: Did) => Effect.Effect<Option.Option<NodeProfile>, GossipError>
  /** The `node_profiles` actor: announces, listens and answers, for ever; `ready` once it listens. */
  readonly run: (ready: Effect.Effect<void>) => Effect.Effect<never, GossipError>
}

/** Runs an answer beside the listening. */
type Later = (effect: Effect.Effect<void, GossipError>) => void

interface Query {
  readonly answer: Deferred.Deferred<Option.Option<NodeProfile>>
  waiting: number
}

class Profiles {
  readonly #gossip: Gossip["Service"]
  readonly #identity: Identity["Service"]
  readonly #self: NodeProfilesOptions["self"]
  readonly #cache = new ProfileCache()
  readonly #queries = new Map<string, Query>()
  /** Members whose profile this node will tell unless somebody else does. */
  readonly #answering = new Set<string>()
  #bucket: TokenBucket.TokenBucket | undefined

  constructor(gossip: Gossip["Service"], identity: Identity["Service"], self: NodeProfilesOptions["self"]) {
    this.#gossip = gossip
    this.#identity = identity
    this.#self = self
  }

  readonly known = (did: Did): Effect.Effect<Option.Option<NodeProfile>> =>
    Effect.map(Clock.currentTimeMillis, (now) => Option.fromUndefinedOr(this.#cache.get(did, now)))

  readonly all = Effect.map(Clock.currentTimeMillis, (now) => this.#cache.all(now))

  readonly query = Effect.fn("NodeProfiles.query")({ self: this }, function* (did: Did) {
    if (did.text === this.#identity.did.text) return Option.fromUndefinedOr(yield* this.#own())
    const known = yield* this.known(did)
    if (Option.isSome(known)) return known
    const present = this.#queries.get(did.text)
    if (present === undefined && this.#queries.size >= queriesMax) return Option.none()
    const query: Query = present ?? { answer: Deferred.makeUnsafe(), waiting: 0 }
    this.#queries.set(did.text, query)
    query.waiting++
    const ask = present === undefined ? this.#gossip.publish(profileTopic, { _tag: "Query", did }) : Effect.void
    return yield* Effect.andThen(ask, Effect.timeoutOption(Deferred.await(query.answer), queryMillisMax)).pipe(
      Effect.map(Option.flatten),
      Effect.ensuring(
        Effect.sync(() => {
          query.waiting--
          if (query.waiting === 0 && this.#queries.get(did.text) === query) this.#queries.delete(did.text)
        })
      )
    )
  })

  /** This node's profile, signed now. */
  readonly #own = Effect.fnUntraced({ self: this }, function* () {
    if (this.#self === undefined) return undefined
    const unsigned: UnsignedProfile = {
      version: 1,
      did: this.#identity.did,
      software: `icn-node/${version}`,
      role: "edge",
      ...this.#self,
      timestamp: Math.floor(yield* Clock.currentTimeMillis)
    }
    const signature = yield* this.#identity.sign(profileTag, profileSignedBytes(unsigned))
    const profile: NodeProfile = { ...unsigned, signature }
    return profile
  })

  /** Announces when somebody listens, and again while the profile still holds. */
  readonly announce = Effect.gen({ self: this }, function* () {
    while (true) {
      const topics = yield* this.#gossip.topics
      const profile = yield* this.#own()
      if (profile === undefined || !topics.some((one) => one.name === profileTopic.name && one.neighbours > 0)) {
        yield* Effect.sleep(lookMillis)
        continue
      }
      yield* this.#gossip.publish(profileTopic, { _tag: "Announce", profile })
      yield* Effect.sleep(announceMillis * (1 + jitterShare * (2 * (yield* Random.next) - 1)))
    }
  })

  readonly hear = ({ author, message }: GossipMessage<ProfileMessage>, later: Later): Effect.Effect<void> => {
    switch (message._tag) {
      case "Announce":
        return Effect.asVoid(this.#take(message.profile))
      case "Query":
        return this.#answer(message.did, later)
      case "Response":
        return this.#answered(author, message.did, message.profile)
    }
  }

  /** Somebody answered. Only a good answer, or the member itself, makes others needless. */
  readonly #answered = Effect.fnUntraced(
    { self: this },
    function* (author: Did, did: Did, profile: NodeProfile | null) {
      if (profile === null && author.text === did.text) {
        this.#answering.delete(did.text)
        const query = this.#queries.get(did.text)
        if (query !== undefined) yield* Deferred.succeed(query.answer, Option.none())
      }
      if (profile?.did.text === did.text && (yield* this.#take(profile))) this.#answering.delete(did.text)
    }
  )

  /** Keeps a profile if it is good and new, whoever tells it; says whether it is the newest of its member. */
  readonly #take = Effect.fnUntraced({ self: this }, function* (profile: NodeProfile) {
    const now = yield* Clock.currentTimeMillis
    if (profile.did.text === this.#identity.did.text) return false
    const verdict = this.#cache.verdict(profile, now)
    if (verdict === "expired" || verdict === "future") return false
    const present = this.#cache.get(profile.did, now)
    if (verdict === "older") return present !== undefined && Buffer.compare(present.signature, profile.signature) === 0
    const signed = profileSignedBytes(profile)
    if (!(yield* this.#identity.verify(profile.did, profileTag, signed, profile.signature))) return false
    this.#cache.store(profile, now)
    const query = this.#queries.get(profile.did.text)
    if (query !== undefined) yield* Deferred.succeed(query.answer, Option.some(profile))
    return true
  })

  readonly #answer = Effect.fnUntraced({ self: this }, function* (did: Did, later: Later) {
    const isSelf = did.text === this.#identity.did.text
    const profile = isSelf ? yield* this.#own() : Option.getOrUndefined(yield* this.known(did))
    if (!isSelf && (profile === undefined || this.#answering.size >= answersWaitingMax)) return
    if (this.#answering.has(did.text) || !this.#mayAnswer(yield* Clock.currentTimeMillis)) return
    const respond = this.#gossip.publish(profileTopic, { _tag: "Response", did, profile: profile ?? null })
    if (isSelf) return later(respond)
    this.#answering.add(did.text)
    const wait = answerMillisMin + (answerMillisMax - answerMillisMin) * (yield* Random.next)
    later(
      Effect.andThen(
        Effect.sleep(wait),
        Effect.suspend(() => (this.#answering.delete(did.text) ? respond : Effect.void))
      )
    )
  })

  #mayAnswer(nowMillis: number): boolean {
    const present = this.#bucket ?? TokenBucket.full(answerRate, nowMillis)
    const taken = TokenBucket.take(answerRate, present, nowMillis, 1)
    this.#bucket = taken.bucket
    return taken.admitted
  }
}

export const makeNodeProfiles = Effect.fnUntraced(function* ({ self = {}, tells = true }: NodeProfilesOptions = {}) {
  const gossip = yield* Gossip
  const profiles = new Profiles(gossip, yield* Identity, tells ? self : undefined)
  const run = Effect.fnUntraced(function* (ready: Effect.Effect<void>) {
    const heard = yield* gossip.subscribe(profileTopic)
    const fibers = yield* FiberSet.make<void, GossipError>()
    const runLater = yield* FiberSet.runtime(fibers)()
    yield* ready
    const listening = Stream.runForEach(heard, (message) =>
      profiles.hear(message, (effect) => {
        // An answer that may not go out is not worth an error: whoever asked asks again.
        runLater(Effect.catchReason(effect, "GossipError", "GossipRateLimited", () => Effect.void))
      })
    )
    return yield* Effect.raceFirst(
      profiles.announce,
      Effect.raceFirst(Effect.andThen(listening, Effect.never), Effect.andThen(FiberSet.join(fibers), Effect.never))
    )
  }, Effect.scoped)
  const made: NodeProfiles = { known: profiles.known, all: profiles.all, query: profiles.query, run }
  return made
})
