/**
 * A `SessionManager` over a `Wire`: puts the parts of this folder together, whatever carries the connections.
 */
import { Clock, Effect, FiberSet, Option, PubSub, Stream, SubscriptionRef } from "effect"
import { announced, candidateTag, type ConnectionCandidate, signedBytes } from "../../domain/connectionCandidate.ts"
import type { Did } from "../../domain/did.ts"
import * as Metric from "../../domain/metrics.ts"
import { controlProtocol } from "../../protocol/sessionControl.ts"
import { Identity } from "../../services/Identity.ts"
import { Metrics, report } from "../../services/Metrics.ts"
import { PeerBook } from "../../services/PeerBook.ts"
import { type SessionEvent, SessionManager, SessionTimeout } from "../../services/SessionManager.ts"
import * as Diallers from "./Dialler.ts"
import * as Exchanges from "./Exchange.ts"
import * as Greetings from "./Greeting.ts"
import { type Links, make as makeLinks } from "./link/Links.ts"
import * as Settings from "./Settings.ts"
import * as Signallings from "./Signalling.ts"
import * as Streaming from "./Streams.ts"
import { sessionError, Table } from "./Table.ts"
import * as Upkeep from "./Upkeep.ts"
import type { Wire } from "./Wire.ts"

/** Events that a slow subscriber may be behind. */
const eventsMax = 1024

const relayedAddress = (relay: Settings.RelayRef | undefined) =>
  relay === undefined ? undefined : SubscriptionRef.getUnsafe(relay)?.state()?.relayedAddress

/** Listens and stays connected until the scope closes. */
export const make = Effect.fnUntraced(function* (wire: Wire, options: Settings.SessionOptions) {
  const settings: Settings.SessionSettings = { ...Settings.defaults, ...options }
  const identity = yield* Identity
  const book = yield* PeerBook
  const metrics = yield* Metrics
  const scope = yield* Effect.scope
  const self = identity.did
  const events = yield* Effect.acquireRelease(PubSub.sliding<SessionEvent>(eventsMax), PubSub.shutdown)
  const fork = yield* FiberSet.makeRuntime<never, void, never>()
  const run = (effect: Effect.Effect<void>) =>
    fork(Effect.catchCause(effect, (cause) => report("session_upkeep", cause)))
  const table = new Table(self, settings, metrics, events, run)
  const traffic: Streaming.Traffic = { framesIn: 0, framesOut: 0, bytesIn: 0, bytesOut: 0 }

  let links: Links | undefined
  const connectionCandidate = Effect.gen(function* () {
    const addresses = announced(
      [
        ...wire.listening().map((address) => ({ kind: "host" as const, address })),
        ...(links?.reflexive.addresses() ?? []).map((address) => ({
          kind: "reflexive" as const,
          address: { ...address, transport: "quic" as const }
        }))
      ],
      settings.announceAddresses
    )
    const unsigned = { version: 1 as const, did: self, addresses, timestamp: yield* Clock.currentTimeMillis }
    const signature = yield* identity.sign(candidateTag, signedBytes(unsigned))
    const candidate: ConnectionCandidate = { ...unsigned, signature }
    return candidate
  })
  const ownCandidate = Effect.map(connectionCandidate, (candidate) =>
    candidate.addresses.length === 0 ? undefined : candidate
  )

  const exchange = Exchanges.make(table, book, metrics, settings, ownCandidate)
  const streams = Streaming.make({ wire, table, metrics, settings, traffic })
  const dialler = Diallers.make({
    self,
    wire,
    table,
    book,
    metrics,
    settings,
    find: exchange.find,
    links: () => links,
    scope
  })
  const signalling = Signallings.make({ self, table, identity, metrics, bootstrapPeers: settings.bootstrapPeers })
  table.hooks = {
    greet: Greetings.make(exchange, table.partings, signalling, metrics, () => links?.port ?? settings.linkPort())
      .greet,
    answers: Greetings.answers
  }

  for (const { address, did } of settings.bootstrapPeers) yield* book.learn(did, [address], "config")
  yield* metrics.sample(Metric.networkConnectionsActive, {}, () => table.open().length)
  yield* metrics.sample(Metric.networkBytesSent, {}, () => traffic.bytesOut)
  yield* metrics.sample(Metric.networkBytesReceived, {}, () => traffic.bytesIn)
  yield* metrics.sample(Metric.networkMessagesSent, {}, () => traffic.framesOut)
  yield* metrics.sample(Metric.networkMessagesReceived, {}, () => traffic.framesIn)

  yield* wire.serve(controlProtocol)
  if (wire.links !== undefined && settings.linkSettings !== undefined) {
    links = yield* makeLinks({
      self,
      table,
      wire: wire.links,
      signalling,
      settings,
      options: settings.linkSettings,
      events
    })
  }
  yield* wire.start({
    admitSource: (host) => table.admitSource(host),
    admit: table.admit,
    abandoned: table.abandoned,
    opened: (connection) => {
      table.opened(connection)
      // One that was not admitted after all is no session.
      if (table.of(connection) !== undefined) links?.opened(connection)
    },
    closed: (connection, reason) => {
      table.closed(connection, reason)
      links?.closed(connection)
    },
    stream: streams.accept
  })
  // Before the transport goes, so that members learn that this was no accident.
  yield* Effect.addFinalizer(() => table.goodbye("the node stops"))
  const upkeep = yield* Upkeep.start({ self, table, wire, book, settings, dial: dialler.dial, events, links })

  /** Somebody asks for the member, whatever was before. */
  const dial = (did: Did) => Effect.andThen(upkeep.resume(did), dialler.dial(did))

  const manager = SessionManager.of({
    did: self,
    dial,
    open: Effect.fnUntraced(function* (did, protocol) {
      yield* dial(did)
      const entry = table.get(did)
      return entry === undefined ? yield* table.lost(did) : yield* streams.open(entry, protocol)
    }),
    handle: (protocol, handler) => streams.handle(self, protocol, handler),
    sessions: Effect.sync(() => table.sessions()),
    path: (did) => Effect.sync(() => Option.fromUndefinedOr(table.session(did)?.path)),
    ping: Effect.fn("SessionManager.ping")(function* (did) {
      yield* dial(did)
      const entry = table.get(did)
      if (entry?.stage._tag !== "Open") return yield* table.lost(did)
      const answer = yield* Greetings.ping(entry, entry.stage.control).pipe(
        Effect.timeoutOption(Settings.pingMillisMax),
        Effect.catchTag("ControlFailed", () => Effect.succeedNone)
      )
      if (Option.isSome(answer)) return answer.value
      return yield* sessionError(did, new SessionTimeout({ operation: "ping", millis: Settings.pingMillisMax }))
    }),
    events: Stream.fromPubSub(events),
    listening: Effect.sync(() => wire.listening()),
    relayAddress: Effect.sync(() => Option.fromUndefinedOr(relayedAddress(settings.relay))),
    connectionCandidate,
    close: Effect.fnUntraced(function* (did) {
      yield* upkeep.leave(did)
      if (links !== undefined) yield* links.abandon(did)
      const entry = table.get(did)
      if (entry !== undefined) yield* table.dismiss(entry, "closed by this node", false)
    })
  })
  return { manager, links }
})
