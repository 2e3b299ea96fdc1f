import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schema } from "effect"
import { Command } from "effect/cli"
import { TestConsole } from "effect/testing"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { dial } from "../../../src/programs/cli/dial.ts"
import { ProcessEnvironment } from "../../../src/programs/cli/environment.ts"
import { network } from "../../../src/programs/cli/network.ts"
import { CommandFailed } from "../../../src/programs/cli/output.ts"
import { peers } from "../../../src/programs/cli/peers.ts"
import { ping } from "../../../src/programs/cli/ping.ts"
import { ProgressOutput } from "../../../src/programs/cli/progress.ts"
import { receive } from "../../../src/programs/cli/receive.ts"
import { send } from "../../../src/programs/cli/send.ts"
import { content, fileIn, namesIn, sha256 } from "../../fixtures/fileTransferNodes.ts"
import { localNodes } from "../../fixtures/localNodes.ts"
import { temporaryDirectory } from "../../fixtures/temporaryDirectory.ts"

const version = { version: "0" }
const commands = {
  dial: Command.runWith(dial, version),
  network: Command.runWith(network, version),
  peers: Command.runWith(peers, version),
  ping: Command.runWith(ping, version),
  receive: Command.runWith(receive, version),
  send: Command.runWith(send, version)
} as const

interface Surroundings {
  readonly workingDirectory?: string
  readonly isTerminal?: boolean
}

/** What a command wrote: results, and what it told meanwhile; `failure` when it failed. */
interface Ran {
  readonly lines: ReadonlyArray<string>
  readonly progress: ReadonlyArray<string>
  readonly failure: CommandFailed | undefined
}

/** Runs a command as a process of its own would, and `told` as soon as it tells something. */
const run = Effect.fnUntraced(function* (
  name: keyof typeof commands,
  args: ReadonlyArray<string>,
  { isTerminal = false, workingDirectory = "/" }: Surroundings = {},
  told: (text: string) => void = () => {}
) {
  const progress: Array<string> = []
  return yield* Effect.gen(function* () {
    const failure = yield* commands[name](args).pipe(
      Effect.as(undefined),
      Effect.catch((error) =>
        error instanceof CommandFailed ? Effect.succeed(error) : Effect.die(new Error(String(error)))
      )
    )
    const ran: Ran = { lines: (yield* TestConsole.logLines).map(String), progress, failure }
    return ran
  }).pipe(
    Effect.provideService(ProcessEnvironment, {
      variables: {},
      homeDirectory: undefined,
      workingDirectory,
      platform: "linux"
    }),
    Effect.provideService(ProgressOutput, {
      isTerminal,
      columns: () => 80,
      write: (text) => {
        progress.push(text)
        told(text)
      }
    }),
    Effect.provide(Layer.fresh(Layer.merge(NodeServices.layer, TestConsole.layer)))
  )
})

const Document = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown))
const documents = ({ lines }: Ran) => lines.map((line) => Schema.decodeSync(Document)(line))
const only = (ran: Ran): Record<string, unknown> => {
  assert.lengthOf(ran.lines, 1, ran.failure?.message)
  return documents(ran)[0] ?? {}
}
const member = (value: unknown, key: string): unknown =>
  typeof value === "object" && value !== null ? Object.entries(value).find(([name]) => name === key)?.[1] : undefined

type Node = Effect.Success<typeof localNodes>[0]
const at = ({ dataDir }: Node): ReadonlyArray<string> => ["--data-dir", dataDir]
const where = ({ address }: Node): string => `${address.host}:${address.port}`

/** Receives with the command in the background, once members can send. */
const receiving = Effect.fnUntraced(function* (node: Node, args: ReadonlyArray<string>, surroundings?: Surroundings) {
  let ready = false
  const fiber = yield* run("receive", [...at(node), ...args], surroundings, () => {
    ready = true
  }).pipe(Effect.forkScoped({ startImmediately: true }))
  yield* Effect.sync(() => ready || fiber.pollUnsafe() !== undefined).pipe(Effect.repeat({ until: (now) => now }))
  return fiber
})

describe("icn-node dial", () => {
  it.live("opens a session at an address and tells the path", () =>
    Effect.gen(function* () {
      const [a, b] = yield* localNodes
      const document = only(yield* run("dial", [...at(a), b.uri, "--json"]))
      assert.deepStrictEqual([document["ok"], document["did"]], [true, b.did.text])
      assert.strictEqual(member(document["path"], "remoteAddress"), where(b))
      const again = yield* run("dial", [...at(a), b.did.text])
      assert.match(again.lines.join("\n"), new RegExp(`connected to ${b.did.text}\ndirect over memory, ${where(b)}`))
    })
  )

  it.live("fails once, with the reason, for a member that is unknown and for what is no member", () =>
    Effect.gen(function* () {
      const [a, b] = yield* localNodes
      const text = yield* run("dial", [...at(a), b.did.text])
      assert.deepStrictEqual(text.lines, [])
      assert.strictEqual(text.failure?.exitCode, 1)
      assert.include(text.failure?.message, "no address of this member is known")
      const asJson = yield* run("dial", [...at(a), b.did.text, "--json"])
      assert.deepStrictEqual(only(asJson)["ok"], false)
      assert.include(only(asJson)["error"], "no address of this member is known")
      assert.strictEqual(asJson.failure?.message, "")
    })
  )

  it.live("says that no node is running", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const { uri } = (yield* localNodes)[1]
      const ran = yield* run("dial", ["--data-dir", directory, uri])
      assert.include(ran.failure?.message, `no node is running on ${directory}`)
    })
  )
})

describe("icn-node ping", () => {
  it.live("prints each round trip as a line, and a summary for people", () =>
    Effect.gen(function* () {
      const [a, b] = yield* localNodes
      yield* run("dial", [...at(a), b.uri])
      const args = [...at(a), b.did.text, "--count", "3", "--interval", "0"]
      const answers = documents(yield* run("ping", [...args, "--json"]))
      assert.lengthOf(answers, 3)
      for (const answer of answers) {
        assert.strictEqual(answer["did"], b.did.text)
        assert.isAbove(Number(answer["rttMs"]), 0)
        assert.deepStrictEqual(
          [member(answer["path"], "kind"), member(answer["path"], "remoteAddress")],
          ["direct", where(b)]
        )
      }
      const { lines } = yield* run("ping", args)
      assert.match(
        lines.at(-1) ?? "",
        /^3 sent, 3 answered, 0 lost\nmin \/ avg \/ max [\d.]+ ms \/ [\d.]+ ms \/ [\d.]+ ms$/
      )
    })
  )

  it.live("ends with code 1 when nobody answers, and tells why", () =>
    Effect.gen(function* () {
      const [a, b] = yield* localNodes
      const unknown = yield* run("ping", [...at(a), b.did.text, "--json"])
      assert.include(only(unknown)["error"], "no address of this member is known")
      assert.strictEqual(unknown.failure?.exitCode, 1)
      yield* run("dial", [...at(a), b.uri])
      yield* b.stop
      const lost = yield* run("ping", [...at(a), b.did.text, "--count", "2", "--interval", "0"])
      assert.match(lost.lines.join("\n"), /1 lost: [^]*2 lost: [^]*2 sent, 0 answered, 2 lost/)
      assert.strictEqual(lost.failure?.exitCode, 1)
    })
  )
})

describe("icn-node peers and network status", () => {
  it.live("print exactly what scripts read", () =>
    Effect.gen(function* () {
      const [a, b] = yield* localNodes
      yield* run("dial", [...at(a), b.uri])
      const status = only(yield* run("network", ["status", ...at(a), "--json"]))
      assert.deepStrictEqual(Object.keys(status), ["did", "listen", "candidates", "relay", "links", "peers"])
      assert.deepStrictEqual(
        [status["did"], status["listen"], status["candidates"], status["relay"]],
        [a.did.text, [where(a)], [{ kind: "host", address: where(a) }], null]
      )
      const [peer] = Array.isArray(status["peers"]) ? status["peers"] : []
      assert.deepStrictEqual(Object.keys(peer), ["did", "path", "bytesIn", "bytesOut"])
      const path = member(peer, "path")
      assert.deepInclude(path, { kind: "direct", remoteAddress: where(b), switches: 0 })
      assert.isAtLeast(Number(member(path, "sinceSeconds")), 0)

      const listed = only(yield* run("peers", [...at(a), "--json"]))
      assert.deepStrictEqual(Object.keys(listed), ["sessions", "known", "knownTotal"])
      assert.include((yield* run("peers", at(a))).lines.join(), `sessions: 1\n${b.did.text}`)
      assert.include((yield* run("network", ["status", ...at(a)])).lines.join(), `listening   ${where(a)}`)
    })
  )
})

describe("icn-node send and receive", () => {
  it.live("bring a file over and print one document each", () =>
    Effect.gen(function* () {
      const [a, b] = yield* localNodes
      const [from, to] = [yield* temporaryDirectory, yield* temporaryDirectory]
      const bytes = content(300_000)
      fileIn(from, "report.pdf", bytes)
      yield* run("dial", [...at(a), b.uri])
      // Relative to the command's directory, not the node's.
      const args = ["--out", ".", "--count", "1", "--from", a.did.text, "--json"]
      const serving = yield* receiving(b, args, { workingDirectory: to })
      const sent = yield* run("send", [...at(a), b.did.text, "--file", "report.pdf", "--json"], {
        workingDirectory: from
      })
      assert.deepStrictEqual(Object.keys(only(sent)), ["ok", "bytes", "sha256", "seconds", "path"])
      assert.deepInclude(only(sent), { ok: true, bytes: bytes.length, sha256: sha256(bytes) })
      assert.strictEqual(member(only(sent)["path"], "remoteAddress"), where(b))
      const received = only(yield* Fiber.join(serving))
      assert.deepStrictEqual(Object.keys(received), ["ok", "did", "name", "file", "bytes", "sha256", "seconds"])
      assert.deepInclude(received, {
        ok: true,
        did: a.did.text,
        name: "report.pdf",
        file: join(to, "report.pdf"),
        bytes: bytes.length,
        sha256: sha256(bytes)
      })
      assert.isTrue(readFileSync(join(to, "report.pdf")).equals(bytes))
    })
  )

  it.live("show a bar at a terminal only, and never between the results", () =>
    Effect.gen(function* () {
      const [a, b] = yield* localNodes
      const [from, to] = [yield* temporaryDirectory, yield* temporaryDirectory]
      const path = fileIn(from, "a.bin", content(2_000_000))
      yield* run("dial", [...at(a), b.uri])
      const serving = yield* receiving(b, ["--out", to, "--count", "2"], { isTerminal: true })
      const watched = yield* run("send", [...at(a), b.did.text, "--file", path], { isTerminal: true })
      assert.match(watched.progress.join(""), /sending +\d+ % \[#* *\] /)
      assert.strictEqual(watched.progress.at(-1), "\r\u001b[2K")
      assert.match(
        watched.lines.join("\n"),
        /^sent 2000000 bytes in [\d.]+ s.*\ndirect over memory.*\nsha256 [0-9a-f]{64}$/
      )
      const plain = yield* run("send", [...at(a), b.did.text, "--file", path])
      assert.deepStrictEqual(plain.progress, ["sending 1.9 MiB\n"])
      const { lines } = yield* Fiber.join(serving)
      assert.match(lines.join("\n"), /a\.bin\n {2}2000000 bytes from [^]*a \(1\)\.bin\n {2}2000000 bytes from /)
    })
  )

  it.live("fail with the reason: no such file, nobody receiving, refused", () =>
    Effect.gen(function* () {
      const [a, b] = yield* localNodes
      const [from, to] = [yield* temporaryDirectory, yield* temporaryDirectory]
      const path = fileIn(from, "a.bin", content(2000))
      yield* run("dial", [...at(a), b.uri])
      const missing = yield* run("send", [...at(a), b.did.text, "--file", join(from, "none"), "--json"])
      assert.deepStrictEqual(Object.keys(only(missing)), ["ok", "error"])
      assert.include(only(missing)["error"], "ENOENT")
      assert.deepStrictEqual([missing.failure?.exitCode, missing.failure?.message], [1, ""])
      const nobody = yield* run("send", [...at(a), b.did.text, "--file", path])
      assert.include(nobody.failure?.message, "the member is not receiving files now")
      yield* receiving(b, ["--out", to, "--max-bytes", "1999"])
      const refused = yield* run("send", [...at(a), b.did.text, "--file", path])
      assert.include(refused.failure?.message, "it takes files of at most 1999 bytes")
      assert.deepStrictEqual(namesIn(to), [])
      const second = yield* run("receive", [...at(b), "--out", to])
      assert.include(second.failure?.message, "already receiving files for another command")
    })
  )

  it.live("end the serving in the node when the receiving command is interrupted", () =>
    Effect.gen(function* () {
      const [a, b] = yield* localNodes
      const [from, to] = [yield* temporaryDirectory, yield* temporaryDirectory]
      const before = process.exitCode
      yield* Effect.addFinalizer(() => Effect.sync(() => void (process.exitCode = before)))
      yield* run("dial", [...at(a), b.uri])
      const serving = yield* receiving(b, ["--out", to])
      yield* Fiber.interrupt(serving)
      const path = fileIn(from, "a.bin", content(2000))
      const refused = run("send", [...at(a), b.did.text, "--file", path]).pipe(
        Effect.map(({ failure }) => failure?.message ?? "")
      )
      const last = yield* Effect.repeat(refused, { until: (message) => message !== "", times: 100 })
      assert.include(last, "the member is not receiving files now")
    })
  )
})
