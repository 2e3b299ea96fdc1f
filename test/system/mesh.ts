/**
 * Nodes of the built program that form a network on loopback, for system tests: started and started again on their port
 * and data directory, watched through their metrics and their local socket.
 */
import { assert } from "@effect/vitest"
import { Effect, Result, Schedule, type Scope } from "effect"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import type { Did } from "../../src/domain/did.ts"
import { parse, type PeerUri } from "../../src/domain/peerAddress.ts"
import type { PeersStatus } from "../../src/programs/rpc/Api.ts"
import { withNode, workWithNode } from "../../src/programs/rpc/client.ts"
import { type Running, start, startNode } from "./icnNode.ts"

/** One run of a member's program. */
export interface Member {
  readonly name: string
  readonly home: string
  readonly dataDir: string
  readonly args: ReadonlyArray<string>
  readonly did: Did
  /** Where it listens, as others dial it. */
  readonly uri: string
  readonly peer: PeerUri
  readonly metricsUrl: string
  readonly process: Running
}

export interface MemberOptions {
  readonly home: string
  /** Of its data directory. */
  readonly name: string
  /** A free one unless given. */
  readonly port?: number
  readonly args?: ReadonlyArray<string>
}

/** Starts a member and waits until it runs; the scope kills it. */
export const startMember = Effect.fnUntraced(function* ({ args = [], home, name, port = 0 }: MemberOptions) {
  const dataDir = join(home, name)
  const listen = ["--listen", `127.0.0.1:${port}`]
  const { running, ...process } = yield* startNode([...listen, ...args], { home, dataDir })
  const [uri] = Array.isArray(running["listen"]) ? running["listen"].map(String) : []
  if (uri === undefined) return yield* Effect.die(new Error("it does not listen"))
  const peer = Result.getOrThrow(parse(uri))
  const metricsUrl = String(running["metricsUrl"])
  const member: Member = { name, home, dataDir, args, did: peer.did, uri, peer, metricsUrl, process }
  return member
})

/** Ends it as a crash or the machine's power would. */
export const kill = (member: Member): Effect.Effect<void> =>
  Effect.suspend(() => {
    member.process.kill("SIGKILL")
    return Effect.asVoid(member.process.finished)
  })

/** The same member again, on the same port and data directory. */
export const startAgain = ({ args, home, name, peer }: Member): Effect.Effect<Member, never, Scope.Scope> =>
  startMember({ home, name, port: peer.address.port, args })

/** Five members, of which the first is named to the others and knows nobody. */
export const startMesh = Effect.fnUntraced(function* (home: string) {
  const first = yield* startMember({ home, name: "member0" })
  const others = yield* Effect.forEach(
    [1, 2, 3, 4],
    (number) => startMember({ home, name: `member${number}`, args: ["--bootstrap", first.uri] }),
    { concurrency: 2 }
  )
  return [first, ...others]
})

/** Waits until a reading satisfies a condition, and gives it with the milliseconds that took. */
export const until = Effect.fnUntraced(function* <A>(
  read: Effect.Effect<A>,
  holds: (reading: A) => boolean,
  what: string,
  withinMillis = 30_000
) {
  const started = performance.now()
  const reading = yield* read.pipe(
    Effect.repeat({
      schedule: Schedule.spaced(100),
      until: (reading) => {
        const millis = performance.now() - started
        if (millis <= withinMillis || holds(reading)) return holds(reading)
        assert.fail(`${what}: not within ${withinMillis} ms; the last reading was ${JSON.stringify(reading)}`)
      }
    })
  )
  return { reading, millis: Math.round(performance.now() - started) }
})

/** Sums of a member's metrics by name, all labels together and each by itself. */
export const metrics = (member: Member): Effect.Effect<ReadonlyMap<string, number>> =>
  Effect.promise(async () => {
    const sums = new Map<string, number>()
    for (const line of (await (await fetch(member.metricsUrl)).text()).split("\n")) {
      const [, name, labels, value] = /^(\w+)(\{.*\})? (\S+)$/.exec(line) ?? []
      if (name === undefined) continue
      sums.set(name, (sums.get(name) ?? 0) + Number(value))
      if (labels !== undefined) sums.set(`${name}${labels}`, Number(value))
    }
    return sums
  })

/** One metric of a member, all labels together; 0 while it has none. */
export const metric = (member: Member, name: string): Effect.Effect<number> =>
  Effect.map(metrics(member), (found) => found.get(name) ?? 0)

/** Resident memory in MiB. */
export const memoryMiB = (member: Member): Effect.Effect<number> =>
  Effect.map(metric(member, "process_resident_memory_bytes"), (bytes) => Math.round(bytes / 1_048_576))

/** With whom a member has sessions, and since when. */
export const sessions = (member: Member): Effect.Effect<PeersStatus["sessions"]> =>
  withNode(member.dataDir, (client) => client.Peers()).pipe(
    Effect.map(({ sessions }) => sessions),
    Effect.orDie
  )

/** The round trip from one member to another in milliseconds, as the member tells it, or its error. */
export const ping = (member: Member, to: Member) =>
  withNode(member.dataDir, (client) => Effect.result(client.Ping({ did: to.did }))).pipe(Effect.orDie)

/** Has a member dial another one at an address, for as long as that takes. */
export const dial = (member: Member, { address, did }: PeerUri) =>
  workWithNode(member.dataDir, (client) => Effect.result(client.Dial({ did, address }))).pipe(Effect.orDie)

/** Those of the given members with whom each of them has a session. */
const connected = (members: ReadonlyArray<Member>): Effect.Effect<ReadonlyArray<ReadonlyArray<string>>> => {
  const names = new Map(members.map(({ did, name }) => [did.text, name]))
  return Effect.forEach(
    members,
    (member) => Effect.map(sessions(member), (found) => found.flatMap(({ did }) => names.get(did) ?? []).toSorted()),
    { concurrency: "unbounded" }
  )
}

/** Waits until each of the members has a session with each other one; gives the milliseconds that took. */
export const untilMesh = (members: ReadonlyArray<Member>, withinMillis?: number): Effect.Effect<number> =>
  Effect.map(
    until(
      connected(members),
      (found) => found.every(({ length }) => length === members.length - 1),
      "a full mesh",
      withinMillis
    ),
    ({ millis }) => millis
  )

/** Has a member take files, by the command of its operator, until the scope closes. */
export const takeFiles = Effect.fnUntraced(function* ({ dataDir, home, name }: Member) {
  const directory = join(home, `files of ${name}`)
  mkdirSync(directory, { recursive: true })
  const command = yield* start(["receive", "--out", directory, "--data-dir", dataDir], { home })
  const output = Effect.sync(() => command.output().stderr)
  yield* until(output, (text) => text.includes(directory), `${name} that takes files`)
})

/** Each of the members has the same session with each other one since a moment of `performance.now()`, or longer. */
export const assertKept = Effect.fnUntraced(function* (members: ReadonlyArray<Member>, sinceMillis: number) {
  for (const from of members) {
    const asked = performance.now()
    const ages = new Map((yield* sessions(from)).map(({ did, openSeconds }) => [did, openSeconds * 1000]))
    for (const to of members) {
      if (from === to) continue
      const age = ages.get(to.did.text) ?? Number.NaN
      assert.isAtLeast(age, asked - sinceMillis, `the session of ${from.name} with ${to.name} is not the one it was`)
    }
  }
})

/** Each member reaches the next one with a round trip; gives the slowest in milliseconds. */
export const slowestPing = Effect.fnUntraced(function* (members: ReadonlyArray<Member>) {
  let slowest = 0
  for (const [index, from] of members.entries()) {
    const to = members[(index + 1) % members.length] ?? from
    const answer = yield* ping(from, to)
    if (Result.isFailure(answer)) return assert.fail(`${from.name} to ${to.name}: ${answer.failure.message}`)
    slowest = Math.max(slowest, answer.success.rttMs)
  }
  return slowest
})

/** A stream that a member made a mess of ends with a typed error, which is logged and counted. */
const isHandled = (line: string): boolean =>
  line.includes('"operation":"session_handler"') && !line.includes("unexpected error")

/** How often a member has logged such an error. */
export const handledErrors = ({ process }: Member): number =>
  process.output().stderr.split("\n").filter(isHandled).length

/** What members wrote to standard error is nothing that only a defect would: Node's own words and other errors. */
export const assertNoDefects = (members: ReadonlyArray<Member>): void => {
  for (const { name, process } of members) {
    const alarming = process
      .output()
      .stderr.split("\n")
      .filter((line) => /"level":"(?:ERROR|FATAL)"|UnhandledPromise|unhandled|Warning:|^\s+at /i.test(line))
      .filter((line) => !isHandled(line))
    assert.deepStrictEqual(alarming, [], `${name} wrote of a defect`)
  }
}
