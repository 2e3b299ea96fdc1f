/**
 * The processes of a run: each client and the echoing peer. All of them are on the same core when this process is,
 * since they inherit that; each ends with its scope, by its own process id.
 */
import { Effect, Runtime, Schedule, Schema, type Scope } from "effect"
import { type ChildProcess, fork, spawn, spawnSync } from "node:child_process"
import * as Dgram from "node:dgram"
import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import type { TransportAddress } from "../../src/domain/transportAddress.ts"
import { type ClientName, type Request, Response } from "./messages.ts"

const host = "127.0.0.1"
/** A client writes its profile when its channel closes; then it ends by itself. */
const endMillisMax = 5000
/** Beyond what a measurement itself takes; a client that exceeds it hangs. */
const answerSecondsMax = 120

/** The run cannot go on; the message says it all, so the runtime adds no trace (`errorReported`). */
export class BenchFailed extends Schema.TaggedError<BenchFailed>()("BenchFailed", { detail: Schema.String }) {
  override readonly [Runtime.errorReported] = false
  override get message() {
    return this.detail
  }
}

const exited = (child: ChildProcess): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return resume(Effect.void)
    const onExit = () => resume(Effect.void)
    child.once("exit", onExit)
    return Effect.sync(() => child.off("exit", onExit))
  })

const kill = (child: ChildProcess): Effect.Effect<void> =>
  Effect.andThen(
    Effect.sync(() => child.kill("SIGKILL")),
    exited(child)
  )

/** Closes the channel, upon which the process ends; kills it when it does not. */
const end = (child: ChildProcess): Effect.Effect<void> =>
  Effect.sync(() => {
    if (child.connected) child.disconnect()
  }).pipe(Effect.andThen(exited(child)), Effect.timeoutOrElse({ duration: endMillisMax, orElse: () => kill(child) }))

/** A script, named from this folder, as a process with a channel; closing the scope ends it. */
export const forkScript = (
  script: string,
  args: ReadonlyArray<string>,
  nodeArgs: ReadonlyArray<string> = []
): Effect.Effect<ChildProcess, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const path = fileURLToPath(new URL(script, import.meta.url))
      return fork(path, args, { execArgv: [...nodeArgs], stdio: ["ignore", "inherit", "inherit", "ipc"] })
    }),
    end
  )

export type Measured = Exclude<Response, { readonly _tag: "Failed" }>

export interface ClientProcess {
  readonly name: ClientName
  readonly ask: (request: Request) => Effect.Effect<Measured, BenchFailed>
}

const answer = (child: ChildProcess, name: ClientName, request: Request): Effect.Effect<Response, BenchFailed> =>
  Effect.callback<Response, BenchFailed>((resume) => {
    const onMessage = (message: unknown) => {
      child.off("exit", onExit)
      resume(Effect.orDie(Schema.decodeUnknownEffect(Response)(message)))
    }
    const onExit = () => {
      child.off("message", onMessage)
      resume(Effect.fail(new BenchFailed({ detail: `the process of ${name} ended` })))
    }
    child.once("message", onMessage)
    child.once("exit", onExit)
    child.send(request)
  })

/** Starts a client; with `profileDirectory` it leaves a CPU profile there when it ends. */
export const startClient = Effect.fnUntraced(function* (name: ClientName, profileDirectory: string | undefined) {
  const nodeArgs = profileDirectory === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profileDirectory}`]
  const child = yield* forkScript("client.ts", [name], nodeArgs)
  const started: ClientProcess = {
    name,
    ask: Effect.fnUntraced(function* (request) {
      const response = yield* answer(child, name, request).pipe(
        Effect.timeoutOrElse({
          duration: answerSecondsMax * 1000,
          orElse: () => Effect.fail(new BenchFailed({ detail: `${name} does not come to an end` }))
        })
      )
      if (response._tag === "Failed") return yield* new BenchFailed({ detail: `${name}: ${response.message}` })
      return response
    })
  }
  return started
})

/** A free UDP port with a free one above it, which `turnutils_peer` opens too. */
const freePort: Effect.Effect<number> = Effect.callback<number>((resume) => {
  const [socket, next] = [Dgram.createSocket("udp4"), Dgram.createSocket("udp4")]
  const done = (result: Effect.Effect<number>) => socket.close(() => resume(result))
  next.once("error", () => done(freePort))
  socket.bind(0, host, () => {
    const { port } = socket.address()
    next.bind(port + 1, host, () => next.close(() => done(Effect.succeed(port))))
  })
})

/** Whether a datagram to the peer comes back within a tenth of a second. */
const echoes = (port: number): Effect.Effect<boolean> =>
  Effect.callback<boolean>((resume) => {
    const socket = Dgram.createSocket("udp4")
    const done = (result: boolean) => {
      clearTimeout(timer)
      socket.removeAllListeners("message")
      socket.close(() => resume(Effect.succeed(result)))
    }
    const timer = setTimeout(() => done(false), 100)
    socket.once("message", () => done(true))
    socket.send("ready?", port, host)
  })

export interface Peer {
  readonly program: string
  readonly address: TransportAddress
}

/** Starts the peer: coturn's in C where it is installed, our own otherwise. */
export const startPeer: Effect.Effect<Peer, BenchFailed, Scope.Scope> = Effect.gen(function* () {
  const port = yield* freePort
  const program = "turnutils_peer"
  const installed = spawnSync(program, ["-h"], { stdio: "ignore" }).error === undefined
  if (installed) {
    yield* Effect.acquireRelease(
      Effect.sync(() => spawn(program, ["-p", String(port), "-L", host], { stdio: "ignore" })),
      kill
    )
  } else yield* forkScript("echoPeer.ts", [String(port)])
  const ready = yield* echoes(port).pipe(
    Effect.repeat({ until: (ready) => ready, schedule: Schedule.spaced("20 millis"), times: 100 })
  )
  if (!ready) return yield* new BenchFailed({ detail: "the peer does not echo" })
  return { program: installed ? program : "node:dgram", address: { host, port } }
})

/**
 * Puts this process, and with it all that it starts, on the machine's last core, which serves fewest interrupts; says
 * which, or `undefined` where `taskset` is missing or refuses.
 */
export const pin: Effect.Effect<number | undefined> = Effect.sync(() => {
  const core = availableParallelism() - 1
  const result = spawnSync("taskset", ["--all-tasks", "--pid", "--cpu-list", String(core), String(process.pid)])
  return result.status === 0 ? core : undefined
})
