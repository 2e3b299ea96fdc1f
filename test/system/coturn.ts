/**
 * A real coturn for tests: started on a free port of loopback, ready when it answers a Binding request, killed by its
 * pid. Tests that need it are skipped with the command that installs it where it is missing, and fail there under CI.
 */
import { Effect, Result, Schedule, Schema, type Scope } from "effect"
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import * as Dgram from "node:dgram"
import { mkdtempSync, rmSync } from "node:fs"
import { connect, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { decode, encode } from "../../src/protocol/stun.ts"
import { method } from "../../src/protocol/turn.ts"

const binary = process.env["TURNSERVER"] ?? "turnserver"

/** Why tests with coturn cannot run here; `undefined` when they can. */
export const missing: string | undefined =
  spawnSync(binary, ["--version"], { stdio: "ignore" }).error === undefined
    ? undefined
    : `${binary} is not installed: "sudo apt-get install coturn" on Debian and Ubuntu, "brew install coturn" on macOS`

/** Skips tests where coturn is missing, except under CI, where that is a failure. */
export const skipped = missing !== undefined && process.env["CI"] !== "true"

class CoturnFailed extends Schema.TaggedError<CoturnFailed>()("CoturnFailed", { log: Schema.String }) {
  override get message() {
    return `coturn did not start:\n${this.log}`
  }
}

export interface CoturnOptions {
  /** `--user` entries, "user:password" unless given. */
  readonly users?: ReadonlyArray<string>
  /** 127.0.0.1 unless given; listening and relay address. */
  readonly host?: string
  /** Offers the tests of RFC 5780, which need a second address: another `--listening-ip` among the flags. */
  readonly rfc5780?: boolean
  /** Optional values of flags need an "=", as in `--stale-nonce=2`. */
  readonly flags?: ReadonlyArray<string>
}

export interface Coturn {
  readonly host: string
  readonly port: number
  /** Everything it has printed, over all its runs. */
  readonly log: () => string
  /** Ends it at once, as a crash would, and waits until it is gone. */
  readonly kill: Effect.Effect<void>
  /** Stops its threads, as an overloaded machine would, and lets them go on. */
  readonly freeze: Effect.Effect<void>
  readonly thaw: Effect.Effect<void>
  /** Starts it again on its port; ends when it answers. */
  readonly start: Effect.Effect<void, CoturnFailed>
}

/** A port that nobody listens on, neither over TCP nor over UDP. */
const freePort = (host: string): Effect.Effect<number> =>
  Effect.callback<number>((resume) => {
    const server = createServer()
    server.listen(0, host, () => {
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      const udp = Dgram.createSocket(host.includes(":") ? "udp6" : "udp4")
      udp.once("error", () => server.close(() => resume(freePort(host))))
      udp.bind(port, host, () => udp.close(() => server.close(() => resume(Effect.succeed(port)))))
    })
  })

/** Whether a STUN server answers; one attempt, a tenth of a second at most. */
const answers = (host: string, port: number): Effect.Effect<boolean> =>
  Effect.callback<boolean>((resume) => {
    const socket = Dgram.createSocket(host.includes(":") ? "udp6" : "udp4")
    const done = (result: boolean) => {
      clearTimeout(timer)
      socket.removeAllListeners("message")
      socket.close(() => resume(Effect.succeed(result)))
    }
    const timer = setTimeout(() => done(false), 100)
    socket.on("error", () => {})
    socket.once("message", (datagram) => done(Result.isSuccess(decode(datagram))))
    const transactionId = randomBytes(12)
    socket.send(encode({ class: "request", method: method.binding, transactionId, attributes: [] }), port, host)
  })

/** Whether somebody listens on TCP, for a server without UDP. */
const listens = (host: string, port: number): Effect.Effect<boolean> =>
  Effect.callback<boolean>((resume) => {
    const socket = connect({ host, port })
    const done = (result: boolean) => {
      socket.destroy()
      resume(Effect.succeed(result))
    }
    socket.once("connect", () => done(true))
    socket.once("error", () => done(false))
  })

const run = (args: ReadonlyArray<string>, log: Array<string>): ChildProcess => {
  const child = spawn(binary, args, { stdio: ["ignore", "pipe", "pipe"] })
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => log.push(String(chunk)))
  return child
}

const ended = (child: ChildProcess): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
  })

/** Starts coturn; closing the scope kills it. */
export const start = Effect.fnUntraced(function* (
  options: CoturnOptions = {}
): Effect.fn.Return<Coturn, CoturnFailed, Scope.Scope> {
  if (missing !== undefined) return yield* new CoturnFailed({ log: missing })
  const { flags = [], host = "127.0.0.1", rfc5780 = false, users = ["user:password"] } = options
  const port = yield* freePort(host)
  const directory = mkdtempSync(join(tmpdir(), "icn-coturn-"))
  const log: Array<string> = []
  const fixed = "-n --realm example.org --lt-cred-mech --no-cli --no-tls --no-dtls --log-file stdout --verbose"
  const args = [
    ...fixed.split(" "),
    ...(rfc5780 ? [] : ["--no-rfc5780"]),
    `--listening-ip=${host}`,
    `--relay-ip=${host}`,
    `--listening-port=${port}`,
    `--pidfile=${join(directory, "pid")}`,
    `--userdb=${join(directory, "db")}`,
    "--allow-loopback-peers",
    ...users.flatMap((user) => ["--user", user]),
    ...flags
  ]
  let child: ChildProcess | undefined
  const kill = Effect.suspend(() => {
    const running = child
    child = undefined
    if (running === undefined) return Effect.void
    running.kill("SIGKILL")
    // coturn shares its port (SO_REUSEPORT): the next one may start only when this one is gone.
    return ended(running)
  })
  const begin = Effect.gen(function* () {
    yield* kill
    child = run(args, log)
    const attempt = flags.includes("--no-udp") ? listens(host, port) : answers(host, port)
    const ready = yield* attempt.pipe(
      Effect.repeat({ until: (ready) => ready, schedule: Schedule.spaced("20 millis"), times: 200 })
    )
    if (!ready) return yield* new CoturnFailed({ log: log.join("") })
  })
  yield* Effect.addFinalizer(() =>
    Effect.andThen(
      kill,
      Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
    )
  )
  yield* begin
  const signal = (name: "SIGSTOP" | "SIGCONT") => Effect.sync(() => void child?.kill(name))
  const coturn: Coturn = {
    host,
    port,
    log: () => log.join(""),
    kill,
    freeze: signal("SIGSTOP"),
    thaw: signal("SIGCONT"),
    start: begin
  }
  return coturn
})
