/**
 * The rival of links: libp2p's own WebRTC (ICE, TURN and SCTP by libdatachannel) between the same NATs and by the same
 * coturn, with a circuit relay for its offers. It lives in a package of its own (`webrtc/`), which is installed when it
 * is first asked for. `node bench/links/rival.ts` measures it alone, and needs what the whole benchmark needs.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Schema, type Scope } from "effect"
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import * as Nat from "../../test/fixtures/natNetwork.ts"
import { startCoturn } from "../../test/system/natNodes.ts"
import { figuresText, type Sample } from "../session/figures.ts"
import { BenchFailed } from "../turn/processes.ts"
import { decimal, table } from "../turn/report.ts"
import { percentile } from "../turn/statistics.ts"

const folder = join(import.meta.dirname, "webrtc")
const relayPort = 4001
/** For a dial, a large flow or some seconds of round trips; a process that exceeds it hangs. */
const answerSecondsMax = 60

/** Dials to come to a connection that goes the wanted way. */
const attemptsMax = 5

/** The TURN server, as every peer is told of it. */
export interface Turn {
  readonly address: string
  readonly user: string
  readonly password: string
}

/** What `startCoturn` starts. */
export const coturn: Turn = { address: `${Nat.publicHosts.turn}:3478`, user: "u", password: "p" }

const exited = (child: ChildProcess): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const done = () => resume(Effect.void)
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return done()
    child.once("exit", done)
  })

/** Installs the rival, where what is installed is not what its lock file says. */
export const install: Effect.Effect<void, BenchFailed> = Effect.gen(function* () {
  const copy = join(folder, "node_modules/.installed-lock.json")
  const lock = readFileSync(join(folder, "package-lock.json"), "utf8")
  if (existsSync(copy) && readFileSync(copy, "utf8") === lock) return
  yield* Console.error("Installing @libp2p/webrtc, to compare with (once; half a minute) ...")
  const npm = spawn("npm", ["ci", "--ignore-scripts"], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] })
  npm.on("error", () => {})
  yield* exited(npm)
  if (npm.exitCode !== 0) return yield* new BenchFailed({ detail: `npm ci in ${folder} failed` })
  writeFileSync(copy, lock)
})

const Address = Schema.Struct({ address: Schema.String })
/** Kinds of the two ICE candidates in use; `relay` where packets go over the TURN server. */
const path = Schema.Array(Schema.String)
const Dialled = Schema.Struct({ millis: Schema.Finite, path })
const Flowed = Schema.Struct({ bytes: Schema.Finite, millis: Schema.Finite, path })
const RoundTripped = Schema.Struct({ perSecond: Schema.Finite, p50Micros: Schema.Finite, path })

/** A process of the rival: tells its address at first, and then answers line by line. */
interface Program {
  readonly address: string
  readonly ask: <A>(question: object, answer: Schema.Codec<A>) => Effect.Effect<A, BenchFailed>
}

/** Starts a program in a namespace; the scope ends it. */
const start = Effect.fnUntraced(function* (
  namespace: string,
  args: ReadonlyArray<string>
): Effect.fn.Return<Program, BenchFailed, Scope.Scope> {
  const [script = "", ...rest] = args
  const name = `${script} in ${namespace}`
  const [command, ...before] = Nat.inNamespace(namespace, process.execPath, join(folder, script))
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => spawn(command, [...before, ...rest], { stdio: ["pipe", "pipe", "inherit"] })),
    (child) =>
      Effect.andThen(
        Effect.sync(() => child.kill("SIGKILL")),
        exited(child)
      )
  )
  child.on("error", () => {})
  child.stdin.on("error", () => {})
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = <A>(answer: Schema.Codec<A>, question = "start"): Effect.Effect<A, BenchFailed> =>
    Effect.promise(() => lines.next()).pipe(
      Effect.map(({ done, value }) => (done === true ? "nothing, but ended" : value)),
      Effect.flatMap((line) =>
        Schema.decodeEffect(Schema.fromJsonString(answer))(line).pipe(
          Effect.mapError(() => new BenchFailed({ detail: `${name} answered ${line} to ${question}` }))
        )
      ),
      Effect.timeoutOrElse({
        duration: answerSecondsMax * 1000,
        orElse: () => Effect.fail(new BenchFailed({ detail: `${name} does not answer ${question}` }))
      })
    )
  const { address } = yield* next(Address)
  return {
    address,
    ask: (question, answer) =>
      Effect.suspend(() => {
        const line = JSON.stringify(question)
        child.stdin.write(`${line}\n`)
        return next(answer, line)
      })
  }
})

/**
 * Lets packets to addresses that the public network does not know go astray, as on the Internet. ICE has coturn send to
 * the peer's private address; without any route coturn (4.6.1) gets an error for that and deletes the whole allocation.
 */
const addNowhere = (pub: string): Effect.Effect<void, BenchFailed> => {
  const [gateway, nobody] = [Nat.publicHosts.turn.replace(/\d+$/, "254"), "02:00:00:00:00:fe"]
  const commands = [
    ["neighbour", "replace", gateway, "lladdr", nobody, "dev", "br0", "nud", "permanent"],
    ["route", "replace", "default", "via", gateway]
  ]
  const failed = () => commands.some((args) => spawnSync("ip", ["-n", pub, ...args], { stdio: "inherit" }).status !== 0)
  return Effect.suspend(() =>
    failed() ? Effect.fail(new BenchFailed({ detail: `no default route in ${pub}` })) : Effect.void
  )
}

/** Starts the circuit relay in the public namespace and tells its address. */
export const startRelay = Effect.fnUntraced(function* (
  pub: string
): Effect.fn.Return<string, BenchFailed, Scope.Scope> {
  yield* addNowhere(pub)
  const { address } = yield* start(pub, ["relay.mjs", Nat.publicHosts.bootstrap, String(relayPort)])
  return address
})

type Host = Pick<Nat.NatHost, "namespace" | "mode">

export interface RivalOptions {
  /** Of `startRelay`. */
  readonly relay: string
  readonly turn: Turn
  /** Who dials and sends, and whom it sends to. */
  readonly from: Host
  readonly to: Host
}

type Figures = ReadonlyArray<readonly [figure: string, value: number]>

/** A dial of the rival: the seconds to its connection, and whether that begins over the TURN server. */
export interface RivalDial {
  readonly seconds: number
  readonly relayed: boolean
}

/** A pair of the rival's peers, of which both are connected to the relay. */
export interface Rival {
  readonly name: string
  /** Dials without an earlier connection that is of use. ICE may begin with the relay and change to a better way. */
  readonly dial: Effect.Effect<RivalDial, BenchFailed>
  /** Dials until there is a connection that goes the way that the NATs allow; the following need it. */
  readonly connect: Effect.Effect<void, BenchFailed>
  /** Sends so many bytes on one stream. */
  readonly flow: (bytes: number) => Effect.Effect<Figures, BenchFailed>
  /** 64 bytes there and back for so many seconds, one on its way. */
  readonly roundTrips: (seconds: number) => Effect.Effect<Figures, BenchFailed>
}

const isRelayed = ({ path }: { readonly path: ReadonlyArray<string> }): boolean => path.includes("relay")

/** Starts both peers of a pair; the scope ends them. */
export const startRival = Effect.fnUntraced(function* ({
  from,
  relay,
  to,
  turn
}: RivalOptions): Effect.fn.Return<Rival, BenchFailed, Scope.Scope> {
  const name = `webrtc ${from.mode}/${to.mode}`
  const args = [relay, turn.address, turn.user, turn.password]
  const { address } = yield* start(to.namespace, ["peer.mjs", "listener", ...args])
  const { ask } = yield* start(from.namespace, ["peer.mjs", "dialler", ...args])
  const wanted = from.mode === "sym" && to.mode === "sym"
  /** Makes sure that what was measured went the way that the name says. */
  const expected = <A extends { readonly path: ReadonlyArray<string> }>(measured: A) =>
    isRelayed(measured) === wanted
      ? Effect.succeed(measured)
      : Effect.fail(new BenchFailed({ detail: `the way of ${name} was ${measured.path.join(", ")}` }))
  const dial = ask({ ask: "dial", address }, Dialled).pipe(
    Effect.map((dialled): RivalDial => ({ seconds: dialled.millis / 1000, relayed: isRelayed(dialled) }))
  )
  const flow = (bytes: number) => Effect.flatMap(ask({ ask: "flow", bytes }, Flowed), expected)
  const roundTrips = (seconds: number) => Effect.flatMap(ask({ ask: "roundTrips", seconds }, RoundTripped), expected)
  return {
    name,
    dial,
    connect: Effect.andThen(dial, roundTrips(1)).pipe(Effect.retry({ times: attemptsMax - 1 }), Effect.asVoid),
    flow: (bytes) => Effect.map(flow(bytes), ({ bytes, millis }): Figures => [["MB/s", bytes / 1000 / millis]]),
    roundTrips: (seconds) =>
      Effect.map(roundTrips(seconds), ({ p50Micros, perSecond }): Figures => [
        ["64 B round trips/s", perSecond],
        ["round trip p50, us", p50Micros]
      ])
  }
})

export interface RivalsOptions {
  readonly turn: Turn
  readonly dials: number
  readonly rounds: number
  /** Of a round. */
  readonly bytes: number
  readonly seconds: number
}

/** The dials of one rival. */
export interface RivalTimes {
  readonly label: string
  readonly seconds: ReadonlyArray<number>
  /** How many of them began over the TURN server. */
  readonly relayed: number
}

/** A turn, for which a connection that does not last is made anew, once. */
const takeTurn = (rival: Rival, bytes: number, seconds: number): Effect.Effect<Figures, BenchFailed> => {
  const turn = Effect.zipWith(rival.flow(bytes), rival.roundTrips(seconds), (flow, trips) => [...flow, ...trips])
  return turn.pipe(
    Effect.tapError(({ message }) => Console.error(`${message}; ${rival.name} connects again`)),
    Effect.catch(() => Effect.andThen(rival.connect, turn))
  )
}

/** Measures one pair of hosts of each of these modes, in turns, and ends all that it starts. */
export const measureRivals = Effect.fnUntraced(function* (
  { hosts, pub }: Nat.NatNetwork,
  modes: ReadonlyArray<Nat.NatMode>,
  { bytes, dials, rounds, seconds, turn }: RivalsOptions
) {
  yield* install
  const relay = yield* startRelay(pub)
  const samples: Array<Sample> = []
  const times: Array<RivalTimes> = []
  const rivals: Array<Rival> = []
  for (const mode of modes) {
    const [from, to] = hosts.filter((host) => host.mode === mode)
    if (from === undefined || to === undefined) return yield* new BenchFailed({ detail: `there are no two ${mode}` })
    const rival = yield* startRival({ relay, turn, from, to })
    const dialled = yield* Effect.replicateEffect(rival.dial, dials)
    times.push({
      label: `dial, ${rival.name}`,
      seconds: dialled.map(({ seconds }) => seconds),
      relayed: dialled.filter(({ relayed }) => relayed).length
    })
    yield* rival.connect
    rivals.push(rival)
  }
  for (let round = 0; round <= rounds; round++) {
    const first = (round + 1) % rivals.length
    for (const rival of [...rivals.slice(first), ...rivals.slice(0, first)]) {
      const figures = yield* takeTurn(rival, bytes, seconds)
      // The first round is to warm up.
      if (round > 0) for (const [figure, value] of figures) samples.push({ round, rival: rival.name, figure, value })
    }
  }
  return { samples, times }
}, Effect.scoped)

const alone = Effect.gen(function* () {
  if (Nat.missing !== undefined) return yield* new BenchFailed({ detail: Nat.missing })
  const nat = yield* Nat.make({ modes: ["cone", "cone", "sym", "sym"] })
  yield* startCoturn(nat)
  const options = { turn: coturn, dials: 7, rounds: 7, bytes: 32e6, seconds: 2 }
  const { samples, times } = yield* measureRivals(nat, ["cone", "sym"], options)
  yield* Console.log(`${figuresText(samples)}\n`)
  const rows = times.map(({ label, relayed, seconds }) => [
    label,
    String(seconds.length),
    String(relayed),
    decimal(percentile(seconds, 50)),
    decimal(percentile(seconds, 100))
  ])
  yield* Console.log(table(["seconds", "samples", "relayed at first", "median", "longest"], rows))
}).pipe(Effect.scoped)

if (import.meta.main) {
  alone.pipe(
    Effect.tapErrorTag("BenchFailed", ({ message }) => Console.error(message)),
    NodeRuntime.runMain
  )
}
