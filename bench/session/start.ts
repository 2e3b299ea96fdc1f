/**
 * How long the program takes to start: until the node runs, and for `--version`, beside a Node that does nothing. The
 * compiled program, on a data directory that has its identity already; with its memory at that moment.
 */
import { Console, Effect } from "effect"
import { spawn, spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import type { Comparison, Sample } from "./figures.ts"
import { BenchFailed } from "./processes.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))
const program = join(root, "dist", "main.js")
/** A start takes a second or two. */
const startMillisMax = 30_000

const elapsed = "until done or running, ms"
const memory = "RSS when running, MB"

export const startComparisons: ReadonlyArray<Comparison> = [
  { figure: elapsed, of: "--version", to: "node -e 0" },
  { figure: elapsed, of: "run", to: "node -e 0" }
]

const build = Effect.sync(() => spawnSync("sh", [join(root, "tools", "build.sh")], { stdio: "inherit" }).status).pipe(
  Effect.flatMap((status) =>
    status === 0 ? Effect.void : Effect.fail(new BenchFailed({ detail: "the program does not compile" }))
  )
)

const dataDirectory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "icn-bench-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** Resident memory of a process in bytes; `undefined` where the system does not tell it as Linux does. */
const residentBytes = (pid: number): number | undefined => {
  try {
    const kilobytes = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024
  } catch {
    return undefined
  }
}

/** A command that ends by itself, in milliseconds. */
const timeCommand = (args: ReadonlyArray<string>): Effect.Effect<number, BenchFailed> =>
  Effect.suspend(() => {
    const startedAt = performance.now()
    const { status } = spawnSync(process.execPath, args, { stdio: "ignore" })
    const millis = performance.now() - startedAt
    return status === 0
      ? Effect.succeed(millis)
      : Effect.fail(new BenchFailed({ detail: `node ${args.join(" ")} exits with ${status}` }))
  })

interface Started {
  readonly millis: number
  readonly rssBytes: number | undefined
}

const startNode = (directory: string): Effect.Effect<Started, BenchFailed> =>
  Effect.callback<Started, BenchFailed>((resume) => {
    const startedAt = performance.now()
    const child = spawn(
      process.execPath,
      [program, "run", "--json", "--data-dir", directory, "--metrics-port", "0", "--log-level", "error"],
      { cwd: directory, stdio: ["ignore", "pipe", "inherit"] }
    )
    let started: Started | undefined
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (started !== undefined || !line.includes('"event":"running"') || child.pid === undefined) return
      started = { millis: performance.now() - startedAt, rssBytes: residentBytes(child.pid) }
      child.kill("SIGTERM")
    })
    child.once("exit", () =>
      resume(
        started === undefined
          ? Effect.fail(new BenchFailed({ detail: "the node ended before it ran" }))
          : Effect.succeed(started)
      )
    )
    return Effect.sync(() => child.kill("SIGKILL"))
  }).pipe(
    Effect.timeoutOrElse({
      duration: startMillisMax,
      orElse: () => Effect.fail(new BenchFailed({ detail: `the node does not run within ${startMillisMax} ms` }))
    })
  )

/** Starts each in turn, so many times. */
export const measureStart = Effect.fnUntraced(function* (rounds: number) {
  yield* build
  yield* Console.error("start ...")
  const directory = yield* dataDirectory
  // Makes the identity, and brings everything into the system's cache.
  yield* startNode(directory)
  const samples: Array<Sample> = []
  for (let round = 0; round < rounds; round++) {
    const add = (rival: string, figure: string, value: number) => samples.push({ round, rival, figure, value })
    add("node -e 0", elapsed, yield* timeCommand(["-e", "0"]))
    add("--version", elapsed, yield* timeCommand([program, "--version"]))
    const { millis, rssBytes } = yield* startNode(directory)
    add("run", elapsed, millis)
    if (rssBytes !== undefined) add("run", memory, rssBytes / 1e6)
  }
  return samples
}, Effect.scoped)
