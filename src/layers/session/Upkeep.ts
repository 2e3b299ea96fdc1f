/**
 * Staying connected: bootstrap peers, members with whom there was a session before, and members that were heard of are
 * dialled by themselves, and dialled again with growing pauses for as long as they are away. A change of this machine's
 * addresses ends the pauses at once and has every session checked. Who may be dialled at a time is decided by
 * domain/keptMembers.ts, and whom to leave alone by domain/partings.ts.
 */
import { Clock, Deferred, Effect, Exit, FiberMap, Latch, Option, PubSub, Random, type Scope, Stream } from "effect"
import type { Did } from "../../domain/did.ts"
import { KeptMembers, type Place, type Standing } from "../../domain/keptMembers.ts"
import { peerExchangeDialFailures, peerExchangePeersDialed } from "../../domain/metrics.ts"
import { formatAddress } from "../../domain/peerAddress.ts"
import { goesOn, redialDelay } from "../../domain/redialPolicy.ts"
import { Metrics, report } from "../../services/Metrics.ts"
import type { PeerBook } from "../../services/PeerBook.ts"
import type { Session, SessionError, SessionEvent } from "../../services/SessionManager.ts"
import type { Links } from "./link/Links.ts"
import type { SessionSettings } from "./Settings.ts"
import type { Table } from "./Table.ts"
import type { Wire } from "./Wire.ts"

/** How often this machine's addresses are read. */
const addressesCheckMillis = 3000

export interface UpkeepParts {
  readonly self: Did
  readonly table: Table
  readonly wire: Wire
  readonly book: PeerBook["Service"]
  readonly settings: SessionSettings
  readonly dial: (did: Did) => Effect.Effect<Session, SessionError>
  readonly events: PubSub.PubSub<SessionEvent>
  readonly links: Pick<Links, "addressesChanged"> | undefined
}

/** What keeps a bootstrap peer away is told again after this while it lasts. */
const tellAgainMillis = 600_000
/** Failures in a row before an absent bootstrap peer is told of: one that restarts is back by then. */
const absentFailuresMin = 3

/** Tells the operator why a bootstrap peer is not there, each reason once in a while; a wrong DID at once. */
const bootstrapTeller = () => {
  const toldAtMillis = new Map<string, number>()
  return Effect.fnUntraced(function* ({ message, reason: { _tag: tag } }: SessionError, failures: number) {
    if (tag !== "WrongPeer" && failures < absentFailuresMin) return yield* Effect.logDebug(message)
    const now = yield* Clock.currentTimeMillis
    if (now - (toldAtMillis.get(tag) ?? Number.NEGATIVE_INFINITY) < tellAgainMillis) {
      return yield* Effect.logDebug(message)
    }
    toldAtMillis.set(tag, now)
    yield* Effect.logWarning(`no session with a bootstrap peer, trying on: ${message}`)
  })
}

/** A session that ends sooner counts as a failure, or whoever ends each soon would be dialled every second. */
const steadyMillisMin = 5000

/** What stopped by a defect goes on after this. */
const restartMillis = 1000

/** Begins again after a defect, which is reported; done once the work has ended by itself. */
const persistent = (work: Effect.Effect<unknown>): Effect.Effect<void> =>
  Effect.asVoid(work).pipe(
    Effect.catchCause((cause) =>
      report("session_upkeep", cause).pipe(
        Effect.andThen(Effect.sleep(restartMillis)),
        Effect.andThen(Effect.suspend(() => persistent(work)))
      )
    )
  )

/** Goes on for ever. */
const upheld = (work: Effect.Effect<unknown>): Effect.Effect<never> =>
  Effect.forever(Effect.andThen(persistent(work), Effect.sleep(restartMillis)))

export interface Upkeep {
  /** Somebody asks for a member: it is kept again if it was left alone. */
  readonly resume: (did: Did) => Effect.Effect<void>
  /** Leaves a member alone until somebody here asks for it or it comes. */
  readonly leave: (did: Did) => Effect.Effect<void>
}

/** Starts all of it in the surrounding scope. */
export const start = Effect.fnUntraced(function* (parts: UpkeepParts): Effect.fn.Return<Upkeep, never, Scope.Scope> {
  const { book, dial, events, links, self, settings, table, wire } = parts
  const { partings } = table
  const metrics = yield* Metrics
  const scope = yield* Effect.scope
  const configured = new Set(settings.bootstrapPeers.map(({ did }) => did.text))
  const members = new KeptMembers()
  const fibers = yield* FiberMap.make<string>()
  /** Opened when there may be a place for whoever waits for one. */
  const vacancies = Latch.makeUnsafe()
  /** Completed and replaced when waiting has become pointless. */
  let nudge = Deferred.makeUnsafe<void>()

  const awaitGone = (did: Did): Effect.Effect<void> =>
    Effect.suspend(() => {
      const entry = table.get(did)
      return entry === undefined ? Effect.void : Effect.andThen(Deferred.await(entry.gone), awaitGone(did))
    })

  const mayDial = ({ did, standing }: Place): boolean => partings.allows(did, standing === "configured")

  const announceVacancy = (standing: Standing): void => {
    if (members.isAwaited(standing)) vacancies.openUnsafe()
  }

  /** Dials once; the failures in a row once the session, if it comes to one, is over. */
  const attempt = Effect.fnUntraced(function* (
    place: Place,
    failures: number,
    tell: ReturnType<typeof bootstrapTeller>
  ) {
    const { did, standing } = place
    const isConfigured = standing === "configured"
    if (!isConfigured) yield* metrics.inc(peerExchangePeersDialed, {})
    place.triedMillis = yield* Clock.currentTimeMillis
    const session = yield* Effect.exit(dial(did))
    if (Exit.isSuccess(session)) {
      if (!members.opened(place)) return undefined
      const opened = session.value.openedAtMillis
      yield* awaitGone(did)
      const isSteady = (yield* Clock.currentTimeMillis) - opened >= steadyMillisMin
      return isSteady && !partings.isClosedThere(did) ? 0 : failures + 1
    }
    if (!isConfigured) yield* metrics.inc(peerExchangeDialFailures, {})
    const error = Option.getOrUndefined(Exit.findErrorOption(session))
    if (error !== undefined) yield* tell(error, failures + 1)
    else yield* report("session_upkeep", session.cause)
    return failures + 1
  })

  /** Whoever was given up waits as long as between any two attempts. */
  const awaitTurn = Effect.fnUntraced(function* (place: Place) {
    if (!place.isOnce || place.triedMillis === undefined) return
    const left = place.triedMillis + settings.redial.maxMillis - (yield* Clock.currentTimeMillis)
    if (left > 0) yield* paused(place, Effect.sleep(left))
  })

  const paused = (place: Place, pause: Effect.Effect<unknown>): Effect.Effect<void> =>
    Effect.suspend(() => {
      place.isPausing = true
      announceVacancy(place.standing)
      return Effect.asVoid(pause)
    }).pipe(
      Effect.andThen(
        Effect.sync(() => {
          place.isPausing = false
        })
      )
    )

  const keep = Effect.fnUntraced(function* (place: Place) {
    let failures = 0
    const isConfigured = place.standing === "configured"
    const tell = isConfigured ? bootstrapTeller() : ({ message }: SessionError) => Effect.logDebug(message)
    yield* awaitTurn(place)
    while (mayDial(place)) {
      const failed = yield* attempt(place, failures, tell)
      // There is a session, and no place for one more member that was met.
      if (failed === undefined) return
      failures = failed
      if (!goesOn(settings.redial, place.isOnce ? Infinity : failures, isConfigured)) return members.giveUp(place)
      const delay = redialDelay(settings.redial, failures, yield* Random.next)
      yield* paused(place, Effect.timeoutOption(Deferred.await(nudge), delay))
    }
  })

  const keepConnected = Effect.fnUntraced(function* (did: Did, hadSession: boolean) {
    const standing = configured.has(did.text) ? "configured" : hadSession ? "met" : "heardOf"
    if (did.text === self.text || !partings.allows(did, standing === "configured")) return
    const offer = members.offer(did, standing)
    if (offer._tag !== "taken") return
    const { insteadOf, place } = offer
    if (insteadOf !== undefined) yield* FiberMap.remove(fibers, insteadOf.did.text)
    const left = Effect.sync(() => {
      members.leave(place)
      announceVacancy(place.standing)
    })
    yield* FiberMap.run(fibers, did.text, Effect.ensuring(persistent(keep(place)), left))
  })

  /** Whoever opened a session is one that was met, and is kept as such. */
  const onOpened = Effect.fnUntraced(function* ({ did }: Session) {
    const place = members.get(did)
    if (place === undefined) return yield* keepConnected(did, true)
    if (!members.opened(place)) yield* FiberMap.remove(fibers, did.text)
  })

  const onChange = (did: Did) =>
    Effect.flatMap(book.peer(did), (peer) => keepConnected(did, Option.isSome(peer) && peer.value.hadSession))

  /** Gives free places to members of the book that have not been tried, whoever was met first. */
  const fill = Effect.gen(function* () {
    yield* vacancies.await
    vacancies.closeUnsafe()
    members.reconsider()
    const waiting = (yield* book.peers).filter(({ did }) => members.get(did) === undefined && !members.isGivenUp(did))
    for (const hadSession of [true, false]) {
      for (const peer of waiting) {
        if (members.isAwaited(hadSession ? "met" : "heardOf")) break
        if (peer.hadSession === hadSession) yield* keepConnected(peer.did, hadSession)
      }
    }
  })

  const addressesKey = (): string => wire.listening().map(formatAddress).toSorted().join(" ")

  const onAddressChange = Effect.fnUntraced(function* () {
    yield* Effect.logInfo("this machine's addresses have changed")
    const before = nudge
    nudge = Deferred.makeUnsafe()
    yield* Deferred.succeed(before, undefined)
    if (links !== undefined) yield* Effect.forkIn(links.addressesChanged, scope)
    // A session over an address that is gone does not answer any more; a link finds another way by itself.
    yield* Effect.forEach(
      table.open().filter(({ attempt }) => attempt.link === undefined),
      Effect.fnUntraced(function* (entry) {
        if (!(yield* table.isAlive(entry))) yield* table.close(entry, "the path is gone")
      }),
      { concurrency: "unbounded", discard: true }
    )
  })

  let known = addressesKey()
  const watchAddresses = Effect.gen(function* () {
    while (true) {
      yield* Effect.sleep(addressesCheckMillis)
      const now = addressesKey()
      if (now === known) continue
      known = now
      yield* onAddressChange()
    }
  })

  yield* Effect.forkScoped(upheld(watchAddresses))
  for (const { did } of settings.bootstrapPeers) yield* keepConnected(did, false)
  const subscription = yield* PubSub.subscribe(events)
  // Whoever came to us is kept as well, once there is an address to go to.
  const opened = Stream.fromSubscription(subscription).pipe(
    Stream.filter((event) => event._tag === "Opened"),
    Stream.runForEach(({ session }) => onOpened(session))
  )
  yield* Effect.forkScoped(upheld(opened))
  for (const session of table.sessions()) yield* onOpened(session)
  const upkeep: Upkeep = {
    resume: (did) => Effect.suspend(() => (partings.clear(did) ? keepConnected(did, true) : Effect.void)),
    leave: (did) =>
      Effect.suspend(() => {
        partings.closedHere(did)
        return FiberMap.remove(fibers, did.text)
      })
  }
  if (!settings.dialsHeardOf) return upkeep
  yield* Effect.forkScoped(upheld(Stream.runForEach(book.changes, onChange)), { startImmediately: true })
  yield* Effect.forkScoped(upheld(Effect.forever(fill)))
  for (const { did, hadSession } of yield* book.peers) if (hadSession) yield* keepConnected(did, true)
  return upkeep
})
