/**
 * Flooding over sessions: a stream to each neighbour, on which this node says what it wants and sends what passed, and
 * one from each. A neighbour is whoever there is a session with; the streams come back as long as there is one.
 */
import { Clock, Effect, FiberMap, Random, Result, Semaphore, Stream } from "effect"
import type { Did } from "../../domain/did.ts"
import { type GossipRefusal, ignore, reject } from "../../domain/gossipAdmission.ts"
import { peekStamp } from "../../protocol/gossipEnvelope.ts"
import {
  decodeFloodFrame,
  encodeFloodMessage,
  encodeTopics,
  type FloodMessage,
  floodSignedBytes,
  gossipProtocol
} from "../../protocol/gossipFlood.ts"
import type { Identity } from "../../services/Identity.ts"
import type { SessionManager, SessionStream } from "../../services/SessionManager.ts"
import { Authors } from "./Authors.ts"
import { Outbox } from "./Outbox.ts"
import type { Topics } from "./Topics.ts"

/** What an author signs, and for what. */
const signatureTag = "icn-node/gossip/v1"
/**
 * Wait before a broken stream is opened again, a random half more or less, so that both sides do not meet each time.
 */
const reopenMillis = 1000

class Neighbour {
  readonly did: Did
  readonly outbox = new Outbox()
  openedAtMillis: number | undefined

  constructor(did: Did) {
    this.did = did
  }
}

/** What a member said that it wants, and the stream on which it did: it holds as long as the stream. */
interface Wishes {
  readonly stream: SessionStream
  readonly topics: ReadonlySet<string>
}

export class Flood {
  readonly #sessions: SessionManager["Service"]
  readonly #identity: Identity["Service"]
  readonly #topics: () => Topics
  readonly #neighbours = new Map<string, Neighbour>()
  /** By member; a stream may be here before this side takes the session for open. */
  readonly #wanted = new Map<string, Wishes>()
  readonly #authors = new Authors()
  /** Changes with the topics that this node wants, so that streams know whether they have told. */
  #wishes = 0

  constructor(sessions: SessionManager["Service"], identity: Identity["Service"], topics: () => Topics) {
    this.#sessions = sessions
    this.#identity = identity
    this.#topics = topics
  }

  /** Neighbours known to want a topic. */
  neighbours(topic: string): number {
    let count = 0
    for (const name of this.#neighbours.keys()) if (this.#wants(name, topic)) count++
    return count
  }

  /** This node wants other topics than before. */
  readonly wishesChanged = (): void => {
    this.#wishes++
    for (const { outbox } of this.#neighbours.values()) outbox.wake()
  }

  /** Sends a message of this node's own. */
  readonly publish = (topic: string, envelope: Uint8Array): Effect.Effect<void> =>
    Effect.map(this.#identity.sign(signatureTag, floodSignedBytes(topic, envelope)), (signature) => {
      const author = this.#identity.did.publicKey
      this.#spread({ topic, author, signature, envelope }, undefined, this.#identity.did.text)
    })

  /** Serves and keeps streams until the scope closes. */
  readonly start = Effect.gen({ self: this }, function* () {
    const senders = yield* FiberMap.make<string>()
    const turns = yield* Semaphore.make(1)
    yield* Effect.orDie(this.#sessions.handle(gossipProtocol, this.#serve))
    const follow = turns.withPermits(1)(this.#follow(senders))
    yield* this.#sessions.events.pipe(
      Stream.filter((event) => event._tag !== "PathChanged"),
      Stream.runForEach(() => follow),
      Effect.forkScoped({ startImmediately: true })
    )
    // After listening to events, so that no session falls in between.
    yield* follow
  })

  /** Brings the neighbours in line with the sessions that there are; events may have been lost. */
  readonly #follow = Effect.fnUntraced({ self: this }, function* (senders: FiberMap.FiberMap<string>) {
    const sessions = new Map((yield* this.#sessions.sessions).map((session) => [session.did.text, session]))
    for (const [name] of this.#neighbours) {
      if (sessions.has(name)) continue
      this.#neighbours.delete(name)
      yield* FiberMap.remove(senders, name)
    }
    for (const [name, { did, openedAtMillis }] of sessions) {
      const neighbour = this.#neighbours.get(name) ?? new Neighbour(did)
      this.#neighbours.set(name, neighbour)
      if (neighbour.openedAtMillis === openedAtMillis && FiberMap.hasUnsafe(senders, name)) continue
      neighbour.openedAtMillis = openedAtMillis
      yield* FiberMap.run(senders, name, this.#send(neighbour))
    }
  })

  /** Keeps a stream to a neighbour: what this node wants first, and whenever it changes, then what waits. */
  readonly #send = (neighbour: Neighbour): Effect.Effect<never> => {
    const once = Effect.scoped(
      Effect.gen({ self: this }, function* () {
        const stream = yield* this.#sessions.open(neighbour.did, gossipProtocol)
        // The other side sends nothing on it; whatever comes means that it does not read any more.
        yield* Effect.raceFirst(this.#drain(neighbour, stream), stream.receive)
      })
    )
    return Effect.ignore(once).pipe(
      Effect.andThen(Effect.flatMap(Random.next, (random) => Effect.sleep(reopenMillis * (0.5 + random)))),
      Effect.forever
    )
  }

  readonly #drain = Effect.fnUntraced({ self: this }, function* (neighbour: Neighbour, stream: SessionStream) {
    let told: number | undefined
    while (true) {
      if (told !== this.#wishes) {
        told = this.#wishes
        yield* stream.send(encodeTopics(this.#topics().names))
        continue
      }
      const frame = neighbour.outbox.take()
      yield* frame === undefined ? neighbour.outbox.woken : stream.send(frame)
    }
  })

  readonly #serve = (stream: SessionStream) =>
    Stream.runForEach(stream.frames, (frame) => this.#receive(stream, frame)).pipe(
      // A cut stream is a lost session or a neighbour that goes; it opens another one if it likes.
      Effect.ignore,
      Effect.ensuring(
        Effect.sync(() => {
          if (this.#wanted.get(stream.peer.text)?.stream === stream) this.#wanted.delete(stream.peer.text)
        })
      )
    )

  readonly #receive = Effect.fnUntraced({ self: this }, function* (stream: SessionStream, bytes: Uint8Array) {
    const { admission } = this.#topics()
    const now = yield* Clock.currentTimeMillis
    if (!admission.admitsBearer(stream.peer.text, bytes.length, now)) return this.#refuse(ignore("bearer_rate"))
    const frame = decodeFloodFrame(bytes)
    if (Result.isFailure(frame)) return this.#refuse(reject("envelope"))
    if (frame.success._tag === "Message") return yield* this.#arrive(stream.peer, frame.success.message, now)
    this.#wanted.set(stream.peer.text, { stream, topics: new Set(frame.success.topics) })
  })

  readonly #arrive = Effect.fnUntraced({ self: this }, function* (from: Did, message: FloodMessage, now: number) {
    const topics = this.#topics()
    const { envelope, signature, topic } = message
    if (!topics.has(topic)) return this.#refuse(ignore("unsubscribed"))
    const author = this.#authors.of(message.author)
    if (author === undefined) return this.#refuse(reject("author"))
    const stamp = peekStamp(envelope)
    if (Result.isFailure(stamp)) return this.#refuse(reject("envelope"))
    // Most of what comes was here before; it costs no signature.
    const known = topics.admission.known(author.text, stamp.success, now)
    if (known !== undefined) return this.#refuse(known)
    const signed = floodSignedBytes(topic, envelope)
    if (!(yield* this.#identity.verify(author, signatureTag, signed, signature))) {
      return this.#refuse(reject("signature"))
    }
    const refusal = topics.receive({ topic, author, from, bytes: envelope }, now)
    if (refusal === undefined) this.#spread(message, from.text, author.text)
  })

  #wants(name: string, topic: string): boolean {
    return this.#wanted.get(name)?.topics.has(topic) ?? false
  }

  #refuse(refusal: GossipRefusal): void {
    this.#topics().counts.refused(refusal)
  }

  /** To all neighbours that want it but the one that brought it and its author. */
  #spread(message: FloodMessage, bearer: string | undefined, author: string): void {
    let frame: Uint8Array | undefined
    for (const [name, { outbox }] of this.#neighbours) {
      if (name === bearer || name === author || !this.#wants(name, message.topic)) continue
      frame ??= encodeFloodMessage(message)
      this.#topics().counts.dropped("neighbour", outbox.push(frame))
    }
  }
}
