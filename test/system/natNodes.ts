/**
 * A coturn, a bootstrap node and members in a network of NATs (natNetwork.ts), each a process of the built program in
 * its namespace. They are asked through their local sockets, which no namespace separates.
 */
import { Deferred, Effect, Result, Schedule, type Scope, Stream } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { createHash, randomBytes } from "node:crypto"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Did } from "../../src/domain/did.ts"
import { parse } from "../../src/domain/peerAddress.ts"
import type { SessionStatus } from "../../src/programs/rpc/Api.ts"
import { withNode, workWithNode } from "../../src/programs/rpc/client.ts"
import { main, type Running, startNode } from "./icnNode.ts"
import { inNamespace, linkPort, type NatHost, type NatNetwork, publicHosts } from "../fixtures/natNetwork.ts"

const port = 7777
const turn = { port: 3478, user: "u", password: "p" }

/** Waits until a reading satisfies a condition, and gives it with the milliseconds that took. */
export const until = Effect.fnUntraced(function* <A>(
  what: string,
  read: Effect.Effect<A>,
  holds: (reading: A) => boolean,
  withinMillis = 20_000
) {
  const started = performance.now()
  const reading = yield* read.pipe(
    Effect.repeat({
      schedule: Schedule.spaced("50 millis"),
      until: (reading) => holds(reading) || performance.now() - started > withinMillis
    })
  )
  const millis = Math.round(performance.now() - started)
  if (holds(reading)) return { reading, millis }
  return yield* Effect.die(new Error(`${what}: not within ${withinMillis} ms, but ${JSON.stringify(reading)}`))
})

export interface Coturn {
  /** Everything it has printed, over all its runs. */
  readonly log: () => string
  readonly kill: Effect.Effect<void>
  /** Starts it (again); ends when it listens. */
  readonly start: Effect.Effect<void>
}

/** A TURN server at its address in the public namespace, over UDP and TCP. */
export const startCoturn = Effect.fnUntraced(function* ({
  pub
}: NatNetwork): Effect.fn.Return<Coturn, never, Scope.Scope> {
  const directory = mkdtempSync(join(tmpdir(), "icn-coturn-"))
  const fixed = "-n --realm example.org --lt-cred-mech --no-cli --no-tls --no-dtls --log-file stdout --no-rfc5780"
  const args = [
    ...fixed.split(" "),
    `--listening-ip=${publicHosts.turn}`,
    `--relay-ip=${publicHosts.turn}`,
    `--listening-port=${turn.port}`,
    `--pidfile=${join(directory, "pid")}`,
    `--userdb=${join(directory, "db")}`,
    `--user=${turn.user}:${turn.password}`
  ]
  const log: Array<string> = []
  let child: ChildProcess | undefined
  const kill = Effect.callback<void>((resume) => {
    const running = child
    child = undefined
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return resume(Effect.void)
    running.once("exit", () => resume(Effect.void))
    running.kill("SIGKILL")
  })
  const begin = Effect.gen(function* () {
    yield* kill
    const from = log.length
    const [command, ...before] = inNamespace(pub, "turnserver")
    child = spawn(command, [...before, ...args], { stdio: ["ignore", "pipe", "pipe"] })
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => log.push(String(chunk)))
    const listening = Effect.sync(() => log.slice(from).join(""))
    yield* until("coturn", listening, (text) => text.includes("DB connection success"))
  })
  yield* Effect.addFinalizer(() =>
    Effect.andThen(
      kill,
      Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
    )
  )
  yield* begin
  return { log: () => log.join(""), kill, start: begin }
})

/** One node of the program. */
export interface NatNode {
  readonly name: string
  readonly home: string
  readonly dataDir: string
  readonly did: Did
  readonly uri: string
  readonly metricsUrl: string
  readonly process: Running
}

export interface NatNodeOptions {
  readonly home: string
  readonly name: string
  readonly namespace: string
  readonly listen: ReadonlyArray<string>
  /** Lines of the table `[network]`. */
  readonly network: ReadonlyArray<string>
}

const startOne = Effect.fnUntraced(function* ({ home, listen, name, namespace, network }: NatNodeOptions) {
  const dataDir = join(home, name)
  const file = join(home, `${name}.toml`)
  const lines = [
    "[network]",
    `listen_addr = [${listen.map((address) => JSON.stringify(address)).join(", ")}]`,
    ...network,
    "[observability]",
    'log_level = "debug"'
  ]
  writeFileSync(file, `${lines.join("\n")}\n`, { mode: 0o600 })
  const command = inNamespace(namespace, process.execPath, main)
  const { running, ...node } = yield* startNode(["--config", file], { home, dataDir, command })
  const uris = Array.isArray(running["listen"]) ? running["listen"].map(String) : []
  const [uri] = uris
  if (uri === undefined) return yield* Effect.die(new Error(`${name} does not listen`))
  const { did } = Result.getOrThrow(parse(uri))
  const started: NatNode = { name, home, dataDir, did, uri, metricsUrl: String(running["metricsUrl"]), process: node }
  return started
})

/** The node that all members know, on the public network, without a relay. */
export const startBootstrap = ({ pub }: NatNetwork, home: string) =>
  startOne({
    home,
    name: "bootstrap",
    namespace: pub,
    listen: [`${publicHosts.bootstrap}:${port}`],
    network: [`link_port = ${linkPort}`, "connections_per_address_max = 64"]
  })

/** A member behind its NAT, which knows the bootstrap node and the TURN server. */
export const startMember = (
  { name, namespace }: Pick<NatHost, "name" | "namespace">,
  bootstrap: NatNode,
  more: { readonly listen?: ReadonlyArray<string>; readonly network?: ReadonlyArray<string> } = {}
) =>
  startOne({
    home: bootstrap.home,
    name,
    namespace,
    listen: more.listen ?? [`0.0.0.0:${port}`],
    network: [
      `link_port = ${linkPort}`,
      `bootstrap_peers = [${JSON.stringify(bootstrap.uri)}]`,
      `turn_server = "${publicHosts.turn}:${turn.port}"`,
      `turn_username = "${turn.user}"`,
      `turn_password = "${turn.password}"`,
      ...(more.network ?? [])
    ]
  })

/** The session of one node with another, as it tells it; `undefined` without one. */
export const session = (from: NatNode, to: NatNode): Effect.Effect<SessionStatus | undefined> =>
  withNode(from.dataDir, (client) => client.Peers()).pipe(
    Effect.map(({ sessions }) => sessions.find(({ did }) => did === to.did.text)),
    Effect.orDie
  )

/** Whether a member has its relay. */
export const hasRelay = (node: NatNode): Effect.Effect<boolean> =>
  withNode(node.dataDir, (client) => client.NetworkStatus()).pipe(
    Effect.map(({ relay }) => relay !== null),
    Effect.orDie
  )

/** Waits for a session whose path is of one of these kinds. */
export const untilPath = (
  from: NatNode,
  to: NatNode,
  kinds: ReadonlyArray<SessionStatus["path"]["kind"]>,
  withinMillis?: number
) =>
  until(
    `${from.name} with ${to.name}, ${kinds.join(" or ")}`,
    session(from, to),
    (found) => found !== undefined && kinds.includes(found.path.kind),
    withinMillis
  )

/** Has a node open its session with another, which may be told to be at an address, `host:port`. */
export const dial = (from: NatNode, to: NatNode, at?: string) => {
  const address = at === undefined ? null : Result.getOrThrow(parse(`icn://${to.did.text}@${at}`)).address
  return workWithNode(from.dataDir, (client) => client.Dial({ did: to.did, address }))
}

/** Has a member take files until the scope closes; gives where they come. */
export const takeFiles = Effect.fnUntraced(function* ({ dataDir, home, name }: NatNode) {
  const directory = join(home, `files of ${name}`)
  mkdirSync(directory, { recursive: true })
  const serving = Deferred.makeUnsafe<void>()
  yield* workWithNode(dataDir, (client) =>
    client
      .Receive({ directory, from: null, count: null, bytesMax: 2 ** 32 })
      .pipe(Stream.runForEach(({ _tag }) => (_tag === "Serving" ? Deferred.succeed(serving, undefined) : Effect.void)))
  ).pipe(Effect.orDie, Effect.forkScoped)
  yield* Deferred.await(serving)
  return directory
})

export interface TestFile {
  readonly path: string
  readonly name: string
  readonly sha256: string
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

/** A file of random bytes. */
export const makeFile = (home: string, name: string, bytes: number): TestFile => {
  const content = randomBytes(bytes)
  const path = join(home, name)
  writeFileSync(path, content)
  return { path, name, sha256: sha256(content) }
}

/** What has arrived under a file's name, by its checksum. */
export const arrived = (directory: string, { name }: TestFile): string => sha256(readFileSync(join(directory, name)))

/** Sends a file over whatever session there is; an attempt that fails is told by a `Retrying` among the events. */
export const send = (from: NatNode, to: NatNode, { path }: TestFile) =>
  workWithNode(from.dataDir, (client) => client.Send({ did: to.did, file: path }).pipe(Stream.runCollect))
