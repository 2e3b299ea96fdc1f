/**
 * `node bench/session/main.ts`: sessions and what is below and above them, on loopback: streams beside plain libp2p and
 * the unmodified QUIC transport, gossip, start-up, and a soak. Prints tables, or everything as JSON; asserts nothing,
 * since a number of one machine is no test.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Console, Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { version } from "../../src/domain/version.ts"
import { atLeastOne, machine, positive } from "../common.ts"
import { type Comparison, compare, comparisonsText, figuresText, type Sample } from "./figures.ts"
import { gossipText, measureGossip } from "./gossip.ts"
import { type RivalName, rivalNames } from "./messages.ts"
import { soak, soakText } from "./soak.ts"
import { measureStart, startComparisons } from "./start.ts"
import { measureStreams, roundTripComparisons, throughputComparisons } from "./streams.ts"

const benchmarks = ["throughput", "roundtrip", "gossip", "start", "soak"] as const
type Benchmark = (typeof benchmarks)[number]

/** Everything but the soak, which takes longer than all of it. */
const usual: ReadonlyArray<Benchmark> = ["throughput", "roundtrip", "gossip", "start"]
/** Starts take longer than turns and differ less, so that there are fewer of them. */
const startShare = 2
const soaked: ReadonlyArray<RivalName> = ["session-quic", "session-tcp"]

const input = {
  benchmarks: Argument.Literals("benchmark", benchmarks).pipe(
    Argument.withDescription("What to measure; everything but the soak if left out"),
    Argument.variadic()
  ),
  rounds: Flag.Int("rounds").pipe(atLeastOne, Flag.withDescription("Turns of each rival"), Flag.withDefault(20)),
  seconds: Flag.Finite("seconds").pipe(positive, Flag.withDescription("Length of a turn"), Flag.withDefault(0.5)),
  gossipSeconds: Flag.Finite("gossip-seconds").pipe(
    positive,
    Flag.withDescription("How long messages of each size are published"),
    Flag.withDefault(15)
  ),
  connects: Flag.Int("connects").pipe(
    atLeastOne,
    Flag.withDescription("Connects of a soak, over each transport"),
    Flag.withDefault(5000)
  ),
  minutes: Flag.Finite("minutes").pipe(
    positive,
    Flag.withDescription("The longest that a soak of one transport may take"),
    Flag.withDefault(10)
  ),
  soaked: Flag.Literals("soaked", rivalNames).pipe(
    Flag.withDescription("What to soak; session-quic and session-tcp if left out"),
    Flag.optional
  ),
  profile: Flag.String("profile").pipe(
    Flag.withDescription("Folder for a CPU profile of each process; slows them down"),
    Flag.optional
  ),
  json: Flag.Boolean("json").pipe(Flag.withDescription("Print one JSON document"), Flag.withDefault(false))
}

/** What was measured, as text and as data. */
interface Part {
  readonly text: string
  readonly data: object
}

const compared = (samples: ReadonlyArray<Sample>, comparisons: ReadonlyArray<Comparison>): Part => {
  const ratios = comparisons.map((comparison) => compare(samples, comparison))
  return { text: `${figuresText(samples)}\n\n${comparisonsText(ratios)}`, data: { samples, ratios } }
}

const bench = Command.make(
  "bench:session",
  input,
  Effect.fnUntraced(function* (options) {
    const { gossipSeconds, json, rounds, seconds } = options
    const wanted = new Set(options.benchmarks.length === 0 ? usual : options.benchmarks)
    const profileDirectory = Option.getOrUndefined(options.profile)
    const parts: Array<Part> = []
    // Each as soon as it is there, since a run takes minutes.
    const add = (part: Part) => {
      parts.push(part)
      return json ? Effect.void : Console.log(`${part.text}\n`)
    }
    const { kernel, node, processors } = machine()
    const head = `Node ${node}, Linux ${kernel}, ${processors}; ${rounds} rounds, turns of ${seconds} s\n`
    if (!json) yield* Console.log(head)
    const streams = (["throughput", "roundtrip"] as const).filter((one) => wanted.has(one))
    if (streams.length > 0) {
      const samples = yield* measureStreams(streams, { rounds, seconds, profileDirectory })
      const comparisons = streams.flatMap((one) =>
        one === "throughput" ? throughputComparisons : roundTripComparisons
      )
      yield* add(compared(samples, comparisons))
    }
    if (wanted.has("gossip")) {
      const gossip = yield* measureGossip(gossipSeconds, profileDirectory)
      yield* add({ text: gossipText(gossip), data: { gossip } })
    }
    if (wanted.has("start")) {
      yield* add(compared(yield* measureStart(Math.ceil(rounds / startShare)), startComparisons))
    }
    if (wanted.has("soak")) {
      const rivals = Option.match(options.soaked, { onNone: () => soaked, onSome: (rival) => [rival] })
      const results = yield* soak({ rivals, connects: options.connects, minutesMax: options.minutes })
      yield* add({ text: soakText(results), data: { soak: results } })
    }
    if (json) yield* Console.log(JSON.stringify({ machine: machine(), parts: parts.map(({ data }) => data) }))
  })
).pipe(Command.withDescription("Measure sessions beside plain libp2p and the unmodified QUIC transport"))

bench.pipe(
  Command.run({ version }),
  Effect.tapErrorTag("BenchFailed", ({ message }) => Console.error(message)),
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain
)
