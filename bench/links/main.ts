/**
 * `node bench/links/main.ts`: sessions over links in network namespaces, beside one without a link: throughput straight
 * and over the relay, the time to a session and to a punched path, and what a cut path costs; with
 * `--webrtc` also what libp2p's WebRTC makes of such pairs. Needs Linux, root, iproute2, nftables and coturn. Prints
 * tables, or everything as JSON; asserts nothing.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Console, Effect } from "effect"
import { Command, Flag } from "effect/cli"
import { version } from "../../src/domain/version.ts"
import { atLeastOne } from "../common.ts"
import * as Nat from "../../test/fixtures/natNetwork.ts"
import { startCoturn } from "../../test/system/natNodes.ts"
import { compare, type Comparison, comparisonsText, figuresText } from "../session/figures.ts"
import { decimal, table } from "../turn/report.ts"
import { BenchFailed } from "../turn/processes.ts"
import { percentile } from "../turn/statistics.ts"
import { measureCuts, measureDials, measureThroughput } from "./measure.ts"
import { coturn, measureRivals } from "./rival.ts"
import * as World from "./world.ts"

const comparisons: ReadonlyArray<Comparison> = [
  { figure: "MB/s", of: "relayed", to: "direct", atLeast: 0.6 },
  { figure: "MB/s", of: "direct", to: "native", atLeast: 0.3 }
]

/** On the same kinds of pairs, by the same kind of server. */
const beside: ReadonlyArray<Comparison> = [
  { figure: "MB/s", of: "direct", to: "webrtc open/open" },
  { figure: "MB/s", of: "relayed", to: "webrtc sym/sym" }
]
const rivalModes = ["open", "sym"] as const
const rivalDials = 7
const rivalSeconds = 1

/** In a network of their own, made as ours is. */
const measureBeside = Effect.fnUntraced(function* (rounds: number, bytes: number) {
  const nat = yield* Nat.make({ modes: rivalModes.flatMap((mode) => [mode, mode]) })
  yield* startCoturn(nat)
  return yield* measureRivals(nat, rivalModes, {
    turn: coturn,
    dials: rivalDials,
    rounds,
    bytes,
    seconds: rivalSeconds
  })
}, Effect.scoped)

interface Times {
  readonly label: string
  readonly seconds: ReadonlyArray<number>
  readonly atMost?: number
}

const timesText = (rows: ReadonlyArray<Times>): string =>
  table(
    ["seconds", "samples", "median", "longest", "goal", ""],
    rows.map(({ atMost, label, seconds }) => {
      const longest = percentile(seconds, 100)
      const goal = atMost === undefined ? "" : `<= ${atMost}`
      const met = atMost === undefined ? "" : longest <= atMost ? "met" : "NOT MET"
      return [label, String(seconds.length), decimal(percentile(seconds, 50)), decimal(longest), goal, met]
    })
  )

const input = {
  rounds: Flag.Int("rounds").pipe(atLeastOne, Flag.withDescription("Files of each rival"), Flag.withDefault(7)),
  megabytes: Flag.Int("megabytes").pipe(atLeastOne, Flag.withDescription("Size of a file"), Flag.withDefault(32)),
  webrtc: Flag.Boolean("webrtc").pipe(
    Flag.withDescription("Also measure @libp2p/webrtc, which is installed first"),
    Flag.withDefault(false)
  ),
  json: Flag.Boolean("json").pipe(Flag.withDescription("Print one JSON document"), Flag.withDefault(false))
}

const bench = Command.make(
  "bench:links",
  input,
  Effect.fnUntraced(function* ({ json, megabytes, rounds, webrtc }) {
    if (Nat.missing !== undefined) return yield* new BenchFailed({ detail: Nat.missing })
    const say = (text: string) => (json ? Effect.void : Console.log(text))
    const world = yield* World.make
    const rivals = webrtc ? yield* measureBeside(rounds, megabytes * 1e6) : { samples: [], times: [] }
    const samples = [...(yield* measureThroughput(world, rounds, megabytes * 1e6)), ...rivals.samples]
    const wanted = webrtc ? [...comparisons, ...beside] : comparisons
    const ratios = wanted.map((comparison) => compare(samples, comparison))
    yield* say(`${figuresText(samples)}\n\n${comparisonsText(ratios)}\n`)
    const { punched, relayed } = yield* measureDials(world)
    const cuts = yield* measureCuts(world)
    const times: ReadonlyArray<Times> = [
      { label: "dial to session, sym/sym, relayed", seconds: relayed.map(({ session }) => session), atMost: 1 },
      { label: "dial to session, cone/cone", seconds: punched.map(({ session }) => session), atMost: 1 },
      { label: "dial to punched path in use, cone/cone", seconds: punched.map(({ best }) => best), atMost: 1 },
      ...rivals.times,
      { label: "silent cut to data on the next path", seconds: cuts.seconds, atMost: 3 }
    ]
    yield* say(`${timesText(times)}\n\nbytes lost over ${cuts.switched} switches: ${cuts.lostBytes}`)
    if (json) yield* Console.log(JSON.stringify({ samples, ratios, times, cuts }))
  }, Effect.scoped)
).pipe(Command.withDescription("Measure sessions over links behind NATs"))

bench.pipe(
  Command.run({ version }),
  Effect.tapErrorTag("BenchFailed", ({ message }) => Console.error(message)),
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain
)
