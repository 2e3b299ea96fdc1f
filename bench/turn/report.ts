/**
 * What a run says: every figure of every client with its ratio, and the goals with what was measured. Ratios are taken
 * within a round, where the clients ran side by side, and the median of those is reported; absolute numbers of a shared
 * machine mean little.
 */
import { median } from "./statistics.ts"
import { type ClientName, clientNames } from "./messages.ts"
import { type FigureName, payloads, type RunResult, type Sample } from "./run.ts"

/** One line of the table: a figure and payload, the clients' medians, and our ratio to the others in each round. */
interface Row {
  readonly label: string
  readonly figure: FigureName
  readonly payloadBytes: number | undefined
  readonly medians: Readonly<Record<ClientName, number>>
  /** Ours to another client's, round by round. */
  readonly ratios: Readonly<Record<Exclude<ClientName, "icn-node">, ReadonlyArray<number>>>
}

interface Goal {
  readonly label: string
  readonly figure: FigureName
  readonly against: "raw" | "werift"
  /** A ratio that must be reached: from below where more is better, from above for costs. */
  readonly bound: "atLeast" | "atMost"
  /** What holds now, and what the data path is meant to reach. */
  readonly floor: number
  readonly aim: (payloadBytes: number | undefined) => number
}

const goals: ReadonlyArray<Goal> = [
  {
    label: "echoes/s to raw",
    figure: "echoesPerSecond",
    against: "raw",
    bound: "atLeast",
    floor: 0.9,
    aim: () => 0.95
  },
  { label: "CPU per echo to raw", figure: "cpuMicros", against: "raw", bound: "atMost", floor: 1.2, aim: () => 1.08 },
  {
    label: "echoes/s to werift",
    figure: "echoesPerSecond",
    against: "werift",
    bound: "atLeast",
    floor: 1.25,
    aim: (payloadBytes) => (payloadBytes === 1200 ? 1.5 : 1.35)
  },
  {
    label: "round trip p50 to raw",
    figure: "roundTripP50Micros",
    against: "raw",
    bound: "atMost",
    floor: 1.1,
    aim: () => 1.05
  },
  {
    label: "allocate p50 to raw",
    figure: "allocateP50Millis",
    against: "raw",
    bound: "atMost",
    floor: 1.5,
    aim: () => 1.2
  }
]

const echoFigures: ReadonlyArray<readonly [FigureName, string]> = [
  ["echoesPerSecond", "echoes/s"],
  ["cpuMicros", "CPU/echo, us"],
  ["roundTripP50Micros", "round trip p50, us"],
  ["roundTripP99Micros", "round trip p99, us"]
]
const allocateFigures: ReadonlyArray<readonly [FigureName, string]> = [
  ["allocateP50Millis", "allocate p50, ms"],
  ["allocateP99Millis", "allocate p99, ms"]
]

const rowOf = (
  samples: ReadonlyArray<Sample>,
  figure: FigureName,
  label: string,
  payloadBytes: number | undefined
): Row => {
  /** In the order of the rounds. */
  const values = (client: ClientName): ReadonlyArray<number> =>
    samples.flatMap((sample) =>
      sample.client === client && sample.figure === figure && sample.payloadBytes === payloadBytes ? [sample.value] : []
    )
  const ratios = (client: ClientName): ReadonlyArray<number> => {
    const others = values(client)
    return values("icn-node").map((value, round) => value / (others[round] ?? Number.NaN))
  }
  const [raw, ours, werift] = [values("raw"), values("icn-node"), values("werift")]
  return {
    label: payloadBytes === undefined ? label : `${payloadBytes} B ${label}`,
    figure,
    payloadBytes,
    medians: { raw: median(raw), "icn-node": median(ours), werift: median(werift) },
    ratios: { raw: ratios("raw"), werift: ratios("werift") }
  }
}

/** The figures of a run, most interesting first. */
export const rows = ({ samples }: RunResult): ReadonlyArray<Row> => [
  ...payloads.flatMap((payloadBytes) =>
    echoFigures.map(([figure, label]) => rowOf(samples, figure, label, payloadBytes))
  ),
  ...allocateFigures.map(([figure, label]) => rowOf(samples, figure, label, undefined))
]

/** A goal at one payload, and whether this run met it. */
interface Verdict {
  readonly goal: string
  readonly bound: "atLeast" | "atMost"
  readonly floor: number
  readonly aim: number
  readonly measured: number
  readonly met: boolean
  readonly aimMet: boolean
}

/** Every goal with what was measured. */
export const verdicts = (table: ReadonlyArray<Row>): ReadonlyArray<Verdict> =>
  goals.flatMap(({ against, aim, bound, figure, floor, label }) =>
    table.flatMap((row) => {
      if (row.figure !== figure) return []
      const measured = median(row.ratios[against])
      const reaches = (limit: number) => (bound === "atLeast" ? measured >= limit : measured <= limit)
      const wanted = aim(row.payloadBytes)
      const goal = row.payloadBytes === undefined ? label : `${label}, ${row.payloadBytes} B`
      return [{ goal, bound, floor, aim: wanted, measured, met: reaches(floor), aimMet: reaches(wanted) }]
    })
  )

export const decimal = (value: number): string =>
  value >= 1000 ? Math.round(value).toLocaleString("en") : value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2)

export const ratioText = (ratios: ReadonlyArray<number>): string =>
  `${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)}-${Math.max(...ratios).toFixed(2)})`

/** Cells as a Markdown table whose columns line up: the first to the left, numbers to the right. */
export const table = (head: ReadonlyArray<string>, body: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = head.map((_, column) => Math.max(1, ...[head, ...body].map((line) => line[column]?.length ?? 0)))
  const align = (line: ReadonlyArray<string>) =>
    widths.map((width, column) =>
      column === 0 ? (line[column] ?? "").padEnd(width) : (line[column] ?? "").padStart(width)
    )
  const rule = widths.map((width, column) => (column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`))
  return [align(head), rule, ...body.map(align)].map((cells) => `| ${cells.join(" | ")} |`).join("\n")
}

const countText = (name: string, counts: Readonly<Record<ClientName, number>>): ReadonlyArray<string> =>
  clientNames.some((client) => counts[client] > 0)
    ? [`${name}: ${clientNames.map((client) => `${client} ${counts[client]}`).join(", ")}`]
    : []

/** The whole report as text; the tables are Markdown. */
export const text = (result: RunResult): string => {
  const figures = rows(result)
  const lines = figures.map(({ label, medians, ratios }) => [
    label,
    decimal(medians.raw),
    decimal(medians["icn-node"]),
    decimal(medians.werift),
    ratioText(ratios.raw),
    ratioText(ratios.werift)
  ])
  const goalLines = verdicts(figures).map(({ aim, aimMet, bound, floor, goal, measured, met }) => {
    const sign = bound === "atLeast" ? ">=" : "<="
    return [
      goal,
      measured.toFixed(3),
      `${sign} ${floor.toFixed(2)}`,
      met ? "met" : "NOT MET",
      `${sign} ${aim.toFixed(2)}`,
      aimMet ? "met" : "not met"
    ]
  })
  return [
    table(["median of rounds", "raw", "icn-node", "werift", "icn-node/raw", "icn-node/werift"], lines),
    "",
    "Ratios: median of the rounds, smallest and largest in brackets.",
    ...countText("Lost datagrams", result.lost),
    ...countText("Repeated allocations", result.repeated),
    "",
    table(["goal", "measured", "floor", "", "aim", ""], goalLines)
  ].join("\n")
}
