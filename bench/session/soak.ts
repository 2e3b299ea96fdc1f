/**
 * Thousands of connects from one node to another (dial, echo on a new stream, close), with what both processes hold
 * measured on the way after garbage collection. What grows with the number of connects is a leak, so slopes are told.
 */
import { Console, Effect } from "effect"
import { decimal, table } from "../turn/report.ts"
import type { MemoryHeld, RivalName } from "./messages.ts"
import { type Measured, startPeer } from "./processes.ts"

/** Measurements along the way; the first fifth is not looked at, since compilers and caches still settle. */
const parts = 20
const settling = 4

export interface SoakOptions {
  readonly rivals: ReadonlyArray<RivalName>
  readonly connects: number
  /** Per rival; a soak that takes longer ends early and says so. */
  readonly minutesMax: number
}

interface Held extends Omit<MemoryHeld, "_tag"> {
  readonly connects: number
}

export interface Soaked {
  readonly rival: RivalName
  readonly end: "dialler" | "listener"
  readonly connectsPerSecond: number
  readonly failures: ReadonlyArray<string>
  readonly held: ReadonlyArray<Held>
}

const fields = ["heapBytes", "externalBytes", "rssBytes", "handles", "files"] as const
type Field = (typeof fields)[number]

/** Growth per thousand connects, by least squares over what was measured after settling. */
const slope = (held: ReadonlyArray<Held>, field: Field): number => {
  const points = held.slice(settling).map((one) => ({ x: one.connects / 1000, y: one[field] }))
  const mean = (pick: (point: { readonly x: number; readonly y: number }) => number) =>
    points.reduce((sum, point) => sum + pick(point), 0) / points.length
  const [x, y] = [mean((point) => point.x), mean((point) => point.y)]
  const spread = mean((point) => (point.x - x) ** 2)
  return mean((point) => (point.x - x) * (point.y - y)) / spread
}

const holds = Effect.fnUntraced(function* (peer: Measured, connects: number) {
  const { _tag, ...held } = yield* peer.ask({ _tag: "Memory" }, "MemoryHeld")
  const one: Held = { connects, ...held }
  return one
})

const soakOne = Effect.fnUntraced(function* (rival: RivalName, { connects, minutesMax }: SoakOptions) {
  yield* Console.error(`soak of ${rival} ...`)
  const listener = yield* startPeer([rival, "listener"], ["--expose-gc"], undefined)
  const dialler = yield* startPeer([rival, "dialler"], ["--expose-gc"], undefined)
  const { address } = yield* listener.ask({ _tag: "Listen" }, "Listening")
  yield* dialler.ask({ _tag: "Connect", address }, "Done")
  const held = { dialler: new Array<Held>(), listener: new Array<Held>() }
  const failures: Array<string> = []
  let done = 0
  let millis = 0
  const per = Math.ceil(connects / parts)
  while (done < connects && millis < minutesMax * 60_000) {
    const cycled = yield* dialler.ask({ _tag: "Cycle", count: per }, "Cycled")
    failures.push(...cycled.failures)
    millis += cycled.millis
    done += per
    held.dialler.push(yield* holds(dialler, done))
    held.listener.push(yield* holds(listener, done))
    yield* Console.error(`${done} connects, ${failures.length} failed, ${Math.round(millis / 1000)} s`)
  }
  const common = { rival, connectsPerSecond: done / (millis / 1000), failures }
  const soaked: ReadonlyArray<Soaked> = [
    { ...common, end: "dialler", held: held.dialler },
    { ...common, end: "listener", held: held.listener }
  ]
  return soaked
}, Effect.scoped)

export const soak = Effect.fnUntraced(function* (options: SoakOptions) {
  const results: Array<Soaked> = []
  for (const rival of options.rivals) results.push(...(yield* soakOne(rival, options)))
  return results
})

const megabytes = (bytes: number | undefined): string => ((bytes ?? Number.NaN) / 1e6).toFixed(1)
const slopeText = (value: number): string => `${value >= 0 ? "+" : ""}${value.toFixed(2)}`

const samplesText = ({ held }: Soaked): string =>
  table(
    ["connects", "heap, MB", "external, MB", "RSS, MB", "handles", "files"],
    held.map((one) => [
      String(one.connects),
      megabytes(one.heapBytes),
      megabytes(one.externalBytes),
      megabytes(one.rssBytes),
      String(one.handles),
      String(one.files)
    ])
  )

/** What was held along the way, and the slopes of all. */
export const soakText = (results: ReadonlyArray<Soaked>): string => {
  const details = results.map((one) => `${one.rival}, ${one.end}\n\n${samplesText(one)}\n`)
  const slopes = results.map((one) => [
    `${one.rival}, ${one.end}`,
    String(one.held.at(-1)?.connects ?? 0),
    decimal(one.connectsPerSecond),
    String(one.failures.length),
    slopeText(slope(one.held, "heapBytes") / 1000),
    slopeText(slope(one.held, "externalBytes") / 1000),
    slopeText(slope(one.held, "rssBytes") / 1e6),
    slopeText(slope(one.held, "handles")),
    slopeText(slope(one.held, "files"))
  ])
  const head = ["per 1000 connects", "connects", "per second", "failed", "heap, kB", "external, kB", "RSS, MB"]
  const examples = results.flatMap(({ end, failures, rival }) =>
    end === "dialler" && failures.length > 0 ? [`first failure of ${rival}: ${failures[0] ?? ""}`] : []
  )
  return [...details, table([...head, "handles", "files"], slopes), ...examples].join("\n")
}
