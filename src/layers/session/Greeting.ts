/**
 * The beginning and the course of a session's control stream: both sides say hello, then questions are answered and the
 * round trip is measured until the session ends. Ends the connection when the other side does not keep to it or is
 * silent.
 */
import { Clock, Deferred, Effect, Exit, Option } from "effect"
import type { Partings } from "../../domain/partings.ts"
import { version } from "../../domain/version.ts"
import {
  type ControlHello,
  type ControlMessage,
  controlProtocol,
  controlVersion
} from "../../protocol/sessionControl.ts"
import type { MetricsShape } from "../../services/Metrics.ts"
import type { SessionError } from "../../services/SessionManager.ts"
import * as Controls from "./Control.ts"
import type { Entry } from "./Entry.ts"
import type { Exchange } from "./Exchange.ts"
import * as FrameStream from "./FrameStream.ts"
import * as Settings from "./Settings.ts"
import type { Signalling } from "./Signalling.ts"
import { steadyMillis } from "./steadyTime.ts"
import type { WireConnection, WireStream, WireStreamFailed } from "./Wire.ts"

/** The control stream is no payload, and its end is the connection's matter. */
const unobserved: FrameStream.FrameStreamObserver = { received: () => {}, sent: () => {}, closed: () => {} }

/** The control stream: opened by whoever dialled. */
const controlStream = (entry: Entry, connection: WireConnection): Effect.Effect<WireStream, WireStreamFailed> =>
  entry.dialler === "self" ? connection.openStream(controlProtocol) : Deferred.await(entry.controlStream)

const expectHello = Effect.fnUntraced(function* (control: Controls.Control) {
  const first = yield* control.receive
  if (first._tag !== "Hello")
    return yield* new Controls.ControlFailed({ reason: "order", detail: `it began with ${first._tag}` })
  if (first.version !== controlVersion) {
    const detail = `it speaks version ${first.version} of the control protocol, this node version ${controlVersion}`
    return yield* new Controls.ControlFailed({ reason: "version", detail })
  }
  return first
})

/** Measures the round trip; the answer's way back is counted to the millisecond's fraction. */
export const ping = Effect.fnUntraced(function* (entry: Entry, control: Controls.Control) {
  const started = yield* Clock.monotonicTimeNanos
  yield* control.ask((id) => ({ _tag: "Ping", id }), "Pong")
  const rttMs = Number((yield* Clock.monotonicTimeNanos) - started) / 1e6
  entry.rttMs = rttMs
  return rttMs
})

/** Measures the round trip again and again. A ping that fails is no news: its silence is what counts. */
const heartbeat = (entry: Entry, control: Controls.Control): Effect.Effect<never> =>
  Effect.timeoutOption(ping(entry, control), Settings.heartbeatMillis).pipe(
    Effect.ignore,
    Effect.zip(Effect.sleep(Settings.heartbeatMillis), { concurrent: true }),
    Effect.forever
  )

/** Fails as soon as nothing was heard for too long. */
const listen = (entry: Entry): Effect.Effect<never, Controls.ControlFailed> =>
  Effect.gen(function* () {
    while (true) {
      const silence = (yield* steadyMillis) - entry.heardAtMillis
      if (silence >= Settings.silenceMillisMax) {
        const detail = `nothing was heard of it for ${Math.round(silence / 1000)} s`
        return yield* new Controls.ControlFailed({ reason: "silence", detail })
      }
      yield* Effect.sleep(Settings.silenceMillisMax - silence)
    }
  })

/** Whether a member answers: to the ping, or with anything else that it says meanwhile. */
export const answers = Effect.fnUntraced(function* (entry: Entry, millis: number) {
  if (entry.stage._tag !== "Open") return false
  const started = yield* steadyMillis
  const answer = yield* Effect.exit(Effect.timeoutOption(ping(entry, entry.stage.control), millis))
  if (Exit.isSuccess(answer) && Option.isSome(answer.value)) return true
  return entry.heardAtMillis > started
})

export interface Greeter {
  readonly greet: (entry: Entry, connection: WireConnection) => Effect.Effect<void, Error>
}

export const make = (
  exchange: Exchange,
  partings: Partings,
  signalling: Pick<Signalling, "onSignal">,
  metrics: MetricsShape,
  linkPort: () => number | undefined
): Greeter => {
  /** Whatever ends the conversation ends the connection. */
  const keep = (connection: WireConnection, work: Effect.Effect<never, Error>): Effect.Effect<void> =>
    Effect.catchCause(work, (cause) => Controls.endFor(metrics, connection, cause))

  const hello = Effect.map(exchange.ownCandidate, (candidate): ControlHello => ({
    _tag: "Hello",
    version: controlVersion,
    software: `icn-node/${version}`,
    candidate: candidate ?? null,
    linkPort: linkPort() ?? null
  }))

  const onMessage = (
    entry: Entry,
    control: Controls.Control,
    message: ControlMessage
  ): Effect.Effect<void, Error | SessionError> => {
    switch (message._tag) {
      case "Ping":
        return control.send({ _tag: "Pong", id: message.id })
      case "Candidates":
        return exchange.onCandidates(entry, message.candidates)
      case "Find":
        return Effect.flatMap(exchange.onFind(entry, message.did), (candidate) =>
          control.send({ _tag: "Found", id: message.id, candidate: candidate ?? null })
        )
      case "PeersRequest":
        return Effect.flatMap(exchange.onPeersRequest(entry, message.id, message.maxPeers), control.send)
      case "Signal":
        return signalling.onSignal(entry, control, message)
      case "Bye":
        return Effect.suspend(() => {
          if (!message.redial) partings.closedThere(entry.did)
          const detail = `it said goodbye: ${message.reason}`
          return Effect.fail(new Controls.ControlFailed({ reason: "ended", detail }))
        })
      case "Hello":
        return Effect.fail(new Controls.ControlFailed({ reason: "order", detail: "it said hello twice" }))
      case "Pong":
      case "Found":
      case "PeersResponse":
      case "Signalled":
        return Effect.void
    }
  }

  const converse = (entry: Entry, control: Controls.Control): Effect.Effect<never, Error> =>
    Effect.forever(Effect.flatMap(control.receive, (message) => onMessage(entry, control, message)))

  return {
    greet: Effect.fnUntraced(function* (entry, connection) {
      const wire = yield* controlStream(entry, connection)
      const stream = FrameStream.make(entry.did, controlProtocol, wire, unobserved)
      const control = Controls.make(stream, (now) => {
        entry.heardAtMillis = now
      })
      if (entry.dialler === "self") yield* control.send(yield* hello)
      const theirs = yield* expectHello(control)
      if (entry.dialler === "peer") yield* control.send(yield* hello)
      entry.linkPort = theirs.linkPort ?? undefined
      entry.stage = { _tag: "Open", connection, control, atMillis: yield* Clock.currentTimeMillis }
      yield* exchange.onHello(entry, theirs)
      const started = { startImmediately: true }
      yield* Effect.forkIn(keep(connection, converse(entry, control)), entry.scope, started)
      yield* Effect.forkIn(keep(connection, heartbeat(entry, control)), entry.scope, started)
      yield* Effect.forkIn(keep(connection, listen(entry)), entry.scope, started)
      yield* Effect.forkIn(exchange.afterOpening(entry, control), entry.scope)
    })
  }
}
