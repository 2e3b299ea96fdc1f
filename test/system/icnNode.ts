/**
 * Runs the built program (`dist/main.js`) as a user would, for system tests: its own home directory, events read from
 * standard output, ended by pid when the test's scope closes.
 */
import { Effect, Schema } from "effect"
import { type ChildProcessByStdio, spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import type { Readable, Writable } from "node:stream"
import { temporaryDirectory } from "../fixtures/temporaryDirectory.ts"

const root = join(import.meta.dirname, "../..")
export const main = join(root, "dist/main.js")

type Process = ChildProcessByStdio<Writable, Readable, Readable>

export interface Finished {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A process under test: what it wrote so far, and ways to wait for more. */
export interface Running {
  readonly pid: number
  readonly output: () => { readonly stdout: string; readonly stderr: string }
  /** The first JSON line on standard output for which `found` holds; fails with the whole output when it ends first. */
  readonly event: (found: (event: Record<string, unknown>) => boolean) => Effect.Effect<Record<string, unknown>>
  readonly finished: Effect.Effect<Finished>
  readonly kill: (signal: NodeJS.Signals) => void
}

const EventLine = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown))

const eventsIn = (stdout: string): ReadonlyArray<Record<string, unknown>> =>
  stdout
    .split("\n")
    .slice(0, -1)
    .filter((line) => line.startsWith("{"))
    .map((line) => Schema.decodeSync(EventLine)(line))

const watch = (child: Process): Running => {
  const output = { stdout: "", stderr: "" }
  child.stdout.setEncoding("utf8").on("data", (text: string) => void (output.stdout += text))
  child.stderr.setEncoding("utf8").on("data", (text: string) => void (output.stderr += text))
  const closed = once(child, "close").then(([code, signal]): Finished => ({ code, signal, ...output }))
  const event = async (found: (event: Record<string, unknown>) => boolean) => {
    let ended = false
    void closed.then(() => (ended = true))
    for (;;) {
      const match = eventsIn(output.stdout).find(found)
      if (match !== undefined) return match
      if (ended) throw new Error(`ended without the event:\n${output.stdout}\n${output.stderr}`)
      await Promise.race([closed, once(child.stdout, "data")])
    }
  }
  return {
    pid: child.pid ?? -1,
    output: () => output,
    event: (found) => Effect.promise(() => event(found)),
    finished: Effect.promise(() => closed),
    kill: (signal) => void child.kill(signal)
  }
}

export interface StartOptions {
  readonly home: string
  readonly env?: Readonly<Record<string, string>>
  /** Runs this instead of `node dist/main.js`. */
  readonly command?: readonly [string, ...ReadonlyArray<string>]
  readonly cwd?: string
  /** Starts a process group of its own, to which a signal can be sent as a terminal does. */
  readonly group?: boolean
}

/** Starts the program; the scope kills it if it still runs. */
export const start = (args: ReadonlyArray<string>, { command, cwd, env, group, home }: StartOptions) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const [file, ...before] = command ?? [process.execPath, main]
      const child = spawn(file, [...before, ...args], {
        cwd: cwd ?? home,
        env: { PATH: process.env["PATH"], HOME: home, ...env },
        stdio: ["pipe", "pipe", "pipe"],
        detached: group ?? false
      })
      return { child, running: watch(child) }
    }),
    ({ child, running }) =>
      Effect.andThen(
        Effect.sync(() => child.exitCode === null && child.signalCode === null && child.kill("SIGKILL")),
        running.finished
      )
  ).pipe(Effect.map(({ running }) => running))

/** Runs a command to its end. */
export const runToEnd = (args: ReadonlyArray<string>, options: StartOptions) =>
  Effect.scoped(Effect.flatMap(start(args, options), (process) => process.finished))

/** Starts a node on a data directory of its own and waits until it runs. */
export const startNode = Effect.fnUntraced(function* (
  args: ReadonlyArray<string> = [],
  options: Partial<StartOptions> & { readonly dataDir?: string } = {}
) {
  const home = options.home ?? (yield* temporaryDirectory)
  const dataDir = options.dataDir ?? join(home, "data")
  const node = yield* start(["run", "--json", "--data-dir", dataDir, "--metrics-port", "0", ...args], {
    ...options,
    home
  })
  const running = yield* node.event(({ event }) => event === "running")
  return { ...node, home, dataDir, running }
})
