/**
 * The command line: every command under one root, and what they share at the edges of the process.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, Console, Effect, Exit, Layer, Runtime } from "effect"
import { CliConfig, Command, GlobalFlag } from "effect/cli"
import { systemErrorCode } from "../domain/systemError.ts"
import { version } from "../domain/version.ts"
import { config } from "./cli/config.ts"
import { terminal } from "./cli/terminal.ts"
import { id } from "./cli/id.ts"
import { type CommandFailed, exitCodes } from "./cli/output.ts"
import { dial } from "./cli/dial.ts"
import { doctor } from "./cli/doctor.ts"
import { coop } from "./cli/coop.ts"
import { ledger } from "./cli/ledger.ts"
import { network } from "./cli/network.ts"
import { peers } from "./cli/peers.ts"
import { ping } from "./cli/ping.ts"
import { receive } from "./cli/receive.ts"
import { run } from "./cli/run.ts"
import { send } from "./cli/send.ts"
import { status } from "./cli/status.ts"
import { stop } from "./cli/stop.ts"
import { turn } from "./cli/turn.ts"
import * as Usage from "./cli/usage.ts"
import * as Logging from "./logging.ts"

const root = Command.make("icn-node").pipe(
  Command.withDescription("A node of a cooperative network: identity, relay, and what members share"),
  Command.withSubcommands([
    run,
    status,
    stop,
    peers,
    dial,
    ping,
    send,
    receive,
    coop,
    ledger,
    network,
    doctor,
    id,
    config,
    turn
  ])
)

/** The log level is configuration (`--log-level` of `run`), so that file and environment can set it too. */
const cliConfig = CliConfig.layer({
  builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions]
})

/** Until a node has read its configuration, and for all other commands. */
const logging = Layer.unwrap(
  Effect.map(terminal, (terminal) => Logging.layer({ level: "warn", format: "pretty", ...terminal }))
)

/** Standard output is for results, so the one text of a failure goes to standard error. */
const tellFailure = ({ text }: CommandFailed) => (text === "" ? Effect.void : Console.error(text))

/** A mistake of ours goes where logs go; the runtime, which would tell it otherwise, tells it on standard output. */
const tellDefect = (cause: Cause.Cause<unknown>): Effect.Effect<void> =>
  Cause.hasInterruptsOnly(cause) || !Runtime.getErrorReported(Cause.squash(cause))
    ? Effect.void
    : Effect.logError(cause)

/** An interrupted command has not done its work; a node that was asked to stop has, and `run` says how it went. */
const teardown: Runtime.Teardown = (exit, onExit) =>
  Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) && process.exitCode !== undefined
    ? onExit(Number(process.exitCode))
    : Runtime.defaultTeardown(exit, onExit)

// Without listeners, losing its output would end a node at once and leave its relay behind. Whoever read it may have
// gone (`| head`), which is no failure; results that a full disk has swallowed are one.
process.stderr.on("error", () => {})
process.stdout.on("error", (error) => {
  if (systemErrorCode(error) !== "EPIPE") process.exitCode = exitCodes.failed
})

root.pipe(
  Command.run({ version }),
  Effect.tapErrorTag("CommandFailed", tellFailure),
  Effect.tapCause(tellDefect),
  Effect.provide([NodeServices.layer, cliConfig, logging, Layer.provide(Usage.layer, NodeServices.layer)]),
  NodeRuntime.runMain({ teardown, disableErrorReporting: true })
)
