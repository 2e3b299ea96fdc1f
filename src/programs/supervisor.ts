/**
 * The node as one scoped program: builds the subsystems in the phases of docs/architecture.md, keeps them running, and
 * ends them in reverse order. Required phases stop the start with one error; optional parts (the TURN relay) degrade.
 * What is built is decided by `Subsystems`, so that tests and embedders can replace any part.
 */
import { Context, Duration, Effect, Layer, Scope } from "effect"
import { version } from "../domain/version.ts"
import { DataDirectory, type DataDirectoryError } from "../services/DataDirectory.ts"
import type { Health } from "../services/Health.ts"
import { Identity, type IdentityError } from "../services/Identity.ts"
import { type ConfigInvalid, NodeConfig } from "../services/NodeConfig.ts"
import type { TurnClient } from "../services/TurnClient.ts"
import * as Actors from "./supervisor/actors.ts"
import { type LedgerParts, startLedger } from "./supervisor/initLedger.ts"
import { startMetrics } from "./supervisor/initMetrics.ts"
import { type NetworkParts, startNetwork } from "./supervisor/initNetwork.ts"
import { startRpc } from "./supervisor/initRpc.ts"
import * as Registry from "./supervisor/registry.ts"
import { shutdown } from "./supervisor/shutdown.ts"
import { attempt, phase, type StartupFailed } from "./supervisor/startup.ts"

export type { NodeEvent } from "./supervisor/registry.ts"
export { StartupFailed } from "./supervisor/startup.ts"

/** The layers that a node is made of, each built once, in this order. */
export interface Subsystems {
  /** Metrics and health: there before anything else, so that everything can be counted. */
  readonly observability: Layer.Layer<Health>
  readonly config: Layer.Layer<NodeConfig, ConfigInvalid>
  /** Loggers and the tracer, as the configuration wants them. */
  readonly telemetry: Layer.Layer<never, never, NodeConfig>
  readonly dataDirectory: Layer.Layer<DataDirectory, DataDirectoryError, NodeConfig>
  readonly identity: Layer.Layer<Identity, IdentityError, NodeConfig | DataDirectory>
  /** Sessions with other members, what is known of where they are, and gossip; told this node's relayed address. */
  readonly sessions: NetworkParts["sessions"]
  readonly turn: Layer.Layer<TurnClient>
  /** The cooperative and its books. */
  readonly ledger: LedgerParts["ledger"]
}

export interface SupervisorOptions {
  /** Called for everything that happens to the node as a whole; must not block. */
  readonly onEvent: (event: Registry.NodeEvent) => Effect.Effect<void>
}

/** Holds until the configuration is read; its own default. */
const shutdownTimeoutBeforeConfig = Duration.seconds(5)

const restartPolicyOf = ({ values: { supervisor } }: NodeConfig["Service"]) => ({
  initialDelayMillis: Duration.toMillis(supervisor.restartInitialDelay),
  maxDelayMillis: Duration.toMillis(supervisor.restartMaxDelay),
  limit: supervisor.restartLimit,
  windowMillis: Duration.toMillis(supervisor.restartWindow)
})

/** Configuration, and the data directory for this process alone: before anything that a second node would disturb. */
const readConfig = Effect.fnUntraced(function* (subsystems: Subsystems) {
  const config = yield* Layer.build(subsystems.config)
  const telemetry = yield* Layer.build(subsystems.telemetry).pipe(Effect.provideContext(config))
  const directory = yield* Layer.build(subsystems.dataDirectory).pipe(Effect.provideContext(config))
  yield* Context.get(directory, DataDirectory).lock
  return Context.mergeAll(config, telemetry, directory)
})

const didOf = (context: Context.Context<Identity>): string => Context.get(context, Identity).did.toString()

/** Everything after the configuration, with its services and loggers in place. */
const startParts = Effect.fnUntraced(function* (
  subsystems: Subsystems,
  registry: Registry.Registry,
  scope: Scope.Scope
) {
  const config = yield* NodeConfig
  // Told here and not by the phase itself, so that its line is logged as the configuration wants logs.
  yield* registry.completed("config", config.source)
  for (const { key, problem } of config.warnings) yield* Effect.logWarning(`${key}: ${problem}`)
  const actors = yield* Actors.make(restartPolicyOf(config), scope)

  yield* phase(registry, "metrics", startMetrics(actors, registry), (url) => url)
  const identity = yield* phase(registry, "identity", Layer.build(subsystems.identity), didOf)
  yield* registry.learn({ did: didOf(identity) })
  const { network } = yield* phase(
    registry,
    "network",
    startNetwork(actors, registry, subsystems).pipe(Effect.provideContext(identity)),
    ({ detail }) => detail
  )
  const parts = Context.merge(identity, network)
  const { books } = yield* phase(
    registry,
    "ledger",
    startLedger(actors, subsystems).pipe(Effect.provideContext(parts)),
    ({ detail }) => detail
  )
  const everything = Context.merge(parts, books)
  yield* phase(registry, "rpc", startRpc(actors, registry).pipe(Effect.provideContext(everything)), (path) => path)

  yield* registry.setState("running")
  yield* registry.completed("running", `icn-node ${version}`)
  const { listen, metricsUrl = "", rpcSocket = "" } = registry.facts()
  yield* registry.publish({ _tag: "Running", did: didOf(identity), listen, metricsUrl, rpcSocket })
})

const run = Effect.fnUntraced(function* (subsystems: Subsystems, registry: Registry.Registry, frame: Frame) {
  yield* registry.setState("starting")
  const context = yield* attempt("config", readConfig(subsystems))
  frame.shutdownTimeout = Context.get(context, NodeConfig).values.supervisor.shutdownTimeout
  frame.context = context
  yield* startParts(subsystems, registry, frame.scope).pipe(
    Effect.andThen(registry.stopRequested),
    Effect.provideContext(context)
  )
})

/** What the end needs to know, filled in while the node starts. */
interface Frame {
  readonly scope: Scope.Closeable
  shutdownTimeout: Duration.Duration
  /** The loggers among it, so that the end is logged as the rest was. */
  context: Context.Context<never>
}

/**
 * Runs a node until it is asked to stop, over its socket or by interruption, and then ends it in good order. Succeeds
 * with true when the end had to be forced: something still runs then, and the caller should end the process. On
 * interruption the same is told by the `Stopped` event.
 */
export const supervise = (
  subsystems: Subsystems,
  { onEvent }: SupervisorOptions
): Effect.Effect<boolean, StartupFailed> =>
  Effect.gen(function* () {
    const registry = yield* Registry.make(onEvent)
    let forced = false
    yield* Effect.acquireUseRelease(
      Effect.map(Scope.make(), (scope): Frame => ({
        scope,
        shutdownTimeout: shutdownTimeoutBeforeConfig,
        context: Context.empty()
      })),
      (frame) => run(subsystems, registry, frame).pipe(Scope.provide(frame.scope)),
      Effect.fnUntraced(function* ({ context, scope, shutdownTimeout }) {
        forced = yield* shutdown(registry, scope, shutdownTimeout).pipe(Effect.provideContext(context))
      })
    )
    return forced
  }).pipe(Effect.provide(subsystems.observability))
