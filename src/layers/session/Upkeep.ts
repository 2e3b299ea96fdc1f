/**
 * Staying connected: bootstrap peers, members with whom there was a session before, and members that were heard of are
 * dialled by themselves, and dialled again with growing pauses for as long as they are away. A change of this machine's
 * addresses ends the pauses at once and has every session checked.
 */
import { Clock, Deferred, Effect, Exit, FiberMap, Option, PubSub, Random, Stream } from "effect"
import type { Did } from "../../domain/did.ts"
import { peerExchangeDialFailures, peerExchangePeersDialed } from "../../domain/metrics.ts"
import { formatAddress } from "../../domain/peerAddress.ts"
import { goesOn, redialDelay } from "../../domain/redialPolicy.ts"
import { Metrics, report } from "../../services/Metrics.ts"
import type { PeerBook } from "../../services/PeerBook.ts"
import type { Session, SessionError, SessionEvent } from "../../services/SessionManager.ts"
import type { SessionSettings } from "./Settings.ts"
import type { Table } from "./Table.ts"
import type { Wire } from "./Wire.ts"

/** How often this machine's addresses are read. */
const addressesCheckMillis = 3000
/** Members kept connected beyond the configured ones: as many sessions as a small cooperative has members. */
const keptMax = 128

export interface UpkeepParts {
  readonly self: Did
  readonly table: Table
  readonly wire: Wire
  readonly book: PeerBook["Service"]
  readonly settings: SessionSettings
  readonly dial: (did: Did) => Effect.Effect<Session, SessionError>
  readonly events: PubSub.PubSub<SessionEvent>
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

/** Starts all of it in the surrounding scope. */
export const start = Effect.fnUntraced(function* (parts: UpkeepParts) {
  const { book, dial, events, self, settings, table, wire } = parts
  const metrics = yield* Metrics
  const configured = new Set(settings.bootstrapPeers.map(({ did }) => did.text))
  const kept = yield* FiberMap.make<string>()
  /** Completed and replaced when waiting has become pointless. */
  let nudge = Deferred.makeUnsafe<void>()

  const awaitGone = (did: Did): Effect.Effect<void> =>
    Effect.suspend(() => {
      const entry = table.get(did)
      return entry === undefined ? Effect.void : Effect.andThen(Deferred.await(entry.gone), awaitGone(did))
    })

  const keep = Effect.fnUntraced(function* (did: Did) {
    let failures = 0
    const isHeardOf = !configured.has(did.text)
    const tell = configured.has(did.text) ? bootstrapTeller() : ({ message }: SessionError) => Effect.logDebug(message)
    while (true) {
      if (isHeardOf) yield* metrics.inc(peerExchangePeersDialed, {})
      const session = yield* Effect.exit(dial(did))
      if (isHeardOf && Exit.isFailure(session)) yield* metrics.inc(peerExchangeDialFailures, {})
      if (Exit.isSuccess(session)) {
        const opened = session.value.openedAtMillis
        yield* awaitGone(did)
        failures = (yield* Clock.currentTimeMillis) - opened >= steadyMillisMin ? 0 : failures + 1
      } else {
        failures++
        const error = Option.getOrUndefined(Exit.findErrorOption(session))
        if (error !== undefined) yield* tell(error, failures)
        else yield* report("session_upkeep", session.cause)
      }
      if (!goesOn(settings.redial, failures, configured.has(did.text))) return
      const delay = redialDelay(settings.redial, failures, yield* Random.next)
      const nudged = nudge
      yield* Effect.timeoutOption(Deferred.await(nudged), delay)
    }
  })

  const keepConnected = Effect.fnUntraced(function* (did: Did) {
    if (did.text === self.text || FiberMap.hasUnsafe(kept, did.text)) return
    if (!configured.has(did.text) && (yield* FiberMap.size(kept)) >= keptMax + configured.size) return
    yield* FiberMap.run(kept, did.text, persistent(keep(did)))
  })

  const addressesKey = (): string => wire.listening().map(formatAddress).toSorted().join(" ")

  const onAddressChange = Effect.fnUntraced(function* () {
    yield* Effect.logInfo("this machine's addresses have changed")
    const before = nudge
    nudge = Deferred.makeUnsafe()
    yield* Deferred.succeed(before, undefined)
    // A session over an address that is gone does not answer any more.
    yield* Effect.forEach(
      table.open(),
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
  for (const { did } of settings.bootstrapPeers) yield* keepConnected(did)
  const subscription = yield* PubSub.subscribe(events)
  // Whoever came to us is kept as well, once there is an address to go to.
  const opened = Stream.fromSubscription(subscription).pipe(
    Stream.filter((event) => event._tag === "Opened"),
    Stream.runForEach(({ session }) => keepConnected(session.did))
  )
  yield* Effect.forkScoped(upheld(opened))
  for (const { did } of table.open()) yield* keepConnected(did)
  if (!settings.dialsHeardOf) return
  yield* Effect.forkScoped(upheld(Stream.runForEach(book.changes, keepConnected)), { startImmediately: true })
  for (const { did, hadSession } of yield* book.peers) if (hadSession) yield* keepConnected(did)
})
