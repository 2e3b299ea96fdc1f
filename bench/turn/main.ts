/**
 * `node bench/turn/main.ts`: the TURN client beside raw node:dgram and werift through a real coturn on loopback. Prints
 * tables, or everything as JSON; asserts nothing, since a number of one machine is no test.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Console, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { spawnSync } from "node:child_process"
import { version } from "../../src/domain/version.ts"
import { atLeastOne, machine, positive } from "../common.ts"
import * as Coturn from "../../test/system/coturn.ts"
import { BenchFailed, pin } from "./processes.ts"
import { rows, text, verdicts } from "./report.ts"
import { run } from "./run.ts"

const machineWithCoturn = () => {
  const coturn = spawnSync("turnserver", ["--version"], { encoding: "utf8" }).stdout.trim().split("\n").at(-1)
  return { ...machine(), coturn: coturn ?? "unknown" }
}

const flags = {
  rounds: Flag.Int("rounds").pipe(
    atLeastOne,
    Flag.withDescription("Turns that each client takes"),
    Flag.withDefault(40)
  ),
  seconds: Flag.Finite("seconds").pipe(positive, Flag.withDescription("Length of a turn"), Flag.withDefault(0.25)),
  allocations: Flag.Int("allocations").pipe(
    atLeastOne,
    Flag.withDescription("In a row, in each turn"),
    Flag.withDefault(50)
  ),
  pin: Flag.Boolean("pin").pipe(
    Flag.withDescription("Put all processes on one core (needs taskset); --pin=0 leaves them to the system"),
    Flag.withDefault(true)
  ),
  profile: Flag.String("profile").pipe(
    Flag.withDescription("Folder for a CPU profile of each client; slows them down"),
    Flag.optional
  ),
  json: Flag.Boolean("json").pipe(Flag.withDescription("Print one JSON document"), Flag.withDefault(false))
}

const bench = Command.make(
  "bench:turn",
  flags,
  Effect.fnUntraced(function* ({ json, pin: pinned, profile, ...options }) {
    if (Coturn.missing !== undefined) return yield* new BenchFailed({ detail: Coturn.missing })
    const core = pinned ? yield* pin : undefined
    const result = yield* run({ ...options, profileDirectory: Option.getOrUndefined(profile) })
    if (json) {
      const figures = rows(result)
      const document = { machine: machineWithCoturn(), core, ...options, ...result, figures, goals: verdicts(figures) }
      return yield* Console.log(JSON.stringify(document))
    }
    const { coturn, kernel, node, processors } = machineWithCoturn()
    const place = core === undefined ? "not pinned" : `all processes on core ${core}`
    yield* Console.log(
      `Node ${node}, coturn ${coturn}, peer ${result.peer}, Linux ${kernel}, ${processors}, ${place};\n` +
        `${options.rounds} rounds of ${options.seconds} s and ${options.allocations} allocations\n\n${text(result)}`
    )
  })
).pipe(Command.withDescription("Measure the TURN client beside raw node:dgram and werift"))

bench.pipe(
  Command.run({ version }),
  Effect.tapErrorTag("BenchFailed", ({ message }) => Console.error(message)),
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain
)
