/**
 * `icn-node run`: the daemon. Logs one readable line per phase with its address to standard error; with `--json` every
 * event is also one line of JSON on standard output.
 */
import { Console, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { ConfigInvalid } from "../../services/NodeConfig.ts"
import * as Logging from "../logging.ts"
import { nodeLayers } from "../nodeLayers.ts"
import { relayOf } from "../rpc/handlers.ts"
import { endOnSecondSignal } from "../signals.ts"
import { type NodeEvent, type StartupFailed, supervise } from "../supervisor.ts"
import { configFlag, configOptions, dataDirFlag } from "./dataDir.ts"
import { ProcessEnvironment } from "./environment.ts"
import { CommandFailed, exitCodes } from "./output.ts"
import { passphraseSource } from "./passphrase.ts"
import { terminal } from "./terminal.ts"

const metricsPort = Flag.String("metrics-port").pipe(
  Flag.withDescription("Port of /metrics, /health and /ready; 0 for any free one"),
  Flag.optional
)

const logLevel = Flag.String("log-level").pipe(
  Flag.withDescription("Least severe messages to log: trace, debug, info, warn or error"),
  Flag.optional
)

const listen = Flag.String("listen").pipe(
  Flag.withMetavar("addresses"),
  Flag.withDescription("Where to listen, such as 0.0.0.0:7777,[::]:7777; port 0 for any free one"),
  Flag.optional
)

const bootstrap = Flag.String("bootstrap").pipe(
  Flag.withMetavar("members"),
  Flag.withDescription("Members to connect to at start, as icn://DID@host:port, separated by commas"),
  Flag.optional
)

/** Of its own, since events come one by one. */
const json = Flag.Boolean("json").pipe(
  Flag.withDescription("Also tell every event as one line of JSON on standard output"),
  Flag.withDefault(false)
)

const eventDocument = (event: NodeEvent): object => {
  switch (event._tag) {
    case "PhaseCompleted":
      return { event: "phase", phase: event.phase, detail: event.detail }
    case "Running":
      return {
        event: "running",
        did: event.did,
        listen: event.listen,
        pid: process.pid,
        metricsUrl: event.metricsUrl,
        rpcSocket: event.rpcSocket
      }
    case "RelayChanged":
      return { event: "relay", relay: event.relay === undefined ? null : relayOf(event.relay) }
    case "Stopping":
      return { event: "stopping" }
    case "Stopped":
      return { event: "stopped", forced: event.forced }
  }
}

/** Relay changes are logged by the actor that knows why. */
const logEvent = (event: NodeEvent): Effect.Effect<void> => {
  switch (event._tag) {
    case "PhaseCompleted":
      return Effect.logInfo(`${event.phase.padEnd(8)} ${event.detail}`)
    case "Stopping":
      return Effect.logInfo("stopping")
    case "Stopped":
      return Effect.logInfo(event.forced ? "stopped by force" : "stopped")
    case "Running":
    case "RelayChanged":
      return Effect.void
  }
}

/** The one message of a start that failed, with the exit code that scripts rely on. */
const startupFailed = (failure: StartupFailed): CommandFailed =>
  failure.cause instanceof ConfigInvalid
    ? new CommandFailed({ text: failure.cause.message, exitCode: exitCodes.configuration })
    : new CommandFailed({ text: failure.message, exitCode: exitCodes.failed })

export const run = Command.make(
  "run",
  { config: configFlag, dataDir: dataDirFlag, metricsPort, logLevel, listen, bootstrap, json },
  Effect.fnUntraced(function* ({ bootstrap, config, dataDir, json, listen, logLevel, metricsPort }) {
    const options = yield* configOptions(
      { config, dataDir },
      {
        "observability.metrics_port": Option.getOrUndefined(metricsPort),
        "observability.log_level": Option.getOrUndefined(logLevel),
        "network.listen_addr": Option.getOrUndefined(listen),
        "network.bootstrap_peers": Option.getOrUndefined(bootstrap)
      }
    )
    const { variables } = yield* ProcessEnvironment
    const emit = (document: object) => (json ? Console.log(JSON.stringify(document)) : Effect.void)
    let hasRun = false
    const onEvent = Effect.fnUntraced(function* (event: NodeEvent) {
      hasRun ||= event._tag === "Running"
      // A start that failed ends with its one message; that it then stops goes without saying.
      if (hasRun || event._tag === "PhaseCompleted") yield* logEvent(event)
      yield* emit(eventDocument(event))
      // Read by the teardown of an interrupted run, which has no result. What failed before stays failed.
      if (event._tag === "Stopped")
        process.exitCode = event.forced ? exitCodes.failed : (process.exitCode ?? exitCodes.ok)
    })
    yield* endOnSecondSignal(variables["npm_lifecycle_event"] !== undefined)
    const screen = yield* terminal
    const subsystems = yield* nodeLayers({ config: options, passphrase: yield* passphraseSource, terminal: screen })
    const forced = yield* supervise(subsystems, { onEvent }).pipe(
      // Until the configuration says otherwise.
      Effect.provide(Logging.layer({ level: "info", format: "auto", ...screen })),
      Effect.mapError(startupFailed),
      Effect.tapError(({ text }) => emit({ event: "failed", error: text }))
    )
    if (forced) return yield* new CommandFailed({ text: "", exitCode: exitCodes.failed })
  }, Effect.scoped)
).pipe(
  Command.withDescription("Run a node until it is stopped"),
  Command.withExamples([
    { command: "icn-node run", description: "On the defaults, with the data directory of this user" },
    { command: "icn-node run --config icn.toml --json", description: "With a configuration, telling events as JSON" }
  ])
)
