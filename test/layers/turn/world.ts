/** A network in memory with a scripted TURN server and a client: what the tests of layers/turn/ run in. */
import { assert } from "@effect/vitest"
import { Clock, type Duration, Effect, Fiber, Layer, Redacted, References, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { turnAllocationFailures, type TurnFailureReason } from "../../../src/domain/metrics.ts"
import * as TurnConfig from "../../../src/domain/turnConfig.ts"
import * as MetricsMemory from "../../../src/layers/MetricsMemory.ts"
import * as ScriptedTurnServer from "../../../src/layers/turn/ScriptedTurnServer.ts"
import * as TcpMemory from "../../../src/layers/TcpMemory.ts"
import * as TurnUdp from "../../../src/layers/TurnUdp.ts"
import * as TurnUdpTcp from "../../../src/layers/TurnUdpTcp.ts"
import * as UdpMemory from "../../../src/layers/UdpMemory.ts"
import { Metrics } from "../../../src/services/Metrics.ts"
import { type TurnAllocation, TurnClient, type TurnEvent } from "../../../src/services/TurnClient.ts"
import type { Tcp } from "../../../src/services/Tcp.ts"
import type { Udp } from "../../../src/services/Udp.ts"

export const config = TurnConfig.make({ host: "127.0.0.1", port: 3478 }).pipe(
  TurnConfig.withCredentials("user", Redacted.make("password"))
)

/** Network, client and metrics; the server is started by the test. */
export const layerOf = (options: UdpMemory.UdpMemoryOptions = {}): Layer.Layer<TurnClient | Udp> =>
  TurnUdp.layer.pipe(
    Layer.provideMerge(UdpMemory.layer(options)),
    Layer.provideMerge(MetricsMemory.layer),
    // What these tests provoke is reported as errors, and asserted on by metric.
    Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "None"))
  )

/** The same with TCP beside UDP. */
export const layerWithTcp = (
  options: TcpMemory.TcpMemoryOptions = {},
  udp: UdpMemory.UdpMemoryOptions = {}
): Layer.Layer<TurnClient | Udp | Tcp> =>
  TurnUdpTcp.layer.pipe(
    Layer.provideMerge(Layer.merge(UdpMemory.layer(udp), TcpMemory.layer(options))),
    Layer.provideMerge(MetricsMemory.layer),
    Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "None"))
  )

/** Runs a test in a world of its own; what it opened ends before the network does, in the time that it takes. */
const within =
  <R>(layer: () => Layer.Layer<R>) =>
  <A, E>(effect: Effect.Effect<A, E, R | Scope.Scope>): Effect.Effect<A, E> =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const exit = yield* Effect.exit(Scope.provide(effect, scope))
      yield* timed(Scope.close(scope, exit), "100 millis")
      return yield* exit
    }).pipe(Effect.provide(layer()))

export const inWorld = (options: UdpMemory.UdpMemoryOptions = {}) => within(() => layerOf(options))

export const inWorldWithTcp = (options: TcpMemory.TcpMemoryOptions = {}, udp: UdpMemory.UdpMemoryOptions = {}) =>
  within(() => layerWithTcp(options, udp))

export const startServer = (options: ScriptedTurnServer.ScriptedTurnServerOptions = {}) =>
  ScriptedTurnServer.make(options)

export const allocate = (wanted = config) => TurnClient.use((turn) => turn.allocate(wanted))

/** The requests of one kind, as moments in seconds. */
export const momentsOf = (
  server: ScriptedTurnServer.ScriptedTurnServer,
  method: ScriptedTurnServer.ScriptedRequest["method"]
): ReadonlyArray<number> =>
  server
    .requests()
    .filter((request) => request.method === method)
    .map(({ atMillis }) => atMillis / 1000)

/** Notes the allocation's events from about now on. */
export const collectEvents = Effect.fnUntraced(function* (allocation: TurnAllocation) {
  const events: Array<TurnEvent> = []
  yield* Effect.forkScoped(
    Stream.runForEach(allocation.events, (event) => Effect.sync(() => void events.push(event))),
    { startImmediately: true }
  )
  return events
})

/** Notes the allocation's events from now on, in virtual time. */
export const watchEvents = Effect.fnUntraced(function* (allocation: TurnAllocation) {
  const events = yield* collectEvents(allocation)
  // The subscription exists once the stream's fiber has had its turn.
  yield* TestClock.adjust(1)
  return events
})

/** Lets time pass until the effect ends; its outcome, and the moment in milliseconds. */
export const timed = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>, step: Duration.Input) {
  const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
  for (let steps = 0; fiber.pollUnsafe() === undefined; steps++) {
    assert.isBelow(steps, 10_000, "the effect never ends")
    yield* TestClock.adjust(step)
  }
  return { exit: yield* Fiber.await(fiber), atMillis: yield* Clock.currentTimeMillis }
})

/** The error of an effect that fails, and the moment in seconds. */
export const failure = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>, step: Duration.Input) {
  const { atMillis, exit } = yield* timed(Effect.flip(effect), step)
  return { error: yield* exit, atSeconds: atMillis / 1000 }
})

export const failuresOf = (reason: TurnFailureReason) =>
  Effect.flatMap(Metrics, (metrics) => metrics.value(turnAllocationFailures, { reason }))
