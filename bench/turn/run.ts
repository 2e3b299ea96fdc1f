/**
 * One run. All clients hold a relay on the same coturn and take short turns, in another order each round, so that
 * whatever else the machine does hits all alike; while one is measured the others wait. Allocations are measured
 * afterwards, on a fresh coturn each round that keeps nothing of what a client did not release.
 */
import { Console, Effect } from "effect"
import type { TransportAddress } from "../../src/domain/transportAddress.ts"
import * as Coturn from "../../test/system/coturn.ts"
import { type ClientName, clientNames, type Request } from "./messages.ts"
import { BenchFailed, type ClientProcess, type Measured, startClient, startPeer } from "./processes.ts"

/** Small as of a game or a voice, and large as of a QUIC packet. */
export const payloads = [100, 1200] as const
/** Datagrams on their way: many for rates, one for round trips. */
const windows = [64, 1] as const

export interface RunOptions {
  readonly rounds: number
  /** How long a client's turn takes. */
  readonly seconds: number
  /** In a row, in each turn. */
  readonly allocations: number
  /** Where the clients leave CPU profiles, if anywhere. */
  readonly profileDirectory: string | undefined
}

/** What is compared, with the unit at the end of the name. */
export type FigureName =
  | "echoesPerSecond"
  | "cpuMicros"
  | "roundTripP50Micros"
  | "roundTripP99Micros"
  | "allocateP50Millis"
  | "allocateP99Millis"

/** A figure of one client in one round. */
export interface Sample {
  readonly round: number
  readonly client: ClientName
  readonly figure: FigureName
  /** `undefined` for allocations, which carry none. */
  readonly payloadBytes: number | undefined
  readonly value: number
}

export interface RunResult {
  readonly peer: string
  readonly samples: ReadonlyArray<Sample>
  /** Datagrams that did not come back, by client: with many of them the rates mean little. */
  readonly lost: Readonly<Record<ClientName, number>>
  /** Allocations that were refused and repeated, by client. */
  readonly repeated: Readonly<Record<ClientName, number>>
}

/** The figures of one answer: round trips from a window of one, rates from a larger one. */
const figuresOf = (measured: Measured): ReadonlyArray<readonly [FigureName, number]> => {
  switch (measured._tag) {
    case "Done":
      return []
    case "Allocated":
      return [
        ["allocateP50Millis", measured.millis.p50],
        ["allocateP99Millis", measured.millis.p99]
      ]
    case "Echoed":
      return measured.roundTripMicros === undefined
        ? [
            ["echoesPerSecond", measured.echoesPerSecond],
            ["cpuMicros", measured.cpuMicrosPerEcho]
          ]
        : [
            ["roundTripP50Micros", measured.roundTripMicros.p50],
            ["roundTripP99Micros", measured.roundTripMicros.p99]
          ]
  }
}

const startServer = Coturn.start().pipe(
  Effect.mapError(({ message }) => new BenchFailed({ detail: message })),
  Effect.map(({ host, port }): TransportAddress => ({ host, port }))
)

const nothing = (): Record<ClientName, number> => ({ raw: 0, "icn-node": 0, werift: 0 })

/** Collects what the clients answer in their turns. */
const makeTurns = (clients: ReadonlyArray<ClientProcess>) => {
  const samples: Array<Sample> = []
  const [lost, repeated] = [nothing(), nothing()]
  const turns = Effect.fnUntraced(function* (round: number, request: Request, payloadBytes?: number) {
    const first = round % clients.length
    for (const client of [...clients.slice(first), ...clients.slice(0, first)]) {
      const measured = yield* client.ask(request)
      for (const [figure, value] of figuresOf(measured)) {
        samples.push({ round, client: client.name, figure, payloadBytes, value })
      }
      if (measured._tag === "Echoed") lost[client.name] += measured.lost
      if (measured._tag === "Allocated") repeated[client.name] += measured.repeated
    }
  })
  return { turns, samples, lost, repeated }
}

/** Starts everything, measures, and ends everything. */
export const run = Effect.fn("Bench.run")(function* (options: RunOptions) {
  const { allocations: count, rounds, seconds } = options
  const peer = yield* startPeer
  const clients = yield* Effect.forEach(clientNames, (name) => startClient(name, options.profileDirectory))
  const { turns, ...collected } = makeTurns(clients)

  const measureEchoes = Effect.fnUntraced(function* (payloadBytes: number) {
    const server = yield* startServer
    yield* turns(0, { _tag: "Open", server, peer: peer.address, payloadBytes })
    for (let round = 0; round < rounds; round++) {
      for (const window of windows) yield* turns(round, { _tag: "Exchange", window, seconds }, payloadBytes)
    }
    yield* turns(0, { _tag: "Close" })
  }, Effect.scoped)

  const measureAllocations = Effect.fnUntraced(function* (round: number) {
    yield* turns(round, { _tag: "Allocate", server: yield* startServer, count })
  }, Effect.scoped)

  for (const payloadBytes of payloads) {
    yield* Console.error(`echoes of ${payloadBytes} B ...`)
    yield* measureEchoes(payloadBytes)
  }
  yield* Console.error("allocations ...")
  for (let round = 0; round < rounds; round++) yield* measureAllocations(round)
  const result: RunResult = { peer: peer.program, ...collected }
  return result
}, Effect.scoped)
