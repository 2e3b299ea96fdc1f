/**
 * Staying connected: bootstrap peers, members with whom there was a session before, and members that were heard of are
 * dialled by themselves, and dialled again with growing pauses for as long as they are away. A change of this machine's
 * addresses ends the pauses at once and has every session checked.
 */
import { Deferred, Effect, Exit, FiberMap, Option, PubSub, Random, Stream } from "effect"
import type { Did } from "../../domain/did.ts"
import { formatAddress } from "../../domain/peerAddress.ts"
import { goesOn, redialDelay } from "../../domain/redialPolicy.ts"
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

/** Starts all of it in the surrounding scope. */
export const start = Effect.fnUntraced(function* (parts: UpkeepParts) {
  const { book, dial, events, self, settings, table, wire } = parts
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
    while (true) {
      const session = yield* Effect.exit(dial(did))
      if (Exit.isSuccess(session)) {
        failures = 0
        yield* awaitGone(did)
      } else {
        failures++
        const error = Option.getOrUndefined(Exit.findErrorOption(session))
        if (error !== undefined) yield* Effect.logDebug(error.message)
        if (!goesOn(settings.redial, failures, configured.has(did.text))) return
      }
      const delay = redialDelay(settings.redial, failures, yield* Random.next)
      const nudged = nudge
      yield* Effect.raceFirst(Effect.sleep(delay), Deferred.await(nudged))
    }
  })

  const keepConnected = Effect.fnUntraced(function* (did: Did) {
    if (did.text === self.text || FiberMap.hasUnsafe(kept, did.text)) return
    if (!configured.has(did.text) && (yield* FiberMap.size(kept)) >= keptMax + configured.size) return
    yield* FiberMap.run(kept, did.text, keep(did))
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

  const watchAddresses = Effect.gen(function* () {
    let known = addressesKey()
    while (true) {
      yield* Effect.sleep(addressesCheckMillis)
      const now = addressesKey()
      if (now === known) continue
      known = now
      yield* onAddressChange()
    }
  })

  yield* Effect.forkScoped(watchAddresses)
  for (const { did } of settings.bootstrapPeers) yield* keepConnected(did)
  const subscription = yield* PubSub.subscribe(events)
  // Whoever came to us is kept as well, once there is an address to go to.
  const opened = Stream.fromSubscription(subscription).pipe(
    Stream.filter((event) => event._tag === "Opened"),
    Stream.runForEach(({ session }) => keepConnected(session.did))
  )
  yield* Effect.forkScoped(opened)
  if (!settings.dialsHeardOf) return
  yield* Effect.forkScoped(Stream.runForEach(book.changes, keepConnected), { startImmediately: true })
  for (const { did, hadSession } of yield* book.peers) if (hadSession) yield* keepConnected(did)
})
