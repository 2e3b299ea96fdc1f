/**
 * One stream between two processes on loopback: bytes per second by 64 KiB writes, and round trips of 64 bytes. Every
 * rival is a pair of processes that stays connected for the whole run; they take short turns, in another order each
 * round, while the others wait.
 */
import { Console, Effect } from "effect"
import type { Comparison, Sample } from "./figures.ts"
import { type RivalName, rivalNames } from "./messages.ts"
import { type Measured, startPeer } from "./processes.ts"

export interface StreamsOptions {
  readonly rounds: number
  /** Length of a turn. */
  readonly seconds: number
  readonly profileDirectory: string | undefined
}

const throughput = "one stream, MB/s"
const sending = "sender CPU, ms/100 MB"
const receiving = "receiver CPU, ms/100 MB"
const rate = "64 B round trips/s"
const p50 = "round trip p50, us"
const p99 = "round trip p99, us"
const perRoundTrip = "CPU of both, us/round trip"

export const throughputComparisons: ReadonlyArray<Comparison> = [
  { figure: throughput, of: "quic", to: "native-quic", atLeast: 3 },
  { figure: throughput, of: "quic", to: "tcp", atLeast: 0.6 },
  { figure: throughput, of: "session-quic", to: "quic" },
  { figure: throughput, of: "session-tcp", to: "tcp" },
  { figure: receiving, of: "quic", to: "native-quic" }
]

export const roundTripComparisons: ReadonlyArray<Comparison> = [
  { figure: rate, of: "quic", to: "native-quic", atLeast: 1 },
  { figure: rate, of: "session-quic", to: "quic" },
  { figure: rate, of: "session-tcp", to: "tcp" },
  { figure: p50, of: "quic", to: "native-quic" },
  { figure: p99, of: "quic", to: "native-quic" },
  { figure: perRoundTrip, of: "quic", to: "native-quic" },
  { figure: perRoundTrip, of: "session-quic", to: "quic" }
]

interface Pair {
  readonly rival: RivalName
  readonly listener: Measured
  readonly dialler: Measured
}

const startPair = Effect.fnUntraced(function* (rival: RivalName, profileDirectory: string | undefined) {
  const listener = yield* startPeer([rival, "listener"], [], profileDirectory)
  const dialler = yield* startPeer([rival, "dialler"], [], profileDirectory)
  const { address } = yield* listener.ask({ _tag: "Listen" }, "Listening")
  yield* dialler.ask({ _tag: "Connect", address }, "Done")
  const pair: Pair = { rival, listener, dialler }
  return pair
})

type Figures = ReadonlyArray<readonly [figure: string, value: number]>

/** What the processes of a pair use of the processor while something is measured, in microseconds. */
const withCpu = Effect.fnUntraced(function* <A, E>({ dialler, listener }: Pair, measured: Effect.Effect<A, E>) {
  const used = Effect.forEach([dialler, listener], (end) =>
    Effect.map(end.ask({ _tag: "Cpu" }, "CpuUsed"), ({ micros }) => micros)
  )
  const before = yield* used
  const result = yield* measured
  const [sender = 0, receiver = 0] = (yield* used).map((micros, index) => micros - (before[index] ?? 0))
  return { result, sender, receiver }
})

const measureFlow = Effect.fnUntraced(function* (pair: Pair, seconds: number) {
  const flow = pair.dialler.ask({ _tag: "Flow", seconds }, "Flowed")
  const { receiver, result, sender } = yield* withCpu(pair, flow)
  const perHundredMegabytes = 1e8 / result.bytes / 1000
  const figures: Figures = [
    [throughput, result.bytes / 1e6 / (result.millis / 1000)],
    [sending, sender * perHundredMegabytes],
    [receiving, receiver * perHundredMegabytes]
  ]
  return figures
})

const measureRoundTrips = Effect.fnUntraced(function* (pair: Pair, seconds: number) {
  const roundTrips = pair.dialler.ask({ _tag: "RoundTrips", seconds }, "RoundTripped")
  const { receiver, result, sender } = yield* withCpu(pair, roundTrips)
  const figures: Figures = [
    [rate, result.perSecond],
    [p50, result.p50Micros],
    [p99, result.p99Micros],
    [perRoundTrip, (sender + receiver) / (result.perSecond * seconds)]
  ]
  return figures
})

/** Measures what is asked for, and ends the processes. */
export const measureStreams = Effect.fnUntraced(function* (
  what: ReadonlyArray<"throughput" | "roundtrip">,
  { profileDirectory, rounds, seconds }: StreamsOptions
) {
  const samples: Array<Sample> = []
  const pairs = yield* Effect.forEach(rivalNames, (rival) => startPair(rival, profileDirectory))
  for (const one of what) {
    yield* Console.error(`${one} ...`)
    const measure = one === "throughput" ? measureFlow : measureRoundTrips
    for (let round = 0; round < rounds; round++) {
      const first = round % pairs.length
      for (const pair of [...pairs.slice(first), ...pairs.slice(0, first)]) {
        for (const [figure, value] of yield* measure(pair, seconds)) {
          samples.push({ round, rival: pair.rival, figure, value })
        }
      }
    }
  }
  return samples
}, Effect.scoped)
