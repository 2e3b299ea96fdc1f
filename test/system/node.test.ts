/** The built program as an operator meets it: start, look, stop, kill, start again. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { createSocket } from "node:dgram"
import { once } from "node:events"
import { existsSync, readdirSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { temporaryDirectory } from "../fixtures/temporaryDirectory.ts"
import { main, runToEnd, start, startNode } from "./icnNode.ts"

const fetchText = (url: string) =>
  Effect.promise(async () => {
    const response = await fetch(url)
    return { status: response.status, text: await response.text() }
  })

describe("a node on embedded defaults", () => {
  it.live("runs, answers on its pages and its socket, and leaves only its identity behind", () =>
    Effect.gen(function* () {
      const node = yield* startNode()
      const metricsUrl = String(node.running["metricsUrl"])
      const metrics = yield* fetchText(metricsUrl)
      assert.include(metrics.text, "icn_supervisor_state 2")
      assert.include(metrics.text, 'icn_supervisor_startup_phases_total{phase="running"} 1')
      assert.strictEqual((yield* fetchText(metricsUrl.replace("/metrics", "/ready"))).status, 200)
      const status = yield* runToEnd(["status", "--json", "--data-dir", node.dataDir], node)
      const { did, health, state } = JSON.parse(status.stdout)
      assert.deepStrictEqual([did, health, state], [node.running["did"], "ok", "running"])
      assert.strictEqual(statSync(node.dataDir).mode & 0o777, 0o700)
      assert.strictEqual(statSync(join(node.dataDir, "rpc.sock")).mode & 0o777, 0o600)
      assert.strictEqual(statSync(join(node.dataDir, "identity.key")).mode & 0o777, 0o600)

      node.kill("SIGTERM")
      const { code, stdout } = yield* node.finished
      assert.strictEqual(code, 0)
      assert.include(stdout, '{"event":"stopped","forced":false}')
      assert.deepStrictEqual(readdirSync(node.dataDir), ["identity.key"])
    })
  )

  it.live("stops by command, and says that nothing runs afterwards", () =>
    Effect.gen(function* () {
      const node = yield* startNode()
      const stop = yield* runToEnd(["stop", "--json", "--data-dir", node.dataDir], node)
      assert.deepStrictEqual(JSON.parse(stop.stdout), { stopped: true, pid: node.pid })
      assert.strictEqual((yield* node.finished).code, 0)
      for (const command of ["status", "stop"]) {
        const after = yield* runToEnd([command, "--data-dir", node.dataDir], node)
        assert.strictEqual(after.code, 1)
        assert.include(after.stderr, `no node is running on ${node.dataDir}`)
      }
    })
  )

  it.live("refuses a second node on the same data directory by the pid of the first", () =>
    Effect.gen(function* () {
      const node = yield* startNode()
      const second = yield* runToEnd(["run", "--data-dir", node.dataDir], node)
      assert.strictEqual(second.code, 1)
      assert.include(second.stderr, `in use by process ${node.pid}`)
    })
  )

  it.live("starts again at once after kill -9, with the same identity", () =>
    Effect.gen(function* () {
      const node = yield* startNode()
      node.kill("SIGKILL")
      yield* node.finished
      assert.isTrue(existsSync(join(node.dataDir, "rpc.sock")), "what a killed node leaves is the case to be tested")
      const again = yield* startNode([], { home: node.home, dataDir: node.dataDir })
      assert.strictEqual(again.running["did"], node.running["did"])
    })
  )

  it.live("ends at once with 128 + signal on a second signal", () =>
    Effect.gen(function* () {
      const node = yield* startNode()
      // Stopped, so that both signals are there when it goes on and the orderly end has had no chance.
      node.kill("SIGSTOP")
      node.kill("SIGTERM")
      node.kill("SIGINT")
      node.kill("SIGCONT")
      const { code } = yield* node.finished
      assert.include([128 + 15, 128 + 2], code)
    })
  )

  it.live("takes the same signal twice at once, as timeout(1) sends it, for one", () =>
    Effect.gen(function* () {
      const node = yield* startNode()
      node.kill("SIGTERM")
      node.kill("SIGTERM")
      assert.strictEqual((yield* node.finished).code, 0)
    })
  )

  it.live("reports a taken metrics port that was configured", () =>
    Effect.gen(function* () {
      const node = yield* startNode()
      const port = new URL(String(node.running["metricsUrl"])).port
      const second = yield* runToEnd(["run", "--data-dir", join(node.home, "other"), "--metrics-port", port], node)
      assert.strictEqual(second.code, 1)
      assert.include(second.stderr, `port ${port}: EADDRINUSE`)
    })
  )

  it.live("listens on loopback only", () =>
    Effect.gen(function* () {
      const node = yield* startNode()
      assert.strictEqual(new URL(String(node.running["metricsUrl"])).hostname, "127.0.0.1")
    })
  )

  it.live("works in a data directory whose socket path would be too long", () =>
    Effect.gen(function* () {
      const home = yield* temporaryDirectory
      const dataDir = join(home, "d".repeat(60), "e".repeat(60))
      const node = yield* startNode([], { home, dataDir })
      assert.match(String(node.running["rpcSocket"]), /^\/tmp\/icn-node-\d+\/[\da-f]+\.sock$/)
      const status = yield* runToEnd(["status", "--json", "--data-dir", dataDir], { home })
      assert.strictEqual(JSON.parse(status.stdout).pid, node.pid)
      node.kill("SIGTERM")
      yield* node.finished
      assert.isFalse(existsSync(String(node.running["rpcSocket"])))
    })
  )
})

describe("a node whose configuration is wrong", () => {
  it.live("tells every problem with its line and exits 78", () =>
    Effect.gen(function* () {
      const home = yield* temporaryDirectory
      const file = join(home, "icn.toml")
      writeFileSync(
        file,
        '[network]\nturn_serverr = "x"\nturn_password = "hunter2hunter2"\n[observability]\nmetrics_port = 99999\n'
      )
      const { code, stderr, stdout } = yield* runToEnd(["run", "--config", file], { home })
      assert.strictEqual(code, 78)
      for (const part of ["icn.toml:2", "turn_server", "icn.toml:5", "99999"]) assert.include(stderr, part)
      assert.notInclude(stderr + stdout, "hunter2")
    })
  )

  it.live("exits 78 when the named file does not exist", () =>
    Effect.gen(function* () {
      const home = yield* temporaryDirectory
      const { code, stderr } = yield* runToEnd(["run", "--config", join(home, "missing.toml")], { home })
      assert.strictEqual(code, 78)
      assert.include(stderr, "missing.toml")
    })
  )
})

/** Runs the program with one of its outputs on a disk that is full. */
const onFullDisk = (output: "1" | "2") =>
  ["sh", "-c", `exec "$0" "$@" ${output}>/dev/full`, process.execPath, main] as const

describe.skipIf(!existsSync("/dev/full"))("an output that takes nothing (needs /dev/full)", () => {
  it.live("does not end a node that cannot log", () =>
    Effect.gen(function* () {
      const node = yield* startNode([], { command: onFullDisk("2") })
      const status = yield* runToEnd(["status", "--json", "--data-dir", node.dataDir], node)
      assert.strictEqual(JSON.parse(status.stdout).state, "running")
      node.kill("SIGTERM")
      assert.strictEqual((yield* node.finished).code, 0)
      assert.deepStrictEqual(readdirSync(node.dataDir), ["identity.key"])
    })
  )

  it.live("fails a command whose result is lost", () =>
    Effect.gen(function* () {
      const home = yield* temporaryDirectory
      assert.strictEqual((yield* runToEnd(["config", "schema"], { home, command: onFullDisk("1") })).code, 1)
    })
  )
})

describe("the command line", () => {
  it.live("exits 130 when a command is interrupted before it has done its work", () =>
    Effect.gen(function* () {
      const home = yield* temporaryDirectory
      const silent = createSocket("udp4")
      yield* Effect.addFinalizer(() => Effect.sync(() => silent.close()))
      silent.bind(0, "127.0.0.1")
      yield* Effect.promise(() => once(silent, "listening"))
      const check = yield* start(["turn", "check", `127.0.0.1:${silent.address().port}`], { home })
      yield* Effect.promise(() => once(silent, "message"))
      check.kill("SIGINT")
      assert.strictEqual((yield* check.finished).code, 130)
    })
  )

  it.live("prints its version, help and completions", () =>
    Effect.gen(function* () {
      const home = yield* temporaryDirectory
      assert.match((yield* runToEnd(["--version"], { home })).stdout, /\d+\.\d+\.\d+/)
      const help = yield* runToEnd([], { home })
      for (const command of ["run", "status", "stop", "id", "config", "turn"]) assert.include(help.stdout, command)
      assert.include((yield* runToEnd(["--completions", "bash"], { home })).stdout, "icn-node")
    })
  )

  it.live("exits 1 with a suggestion for a command that does not exist", () =>
    Effect.gen(function* () {
      const home = yield* temporaryDirectory
      const { code, stderr, stdout } = yield* runToEnd(["statsu"], { home })
      assert.strictEqual(code, 1)
      assert.include(stderr + stdout, "status")
    })
  )

  it.live("prints one clear line and exits 78 on a Node.js that is too old", () =>
    Effect.gen(function* () {
      const home = yield* temporaryDirectory
      const preload = join(home, "old.cjs")
      writeFileSync(preload, 'Object.defineProperty(process.versions, "node", { value: "20.20.2" })\n')
      const { code, stderr } = yield* runToEnd(["run"], { home, env: { NODE_OPTIONS: `--require ${preload}` } })
      assert.strictEqual(code, 78)
      assert.match(stderr, /^icn-node needs Node\.js 24 or newer[^\n]*\n$/)
    })
  )
})
