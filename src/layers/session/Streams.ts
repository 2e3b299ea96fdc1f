/**
 * Streams of frames between members: opening them, serving protocols, and the limits on both. A handler runs for each
 * stream that a member opens; when it is done the stream is ended, when it fails the stream is reset.
 */
import { Cause, Clock, Deferred, Effect, Exit, FiberSet, type Scope, Stream } from "effect"
import type { Did } from "../../domain/did.ts"
import * as Metric from "../../domain/metrics.ts"
import * as TokenBucket from "../../domain/tokenBucket.ts"
import { controlProtocol } from "../../protocol/sessionControl.ts"
import { Metrics, type MetricsShape, report } from "../../services/Metrics.ts"
import {
  ProtocolUnsupported,
  SessionClosed,
  SessionError,
  SessionLimitReached,
  type SessionStream,
  SessionTimeout,
  type StreamHandler
} from "../../services/SessionManager.ts"
import type { Entry } from "./Entry.ts"
import * as FrameStream from "./FrameStream.ts"
import * as Settings from "./Settings.ts"
import { sessionError, type Table } from "./Table.ts"
import type { Wire, WireConnection, WireStream, WireStreamFailed } from "./Wire.ts"

/** Failures of handlers that are logged: a member can cause as many as it likes, and must not fill the disk. */
const failuresLogged = { ratePerSecond: 1, burst: 20 }

/** What a served protocol does with a new stream. */
type Serve = (stream: FrameStream.FrameStream) => void

/** Payload of all sessions since the start, for metrics. */
export interface Traffic {
  framesIn: number
  framesOut: number
  bytesIn: number
  bytesOut: number
}

export interface StreamsParts {
  readonly wire: Wire
  readonly table: Table
  readonly metrics: MetricsShape
  readonly settings: Settings.SessionSettings
  readonly traffic: Traffic
}

export interface Streams {
  readonly open: (entry: Entry, protocol: string) => Effect.Effect<SessionStream, SessionError, Scope.Scope>
  readonly handle: <E, R>(
    self: Did,
    protocol: string,
    handler: StreamHandler<E, R>
  ) => Effect.Effect<void, SessionError, Scope.Scope | R>
  /** A member opened a stream. */
  readonly accept: (connection: WireConnection, protocol: string, stream: WireStream) => void
}

const refusal = (did: Did, protocol: string, { detail, reason }: WireStreamFailed): SessionError => {
  switch (reason) {
    case "unsupported":
      return sessionError(did, new ProtocolUnsupported({ protocol }))
    case "limit":
      return sessionError(did, new SessionLimitReached({ what: "streams", max: Settings.streamsPerProtocolMax }))
    case "closed":
      return sessionError(did, new SessionClosed({ detail }))
  }
}

/** A stream that is let go before both sides have ended it is given up. */
const letGo = (stream: FrameStream.FrameStream): Effect.Effect<void> =>
  Effect.suspend(() => (stream.isComplete() ? Effect.void : stream.reset))

/** Whether all that went wrong is that the member's stream was cut, which the member can do as often as it likes. */
const isOfStream = (stream: FrameStream.FrameStream, cause: Cause.Cause<unknown>): boolean =>
  cause.reasons.every(
    (reason) =>
      Cause.isFailReason(reason) && reason.error instanceof SessionError && reason.error.peer === stream.peer.text
  )

/**
 * Runs a handler to its end, and then ends or resets the stream. What the other side still sends is read and dropped,
 * or it would wait for room for ever.
 */
const serveOne = <E, R>(
  handler: StreamHandler<E, R>,
  stream: FrameStream.FrameStream,
  tell: (cause: Cause.Cause<unknown>) => Effect.Effect<void>
): Effect.Effect<void, never, R> =>
  Effect.andThen(handler(stream), stream.end).pipe(
    Effect.andThen(Effect.ignore(Stream.runDrain(stream.frames))),
    Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : stream.reset)),
    Effect.catchCause((cause) =>
      isOfStream(stream, cause) ? Effect.logDebug("the stream was cut", cause) : tell(cause)
    ),
    Effect.annotateLogs({ peer: stream.peer.text, protocol: stream.protocol })
  )

export const make = ({ metrics, settings, table, traffic, wire }: StreamsParts): Streams => {
  const served = new Map<string, Serve>()
  let logBucket: TokenBucket.TokenBucket | undefined

  /** A failed handler: always counted, and logged as long as it is not a flood. */
  const tell = Effect.fnUntraced(function* (cause: Cause.Cause<unknown>) {
    const now = yield* Clock.currentTimeMillis
    const taken = TokenBucket.take(failuresLogged, logBucket ?? TokenBucket.full(failuresLogged, now), now, 1)
    logBucket = taken.bucket
    if (!taken.admitted) return yield* metrics.errorInc("session_handler")
    // Wherever the handler was given from, it is this node's figure.
    yield* Effect.provideService(report("session_handler", cause), Metrics, metrics)
  })

  const observe = (entry: Entry, closed: () => void): FrameStream.FrameStreamObserver => ({
    received: (bytes) => {
      entry.bytesIn += bytes
      traffic.bytesIn += bytes
      traffic.framesIn++
    },
    sent: (bytes) => {
      entry.bytesOut += bytes
      traffic.bytesOut += bytes
      traffic.framesOut++
    },
    closed
  })

  const openWire = Effect.fnUntraced(function* (entry: Entry, protocol: string) {
    const { stage } = entry
    if (stage._tag !== "Open") {
      return yield* sessionError(entry.did, new SessionClosed({ detail: "it closed before the stream was opened" }))
    }
    if (entry.outboundStreams >= settings.streamsPerPeerMax) {
      const reason = new SessionLimitReached({ what: "streams", max: settings.streamsPerPeerMax })
      return yield* sessionError(entry.did, reason)
    }
    // Counted before the wait, so that many at once cannot pass the limit together.
    entry.outboundStreams++
    let opened: FrameStream.FrameStream | undefined
    const observer = observe(entry, () => void entry.outboundStreams--)
    return yield* stage.connection.openStream(protocol).pipe(
      Effect.map((stream) => (opened = FrameStream.make(entry.did, protocol, stream, observer))),
      Effect.mapError((failure) => refusal(entry.did, protocol, failure)),
      Effect.timeoutOrElse({
        duration: Settings.openStreamMillisMax,
        orElse: () =>
          Effect.fail(
            sessionError(entry.did, new SessionTimeout({ operation: "open", millis: Settings.openStreamMillisMax }))
          )
      }),
      // The rest is uninterruptible, so that no stream is opened and then forgotten; waiting for it is not.
      Effect.interruptible,
      Effect.onError(() => opened?.reset ?? Effect.sync(() => void entry.outboundStreams--))
    )
  })

  const tooMany = (stream: WireStream): Effect.Effect<void> =>
    Effect.andThen(
      Effect.sync(() => stream.reset()),
      metrics.inc(Metric.networkStreamsRefused, {})
    )

  const admitted = (entry: Entry, protocol: string): boolean =>
    entry.inboundStreams < settings.streamsPerPeerMax &&
    (entry.inboundByProtocol.get(protocol) ?? 0) < Settings.streamsPerProtocolMax

  const begin = (entry: Entry, protocol: string, wireStream: WireStream, serve: Serve): void => {
    entry.inboundStreams++
    entry.inboundByProtocol.set(protocol, (entry.inboundByProtocol.get(protocol) ?? 0) + 1)
    const observer = observe(entry, () => {
      entry.inboundStreams--
      const left = (entry.inboundByProtocol.get(protocol) ?? 1) - 1
      if (left > 0) entry.inboundByProtocol.set(protocol, left)
      else entry.inboundByProtocol.delete(protocol)
    })
    serve(FrameStream.make(entry.did, protocol, wireStream, observer))
  }

  return {
    open: Effect.fn("SessionManager.open")((entry, protocol) =>
      Effect.acquireRelease(openWire(entry, protocol), letGo)
    ),
    handle: Effect.fnUntraced(function* <E, R>(self: Did, protocol: string, handler: StreamHandler<E, R>) {
      const run = yield* FiberSet.makeRuntime<R>()
      yield* Effect.acquireRelease(
        Effect.suspend(() => {
          if (served.has(protocol) || protocol === controlProtocol) {
            return Effect.fail(sessionError(self, new SessionLimitReached({ what: "handlers", max: 1 })))
          }
          served.set(protocol, (stream) => void run(serveOne(handler, stream, tell)))
          return Effect.void
        }),
        () => Effect.sync(() => void served.delete(protocol))
      )
      yield* wire.serve(protocol)
    }),
    accept: (connection, protocol, stream) => {
      const entry = table.of(connection)
      if (entry === undefined) return stream.reset()
      if (protocol === controlProtocol) {
        // The one control stream is opened by whoever dialled; any other is somebody's mistake.
        const first = entry.dialler === "peer" && entry.stage._tag === "Greeting"
        if (!first || !Deferred.doneUnsafe(entry.controlStream, Effect.succeed(stream))) stream.reset()
        return
      }
      const serve = served.get(protocol)
      if (serve === undefined) return stream.reset()
      if (!admitted(entry, protocol)) return table.run(tooMany(stream))
      begin(entry, protocol, stream, serve)
    }
  }
}
