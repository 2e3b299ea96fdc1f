/**
 * The two ways to get the node: a fresh clone with `npm start`, and the package as a dependency. Both start from
 * nothing but the tracked files, and use the machine's own Node.js where a newcomer would.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import { cpSync, mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { delimiter, dirname, join } from "node:path"
import { temporaryDirectory } from "../fixtures/temporaryDirectory.ts"
import { runToEnd, start } from "./icnNode.ts"

const root = join(import.meta.dirname, "../..")

/** Registry traffic and a build; generous, since two cores are shared with the rest of the suite. */
const installTimeoutMillis = 480_000

/** Without the repository's own programs in front, as a shell that has just cloned it. */
const machinePath = (process.env["PATH"] ?? "")
  .split(delimiter)
  .filter((entry) => !entry.includes("node_modules"))
  .join(delimiter)

/** The repository's Node.js in front of it, for what needs a current one. */
const currentPath = [dirname(process.execPath), machinePath].join(delimiter)

/** Runs a command and returns what it printed; npm's settings of the surrounding run stay outside. */
const run = (file: string, args: ReadonlyArray<string>, cwd: string, path = machinePath): string => {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("npm_")))
  return execFileSync(file, args, {
    cwd,
    env: { ...env, PATH: path },
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"]
  })
}

const clone = (target: string) =>
  Effect.sync(() => {
    const files = run("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], root).split("\0")
    for (const file of files.filter((name) => name !== "")) {
      mkdirSync(dirname(join(target, file)), { recursive: true })
      cpSync(join(root, file), join(target, file))
    }
  })

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

describe("a fresh clone", () => {
  it.live(
    "is installed, built and run by npm start, and stopped with it by SIGTERM and by Ctrl-C",
    () =>
      Effect.gen(function* () {
        const home = yield* temporaryDirectory
        const checkout = join(home, "icn-node")
        yield* clone(checkout)
        const args = ["start", "--", "--json", "--metrics-port", "0", "--data-dir", join(home, "data")]
        const options = { home, cwd: checkout, env: { PATH: machinePath } }
        const npmStart = Effect.gen(function* () {
          const npm = yield* start(args, { ...options, command: ["npm"], group: true })
          const running = yield* npm.event(({ event }) => event === "running")
          return { npm, pid: Number(running["pid"]) }
        })

        const first = yield* npmStart
        const status = ["run", "-s", "icn-node", "--", "status", "--json", "--data-dir", join(home, "data")]
        const { stdout } = yield* runToEnd(status, { ...options, command: ["npm"] })
        assert.strictEqual(JSON.parse(stdout).pid, first.pid)
        first.npm.kill("SIGTERM")
        const terminated = yield* first.npm.finished
        assert.strictEqual(terminated.code, 0)
        assert.include(terminated.stdout, '{"event":"stopped","forced":false}')
        assert.isFalse(isAlive(first.pid))

        // A terminal sends Ctrl-C to the whole group, and npm passes a copy on.
        const second = yield* npmStart
        process.kill(-second.npm.pid, "SIGINT")
        const interrupted = yield* second.npm.finished
        assert.include(interrupted.stdout, '{"event":"stopped","forced":false}')
        assert.isFalse(isAlive(second.pid))
      }),
    installTimeoutMillis
  )
})

describe("the package", () => {
  it.live(
    "brings its command, its entry points and their types, but no Node.js",
    () =>
      Effect.gen(function* () {
        const home = yield* temporaryDirectory
        const tarball =
          run("npm", ["pack", "--silent", "--pack-destination", home], root).trim().split("\n").at(-1) ?? ""
        const project = join(home, "project")
        mkdirSync(project)
        writeFileSync(join(project, "package.json"), '{"name":"host","private":true,"type":"module"}\n')
        run("npm", ["install", "--silent", "--no-audit", "--no-fund", join(home, tarball)], project)

        const packages = readdirSync(join(project, "node_modules"))
        assert.deepStrictEqual(
          packages.filter((name) => /^node(-|$)/.test(name)),
          []
        )
        assert.notInclude(readdirSync(join(project, "node_modules/.bin")), "node")
        const shipped = readdirSync(join(project, "node_modules/icn-node"))
        assert.notInclude(shipped, "tools")
        assert.includeMembers(shipped, ["dist", "icn.schema.json", "icn.example.toml", "LICENSE", "README.md"])

        const version = yield* runToEnd(["--version"], {
          home: project,
          command: [join(project, "node_modules/.bin/icn-node")],
          env: { PATH: currentPath }
        })
        assert.match(version.stdout, /\d+\.\d+\.\d+/)

        writeFileSync(
          join(project, "host.ts"),
          [
            'import { TurnClient, TurnConfig, TurnUdp, supervise } from "icn-node"',
            'import { IcnClient } from "icn-node/sdk"',
            'import * as Testing from "icn-node/testing"',
            'import { Effect, type Layer } from "effect"',
            "export const layer: Layer.Layer<TurnClient> = TurnUdp.layerNode",
            'export const config = TurnConfig.make({ host: "127.0.0.1", port: 3478 })',
            "export const allocate = TurnClient.use((turn) => turn.allocate(config))",
            "console.log(typeof supervise, typeof IcnClient, Object.keys(Testing).length > 0)",
            "console.log(Effect.isEffect(allocate))"
          ].join("\n")
        )
        const host = run(process.execPath, ["host.ts"], project, currentPath)
        assert.strictEqual(host.trim(), "function function true\ntrue")
        writeFileSync(
          join(project, "tsconfig.json"),
          JSON.stringify({
            compilerOptions: {
              module: "NodeNext",
              target: "ES2024",
              lib: ["ES2024", "DOM"],
              strict: true,
              skipLibCheck: true,
              noEmit: true,
              types: []
            },
            files: ["host.ts"]
          })
        )
        run(join(root, "node_modules/.bin/tsc"), ["-p", project], project, currentPath)
      }),
    installTimeoutMillis
  )
})
