/**
 * Links with members: each is made by an offer and an answer, finds ways between the two sides by checks, and carries
 * one QUIC connection over whichever is the best of them (RFC 8445 and RFC 7675 in spirit). The smaller DID dials and
 * chooses the way. A link lives as long as its session, and a session that ends takes its link along.
 */
import { Cause, Clock, Deferred, Effect, Option, type PubSub, Result, Schedule, Scope, Stream } from "effect"
import { randomBytes } from "node:crypto"
import type { Did } from "../../../domain/did.ts"
import { type LinkCandidate, permittedHosts } from "../../../domain/linkCandidate.ts"
import { type LinkOffer, type LinkOfferKind, linkIdLength } from "../../../domain/linkOffer.ts"
import { LinkRefusals } from "../../../domain/linkRefusals.ts"
import * as Metric from "../../../domain/metrics.ts"
import { isSmaller } from "../../../domain/sessionSettle.ts"
import { Metrics, reportAndIgnore } from "../../../services/Metrics.ts"
import { type SessionEvent, SessionListenFailed } from "../../../services/SessionManager.ts"
import { Udp } from "../../../services/Udp.ts"
import type * as Settings from "../Settings.ts"
import type { Signalling } from "../Signalling.ts"
import { steadyMillisOf } from "../steadyTime.ts"
import type { Table } from "../Table.ts"
import type { WireConnection, WireLinks } from "../Wire.ts"
import * as BindingResponder from "./BindingResponder.ts"
import { type Link, LinkFailed, secretOf } from "./Link.ts"
import * as Drivers from "./LinkDriver.ts"
import * as LinkSocket from "./LinkSocket.ts"
import { LinkSwitch } from "./LinkSwitch.ts"
import * as LinkTables from "./LinkTable.ts"
import * as Loopback from "./Loopback.ts"
import { make as makeNatWatch, type NatWatch } from "./NatWatch.ts"
import type { Reflexive } from "./Reflexive.ts"
import * as RelayPorts from "./RelayPort.ts"
import * as Tellings from "./Telling.ts"
import * as Whereabouts from "./Whereabouts.ts"

/** An answer that does not come in this time is asked for again, twice. */
const answerMillisMax = 2500
const offersMax = 2
/** How often, and at what times, neighbours are asked that take no more for now. */
const whileLimited = { times: 8, schedule: Schedule.spaced(500) }
/** How long the first answers of STUN servers are waited for before an offer goes out without them. */
const gatherMillisMax = 1000
/** From the first way to the session: the handshake, and the greeting. */
const sessionMillisMax = 15_000

export interface LinksParts {
  readonly self: Did
  readonly table: Pick<Table, "open" | "get" | "isAlive" | "close" | "run" | "pathChanged">
  readonly wire: WireLinks
  readonly signalling: Signalling
  readonly settings: Settings.SessionSettings
  readonly options: Settings.LinkSettings
  readonly events: PubSub.PubSub<SessionEvent>
}

export interface Links {
  /** The UDP port of the link socket. */
  readonly port: number
  /** Makes a link and a session over it. Succeeds as well when another session with the member comes up first. */
  readonly connect: (did: Did) => Effect.Effect<void, LinkFailed>
  /** To be told of every connection, whatever carries it. */
  readonly opened: (connection: WireConnection) => void
  readonly closed: (connection: WireConnection) => void
  /** The member is not wanted any more: ends a link that has no session yet. */
  readonly abandon: (did: Did) => Effect.Effect<void>
  /** This machine's addresses are not what they were. */
  readonly addressesChanged: Effect.Effect<void>
  readonly reflexive: Reflexive
  readonly socket: LinkSocket.LinkSocket
  readonly links: () => ReadonlyArray<Link>
  readonly nat: NatWatch
}

const noSession = (detail: string): LinkFailed => new LinkFailed({ reason: "noSession", detail })

const idText = (id: Uint8Array): string => Buffer.from(id).toString("base64url")

/** Opens the link socket; links are made until the scope closes. */
export const make = Effect.fnUntraced(function* (
  parts: LinksParts
): Effect.fn.Return<Links, SessionListenFailed, Scope.Scope> {
  const { options, self, settings, signalling, table, wire } = parts
  const { udp } = options
  const metrics = yield* Metrics
  const clock = yield* Clock.Clock
  const now = () => steadyMillisOf(clock)
  const socket = yield* LinkSocket.open(options).pipe(
    Effect.provideService(Udp, udp),
    Effect.mapError(
      ({ code, target }) => new SessionListenFailed({ address: `${target} (links)`, detail: code, key: "link_port" })
    )
  )
  const relay = yield* RelayPorts.make(settings.relay, options.relayLimits)
  const responder = yield* BindingResponder.make(socket)
  const packets = new LinkSwitch({
    socket,
    relay,
    responder,
    run: (effect) => table.run(effect),
    now,
    randomBytes: (length) => randomBytes(length)
  })
  const whereabouts = yield* Whereabouts.make(socket, relay, table, settings, options)
  const { reflexive } = whereabouts
  // Ends before the sockets that links use, so that the last words of sessions get through when the node stops.
  const scope = yield* Scope.fork(yield* Effect.scope)
  const links = yield* LinkTables.make({ self, table, wire, socket, relay, packets, whereabouts, options }).pipe(
    Scope.provide(scope)
  )
  const { begin, close } = links
  /** Where each member was told last that this node may be reached. */
  const told = new WeakMap<Link, string>()
  const refusals = new LinkRefusals()
  const send = (link: Link, kind: LinkOfferKind) =>
    Effect.suspend(() => {
      const candidates = kind === "refusal" ? [] : whereabouts.candidates()
      told.set(link, Whereabouts.textOf(candidates))
      const { did: to, id: linkId, local } = link
      return signalling.send({ kind, to, linkId, ufrag: local.ufrag, password: local.password, candidates })
    })

  /** The relay lets in the addresses from which the member may come: those of the internet, and relayed ones. */
  const permit = (link: Link, remote: ReadonlyArray<LinkCandidate>): void => {
    const release = link.releasePermits
    link.releasePermits = relay.permit(permittedHosts(remote))
    release()
  }

  const telling = Tellings.make(links, (link) => send(link, "update"), reflexive.refresh)
  const onLost = (link: Link): Effect.Effect<unknown> => {
    // Without a session this is a member that is gone, or that has given the link up: another one is for the better.
    if (link.state !== "up") return Deferred.fail(link.up, noSession("the way was lost before a session came up"))
    return telling.lost(link)
  }

  const driver = Drivers.make({ packets, relay, metrics, links, onPath: (did) => table.pathChanged(did), onLost })

  /** The member's side is known: from here on both look for ways. */
  const takeRemote = Effect.fnUntraced(function* (link: Link, offer: LinkOffer) {
    const secret = secretOf(offer)
    // The offer's codec lets no other in.
    if (Result.isFailure(secret)) return
    link.remote = secret.success
    permit(link, offer.candidates)
    link.agent.setRemote(offer.candidates, now())
    link.wake.openUnsafe()
  })

  /** From the first way to the session. */
  const carry = Effect.fnUntraced(function* (link: Link) {
    const send = (payload: Uint8Array): void => packets.send(link, payload)
    const opened = link.controlling ? Loopback.towardsClient(send) : Loopback.towardsListener(wire.port(), send)
    const loopback = yield* opened.pipe(
      Effect.provideService(Udp, udp),
      Scope.provide(link.scope),
      Effect.mapError(({ message }) => noSession(message))
    )
    link.loopback = loopback
    wire.add(loopback.port, link.did, link)
    yield* Effect.forkIn(driver.drive(link).pipe(reportAndIgnore("network")), link.scope, { startImmediately: true })
    yield* Deferred.await(link.found)
    const handshake = wire.dial(loopback.port).pipe(
      Effect.mapError(({ detail }) => noSession(detail)),
      // The handshake may be lost on a way that is going; the table waits for what comes late.
      Effect.timeoutOption(settings.dialTimeoutMillis)
    )
    const session = Effect.timeoutOrElse(Deferred.await(link.up), {
      duration: sessionMillisMax,
      orElse: () => Effect.fail(noSession("a way was found, but no session came up"))
    })
    // What fails meanwhile ends the handshake too; what succeeds lets it come to its end.
    const failed = Effect.andThen(Deferred.await(link.up), Effect.never)
    yield* Effect.raceFirst(link.controlling ? Effect.andThen(handshake, session) : session, failed)
  })

  /** Runs the course of a link, which ends with it; whatever goes wrong before its session is up ends the link. */
  const course = (link: Link, work: Effect.Effect<void, LinkFailed>) => {
    const ended = Effect.fnUntraced(function* (cause: Cause.Cause<LinkFailed>) {
      // Whoever ended the link has said why.
      if (Cause.hasInterruptsOnly(cause)) return
      const failed = Option.getOrUndefined(Cause.findErrorOption(cause))
      if (failed !== undefined) return yield* close(link, failed)
      yield* Effect.failCause(cause).pipe(reportAndIgnore("network"))
      yield* close(link, new LinkFailed({ reason: "closed", detail: "the link was given up" }))
    })
    // What ends the link interrupts this as well, but not before it is told and counted.
    return Effect.forkIn(
      Effect.uninterruptibleMask((restore) => Effect.catchCause(restore(work), ended)),
      link.scope,
      { startImmediately: true }
    )
  }

  /** The first round of questions, where it is not over yet. */
  const gathered = Effect.timeoutOption(reflexive.began, gatherMillisMax)

  /** Neighbours that take no more for now take it soon: a node that starts makes many links at once. */
  const insist = (link: Link, kind: "offer" | "answer") =>
    Effect.mapError(
      Effect.retry(send(link, kind), { while: ({ reason }) => reason === "limited", ...whileLimited }),
      ({ message }) => new LinkFailed({ reason: "noRoute", detail: message })
    )

  const offer = Effect.fnUntraced(function* (link: Link) {
    yield* gathered
    for (let tried = 0; tried < offersMax; tried++) {
      yield* insist(link, "offer")
      const answer = yield* Effect.timeoutOption(Deferred.await(link.answered), answerMillisMax)
      if (Option.isSome(answer)) return yield* carry(link)
    }
    return yield* new LinkFailed({ reason: "noAnswer", detail: "the member did not answer the offer of a link" })
  })

  const answer = Effect.fnUntraced(function* (link: Link, from: LinkOffer) {
    yield* gathered
    yield* takeRemote(link, from)
    yield* insist(link, "answer")
    yield* carry(link)
  })

  /** Whether there is a session that answers, which the member then has, too. */
  const hasSession = Effect.fnUntraced(function* (did: Did) {
    const entry = table.get(did)
    if (entry === undefined) return false
    if (yield* table.isAlive(entry)) return true
    if (table.get(did) === entry) yield* table.close(entry, "the member makes a new link")
    return false
  })

  const onOffer: (did: Did, from: LinkOffer) => Effect.Effect<void, LinkFailed> = Effect.fnUntraced(
    function* (did, from) {
      const present = links.get(did)
      // Both offer at once: the smaller one's offer stands, and will be answered.
      if (present?.state === "new" && present.offered && isSmaller(self.text, did.text)) return
      // The same offer again: the answer was lost.
      if (present !== undefined && !present.offered && idText(present.id) === idText(from.linkId)) {
        return yield* Effect.ignore(send(present, "answer"))
      }
      if (yield* hasSession(did)) {
        yield* Effect.logDebug(`${did.text} offers a link, but there is a session that answers`)
        return
      }
      // Or the member gave it up meanwhile.
      if (refusals.has(did, from.linkId, now())) return
      const before = links.get(did)
      // The same offer came again meanwhile, say, or somebody here has begun a link.
      if (before !== present && before !== undefined) return yield* onOffer(did, from)
      // Whoever waits for the link that goes waits for the one that comes.
      const up = before !== undefined && before.state !== "up" ? before.up : undefined
      if (before !== undefined) yield* links.replace(before)
      yield* Effect.uninterruptible(
        Effect.flatMap(begin(did, from.linkId, false, up), (link) => {
          link.state = "connecting"
          return course(link, answer(link, from))
        })
      )
    }
  )

  const onMessage = Effect.fnUntraced(function* (did: Did, message: LinkOffer) {
    // What is given up is so, too, where its offer comes later.
    if (message.kind === "refusal") refusals.add(did, message.linkId, now())
    else if (refusals.has(did, message.linkId, now())) return
    if (message.kind === "offer") return yield* Effect.ignore(onOffer(did, message))
    const link = links.get(did)
    if (link === undefined || idText(link.id) !== idText(message.linkId)) return
    if (message.kind === "refusal") {
      const refused = new LinkFailed({ reason: "refused", detail: "the member wants no link" })
      return link.state === "up" ? undefined : yield* close(link, refused)
    }
    const isBegun = link.state !== "new"
    if (message.kind === "answer" && (!link.offered || isBegun)) return
    // An update before the answer is a newer one.
    if (!isBegun) link.state = "connecting"
    yield* takeRemote(link, message)
    yield* Deferred.succeed(link.answered, undefined)
    // What came up while the offer was under way, such as a relay.
    if (!isBegun && told.get(link) !== Whereabouts.textOf(whereabouts.candidates()))
      yield* Effect.ignore(send(link, "update"))
  })

  const tell = (): void => table.run(Effect.asVoid(Effect.forkIn(telling.all, scope)))

  /** There is somebody new to ask where this node is seen. */
  const ask = (): void => table.run(Effect.asVoid(Effect.forkIn(reflexive.refresh, scope)))
  const isConfigured = new Set(settings.bootstrapPeers.map(({ did }) => did.text))
  const opened = Stream.fromPubSub(parts.events).pipe(
    Stream.runForEach((event) =>
      Effect.sync(() => {
        if (event._tag === "Opened" && isConfigured.has(event.session.did.text)) ask()
      })
    )
  )
  yield* Effect.forkScoped(opened, { startImmediately: true })

  let relayed: string | undefined
  relay.onChange(() => {
    const state = relay.state()
    const address = state === undefined ? undefined : `${state.relayedAddress.host}:${state.relayedAddress.port}`
    for (const link of links.all()) {
      // Another allocation is another way, though it goes through the same server, and has no channels yet.
      if (address !== relayed) {
        link.agent.setRelay(undefined, now())
        link.channels.clear()
      }
      if (state !== undefined) link.agent.setRelay(relay.family(), now())
      link.wake.openUnsafe()
    }
    const isNew = address !== undefined && address !== relayed
    relayed = address
    if (isNew) tell()
    // The TURN server also says where it sees the link socket.
    if (isNew) ask()
  })
  yield* Effect.forkScoped(Stream.runForEach(reflexive.changes, () => telling.all))
  const nat = yield* makeNatWatch(reflexive, options)

  signalling.onOffer((from, message) => onMessage(from, message).pipe(reportAndIgnore("network")))
  yield* metrics.sample(Metric.linkDroppedPackets, { reason: "stray" }, () => packets.statistics.strayPackets)
  const { statistics } = packets
  const malformed = () => statistics.malformedPackets + socket.statistics().stunDropped
  const heldBack = () => statistics.checksHeldBack + socket.statistics().refused
  yield* metrics.sample(Metric.linkDroppedPackets, { reason: "malformed" }, malformed)
  yield* metrics.sample(Metric.linkDroppedPackets, { reason: "noFamily" }, () => socket.statistics().unsendable)
  yield* metrics.sample(Metric.linkChecksHeldBack, {}, heldBack)
  yield* metrics.sample(Metric.linkChecksRefused, {}, () => packets.statistics.checksRefused)
  yield* metrics.sample(Metric.linkBindingAnswers, { result: "answered" }, () => responder.statistics().answered)
  yield* metrics.sample(Metric.linkBindingAnswers, { result: "limited" }, () => responder.statistics().limited)

  return {
    port: socket.port,
    connect: Effect.fnUntraced(function* (did) {
      const present = links.get(did)
      if (present !== undefined) {
        const joined = yield* Effect.result(LinkTables.awaitUp(present))
        // What the member began and gave up is no answer to whoever asks here.
        const isOver = Result.isFailure(joined) && joined.failure.reason !== "closed" && links.get(did) === undefined
        if (present.offered || !isOver) return yield* Effect.fromResult(joined)
      }
      // Whoever loses interest leaves behind a link that goes its way, never one that nobody looks after.
      const link = yield* Effect.uninterruptible(
        Effect.tap(begin(did, randomBytes(linkIdLength), true), (begun) => course(begun, offer(begun)))
      )
      return yield* LinkTables.awaitUp(link)
    }),
    opened: (connection) => {
      const link = links.get(connection.did)
      if (link === undefined) return
      if (connection.link === link) {
        link.state = "up"
        Deferred.doneUnsafe(link.up, Effect.void)
      } else if (link.state !== "up") {
        // Another way to the member came first; whoever waits for a session has one.
        Deferred.doneUnsafe(link.up, Effect.void)
        table.run(close(link, new LinkFailed({ reason: "closed", detail: "another session came up" })))
      }
    },
    closed: (connection) => {
      const link = links.get(connection.did)
      if (link === undefined || connection.link !== link) return
      table.run(close(link, new LinkFailed({ reason: "closed", detail: "its session has ended" })))
    },
    abandon: (did) =>
      Effect.suspend(() => {
        const link = links.get(did)
        if (link === undefined || link.state === "up") return Effect.void
        // The member has nothing to wait for either.
        const tell = Effect.forkIn(Effect.ignore(send(link, "refusal")), scope)
        const error = new LinkFailed({ reason: "closed", detail: "closed by this node" })
        return Effect.andThen(tell, close(link, error))
      }),
    addressesChanged: Effect.gen(function* () {
      for (const link of links.all()) {
        link.agent.localAddressesChanged(whereabouts.hosts(), now())
        link.wake.openUnsafe()
      }
      // The allocation belongs to the address that is gone.
      yield* Effect.forkIn(relay.probe, scope)
      yield* reflexive.refresh
      yield* telling.all
    }),
    reflexive,
    socket,
    links: links.all,
    nat
  }
})
