/**
 * Which members there are sessions with: one connection each, whoever dialled. Admits connections by the rules of
 * domain/sessionSettle.ts and the limits, leads them through the greeting, and forgets them when they are gone.
 */
import { Deferred, Effect, Exit, type Fiber, Option, PubSub, Scope } from "effect"
import { scopeOf } from "../../domain/addressScope.ts"
import type { Did } from "../../domain/did.ts"
import { formatBytes, parseIPv6 } from "../../domain/ipAddress.ts"
import { networkConnections, networkConnectionsRejected } from "../../domain/metrics.ts"
import { Partings } from "../../domain/partings.ts"
import { isSmaller, settle } from "../../domain/sessionSettle.ts"
import type { MetricsShape } from "../../services/Metrics.ts"
import {
  type Session,
  SessionClosed,
  SessionError,
  type SessionErrorReason,
  type SessionEvent
} from "../../services/SessionManager.ts"
import { ControlFailed, endFor } from "./Control.ts"
import * as Entries from "./Entry.ts"
import type { Entry } from "./Entry.ts"
import * as Settings from "./Settings.ts"
import type { WireAttempt, WireConnection } from "./Wire.ts"

/** An admitted attempt becomes a connection or is told to have failed within this; after it the place is free. */
const admittedMillisMax = 15_000
/** A goodbye that does not get through in this time is left unsaid. */
const goodbyeMillisMax = 500

/** What the table asks of the parts around it. */
export interface TableHooks {
  /** Says hello on a new connection and keeps its control stream running; returns once both have said hello. */
  readonly greet: (entry: Entry, connection: WireConnection) => Effect.Effect<void, Error>
  /** Whether an open session answers. */
  readonly answers: (entry: Entry, millis: number) => Effect.Effect<boolean>
}

export type Run = (effect: Effect.Effect<void>) => Fiber.Fiber<void>

/** Whether this attempt became that connection. */
const isOf = (connection: WireConnection, { dialler, link, remote }: WireAttempt): boolean =>
  connection.dialler === dialler &&
  connection.link === link &&
  // The way of a link may have changed meanwhile.
  (link !== undefined || (connection.remote.host === remote.host && connection.remote.port === remote.port))

/** Whose address it is: one machine is given a whole IPv6 /64 (RFC 6177), so that is what counts. */
export const sourceOf = (host: string): string => {
  const bytes = scopeOf(host) === "public" ? parseIPv6(host) : undefined
  return bytes === undefined ? host : formatBytes(Uint8Array.from([...bytes.subarray(0, 8), ...new Uint8Array(8)]))
}

export class Table {
  readonly #self: Did
  readonly #settings: Settings.SessionSettings
  readonly #metrics: MetricsShape
  readonly #events: PubSub.PubSub<SessionEvent>
  readonly #run: Run
  readonly #entries = new Map<string, Entry>()
  /** Members that this node is dialling, with what completes when that has ended. */
  readonly dialling = new Map<string, Deferred.Deferred<void>>()
  /** Whom this node does not go back to by itself. */
  readonly partings = new Partings()
  /** Nobody is admitted any more. */
  #stopping = false
  hooks: TableHooks = { greet: () => Effect.void, answers: () => Effect.succeed(false) }

  constructor(
    self: Did,
    settings: Settings.SessionSettings,
    metrics: MetricsShape,
    events: PubSub.PubSub<SessionEvent>,
    run: Run
  ) {
    this.#self = self
    this.#settings = settings
    this.#metrics = metrics
    this.#events = events
    this.#run = run
  }

  get(did: Did): Entry | undefined {
    return this.#entries.get(did.text)
  }

  /** Sessions, and connections that may become one. */
  get size(): number {
    return this.#entries.size
  }

  /** Members whose sessions are open. */
  open(): ReadonlyArray<Entry> {
    return [...this.#entries.values()].filter(({ stage }) => stage._tag === "Open")
  }

  sessions(): ReadonlyArray<Session> {
    return this.open().flatMap((entry) => Entries.sessionOf(entry) ?? [])
  }

  /** The entry that this very connection belongs to. */
  of(connection: WireConnection): Entry | undefined {
    const entry = this.#entries.get(connection.did.text)
    return entry !== undefined && entry.stage._tag !== "Admitted" && entry.stage.connection === connection
      ? entry
      : undefined
  }

  /** Whether one more handshake from this source is allowed. */
  admitSource(host: string): boolean {
    if (!this.#hasRoomFor(host)) {
      this.#run(this.#metrics.inc(networkConnectionsRejected, { reason: "address" }))
      return false
    }
    return !this.#stopping
  }

  #hasRoomFor(host: string): boolean {
    const source = sourceOf(host)
    let count = 0
    for (const { attempt, dialler, remote } of this.#entries.values()) {
      // Links are made by invitation, many of them over one TURN server.
      if (dialler === "peer" && attempt.link === undefined && sourceOf(remote.host) === source) count++
    }
    return count < this.#settings.connectionsPerAddressMax
  }

  /** Whether a connection may stay. While it says so, the member's place is taken. */
  readonly admit = (attempt: WireAttempt): Effect.Effect<boolean> =>
    Effect.gen({ self: this }, function* () {
      const selfIsSmaller = isSmaller(this.#self.text, attempt.did.text)
      if (attempt.did.text === this.#self.text) return false
      if (attempt.dialler === "peer" && selfIsSmaller) yield* this.#awaitOwnDial(attempt.did)
      // What stands in the way may be followed by another one, but hardly twice.
      for (let round = 0; round < 3; round++) {
        const present = this.#entries.get(attempt.did.text)
        if (present === undefined) return yield* this.#reserve(attempt)
        const settlement = settle(selfIsSmaller, present.dialler, attempt.dialler)
        if (settlement === "refuse") return false
        if (settlement === "probe" && (yield* this.isAlive(present))) return false
        yield* this.close(present, "replaced by a newer connection")
      }
      return false
    })

  /** An own dial to the member has precedence over its dial, if it comes to something soon. */
  #awaitOwnDial(did: Did): Effect.Effect<void> {
    const dial = this.dialling.get(did.text)
    if (dial === undefined || this.#entries.has(did.text)) return Effect.void
    return Effect.ignore(Effect.timeoutOption(Deferred.await(dial), Settings.ownDialMillisMax))
  }

  #reserve(attempt: WireAttempt): Effect.Effect<boolean> {
    if (this.#stopping) return Effect.succeed(false)
    if (this.#entries.size >= this.#settings.connectionsMax) {
      return Effect.as(this.#metrics.inc(networkConnectionsRejected, { reason: "limit" }), false)
    }
    // Asked again, since many handshakes from one source may have begun before the first of them was admitted.
    const isStranger = attempt.dialler === "peer" && attempt.link === undefined
    if (isStranger && !this.#hasRoomFor(attempt.remote.host)) {
      return Effect.as(this.#metrics.inc(networkConnectionsRejected, { reason: "address" }), false)
    }
    const entry = Entries.make(attempt)
    this.#entries.set(attempt.did.text, entry)
    const expire = Effect.andThen(
      Effect.sleep(admittedMillisMax),
      Effect.sync(() => {
        if (entry.stage._tag === "Admitted") this.#forget(entry, "the connection did not come up")
      })
    )
    this.#run(Effect.asVoid(Effect.forkIn(expire, entry.scope)))
    return Effect.succeed(true)
  }

  /** Whether the session answers; one that is still greeting has as long as the probe. */
  readonly isAlive = (entry: Entry): Effect.Effect<boolean> =>
    // One that is gone meanwhile does not answer any more, and nobody should wait for that.
    Effect.raceFirst(this.#answers(entry), Effect.as(Deferred.await(entry.gone), false))

  #answers(entry: Entry): Effect.Effect<boolean> {
    return Effect.gen({ self: this }, function* () {
      if (entry.stage._tag !== "Open") {
        const greeted = yield* Effect.exit(Deferred.await(entry.opened)).pipe(
          Effect.timeoutOption(Settings.probeMillisMax)
        )
        return Option.isSome(greeted) && Exit.isSuccess(greeted.value)
      }
      return yield* this.hooks.answers(entry, Settings.probeMillisMax)
    })
  }

  /** An admitted attempt came to nothing. */
  readonly abandoned = (attempt: WireAttempt): void => {
    const entry = this.#entries.get(attempt.did.text)
    if (entry?.stage._tag === "Admitted" && entry.attempt === attempt) {
      this.#forget(entry, "the connection was lost before it was up")
    }
  }

  /** An admitted attempt became a connection: greets, and opens the session or ends the connection. */
  readonly opened = (connection: WireConnection): void => {
    const entry = this.#entries.get(connection.did.text)
    if (entry?.stage._tag !== "Admitted" || !isOf(connection, entry.attempt)) {
      return connection.close("it was not admitted")
    }
    entry.stage = { _tag: "Greeting", connection }
    // Before the greeting, as the member may say goodbye right after it.
    this.partings.clear(entry.did)
    const greeting = this.hooks.greet(entry, connection).pipe(
      Effect.timeoutOrElse({
        duration: Settings.greetingMillisMax,
        orElse: () => Effect.fail(new ControlFailed({ reason: "silence", detail: "it did not say hello in time" }))
      }),
      Effect.andThen(this.#opened(entry)),
      Effect.catchCause((cause) => endFor(this.#metrics, connection, cause))
    )
    this.#run(Effect.asVoid(Effect.forkIn(greeting, entry.scope, { startImmediately: true })))
  }

  #opened(entry: Entry): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const session = Entries.sessionOf(entry)
      if (session === undefined) return
      yield* Deferred.succeed(entry.opened, session)
      yield* this.#metrics.inc(networkConnections, { direction: session.direction })
      yield* PubSub.publish(this.#events, { _tag: "Opened", session })
    })
  }

  readonly closed = (connection: WireConnection, reason: string): void => {
    const entry = this.of(connection)
    if (entry !== undefined) this.#forget(entry, entry.dismissal ?? reason)
  }

  /** The session goes on over another way. */
  readonly pathChanged = (did: Did): void => {
    const path = this.session(did)?.path
    if (path !== undefined) this.run(Effect.asVoid(PubSub.publish(this.#events, { _tag: "PathChanged", did, path })))
  }

  /** Frees the member's place and ends everything that ran for it. */
  #forget(entry: Entry, reason: string): void {
    if (this.#entries.get(entry.did.text) !== entry) return
    this.#entries.delete(entry.did.text)
    const wasOpen = entry.stage._tag === "Open"
    const error = new SessionError({ peer: entry.did.text, reason: new SessionClosed({ detail: reason }) })
    Deferred.doneUnsafe(entry.opened, Effect.fail(error))
    Deferred.doneUnsafe(entry.gone, Effect.void)
    // The effect makes room in a full buffer by dropping the oldest; `publishUnsafe` would drop this one.
    if (wasOpen) this.run(Effect.asVoid(PubSub.publish(this.#events, { _tag: "Closed", did: entry.did, reason })))
    this.#run(Scope.close(entry.scope, Exit.void))
  }

  /** Closes a session and waits until it is gone for everybody on this side. */
  readonly close = (entry: Entry, reason: string): Effect.Effect<void> =>
    Effect.gen({ self: this }, function* () {
      if (entry.stage._tag === "Admitted") return this.#forget(entry, reason)
      const { connection } = entry.stage
      connection.close(reason)
      yield* Effect.ignore(Effect.timeoutOption(connection.closed, Settings.goneMillisMax))
      this.#forget(entry, reason)
    })

  /**
   * Says goodbye, so that the member knows that it was no accident, and whether to come back. Closed from here at once
   * that would often be lost, so the member, to whom it matters that it is not wanted, is given time to close.
   */
  readonly dismiss = (entry: Entry, reason: string, redial: boolean): Effect.Effect<void> => {
    const { stage } = entry
    entry.dismissal = reason
    const bye = stage._tag === "Open" ? stage.control.send({ _tag: "Bye", reason, redial }) : Effect.void
    const heard = redial || stage._tag !== "Open" ? Effect.void : Deferred.await(entry.gone)
    return Effect.andThen(
      Effect.ignore(Effect.timeoutOption(Effect.andThen(bye, heard), goodbyeMillisMax)),
      this.close(entry, reason)
    )
  }

  /** Dismisses everybody, and lets nobody in again. */
  readonly goodbye = (reason: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      this.#stopping = true
      return Effect.forEach([...this.#entries.values()], (entry) => this.dismiss(entry, reason, true), {
        concurrency: "unbounded",
        discard: true
      })
    })

  session(did: Did): Session | undefined {
    const entry = this.#entries.get(did.text)
    return entry === undefined ? undefined : Entries.sessionOf(entry)
  }

  /** What there is to say where a session was a moment ago. */
  readonly lost = (did: Did): Effect.Effect<never, SessionError> =>
    Effect.fail(sessionError(did, new SessionClosed({ detail: "the connection was lost" })))

  /** Runs an effect that nobody waits for. */
  run(effect: Effect.Effect<void>): void {
    this.#run(effect)
  }

  /** The session of an entry once it is open. */
  readonly awaitOpen = (entry: Entry): Effect.Effect<Session, SessionError> => Deferred.await(entry.opened)
}

/** A failure with a member. */
export const sessionError = (did: Did, reason: SessionErrorReason): SessionError =>
  new SessionError({ peer: did.text, reason })
