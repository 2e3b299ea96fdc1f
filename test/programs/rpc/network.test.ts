import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Stream } from "effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { natBehaviour } from "../../../src/domain/natBehaviour.ts"
import * as SessionMemory from "../../../src/layers/SessionMemory.ts"
import type { ReceiveEvent, SendEvent } from "../../../src/programs/rpc/Api.ts"
import { type Client, withNode, workWithNode } from "../../../src/programs/rpc/client.ts"
import { didNumber } from "../../fixtures/dids.ts"
import { content, fileIn, namesIn, sha256 } from "../../fixtures/fileTransferNodes.ts"
import { localNode, localNodes } from "../../fixtures/localNodes.ts"
import { temporaryDirectory } from "../../fixtures/temporaryDirectory.ts"

/** Serves files over the local socket in the background; `ready` completes once members can send. */
const receivingAt = Effect.fnUntraced(function* (dataDir: string, directory: string, count: number | null = null) {
  const ready = yield* Deferred.make<void>()
  const events: Array<ReceiveEvent> = []
  const fiber = yield* workWithNode(dataDir, (client) =>
    client.Receive({ directory, from: null, count, bytesMax: 1_000_000_000 }).pipe(
      Stream.runForEach((event) => {
        events.push(event)
        return event._tag === "Serving" ? Deferred.succeed(ready, undefined) : Effect.void
      })
    )
  ).pipe(Effect.forkScoped({ startImmediately: true }))
  yield* Effect.raceFirst(Deferred.await(ready), Fiber.join(fiber))
  return { fiber, events }
})

const events = <A, E, R>(stream: Stream.Stream<A, E, R>) =>
  Effect.map(Stream.runCollect(stream), (all): ReadonlyArray<A> => all)

/** Waits until nobody serves files at a node any more. */
const untilFree = (dataDir: string, directory: string) =>
  workWithNode(dataDir, (client) =>
    Stream.runHead(client.Receive({ directory, from: null, count: null, bytesMax: 1 }))
  ).pipe(Effect.retry({ times: 1000 }))

describe("the local socket, about the network", () => {
  it.live("dials at an address, and then tells the session, its path and its traffic", () =>
    Effect.gen(function* () {
      const [a, b] = yield* localNodes
      const empty = yield* withNode(a.dataDir, (client) => client.NetworkStatus())
      const listen = [`${a.address.host}:${a.address.port}`]
      assert.deepStrictEqual([empty.did, empty.listen, empty.relay, empty.peers], [a.did.text, listen, null, []])
      assert.deepStrictEqual(empty.candidates, [{ kind: "host", address: `${a.address.host}:${a.address.port}` }])

      const dialled = yield* workWithNode(a.dataDir, (client) => client.Dial({ did: b.did, address: b.address }))
      assert.strictEqual(dialled.did, b.did.text)
      assert.deepInclude(dialled.path, {
        kind: "direct",
        transport: "memory",
        remoteAddress: `${b.address.host}:${b.address.port}`,
        switches: 0
      })
      const { known, knownTotal, sessions } = yield* withNode(a.dataDir, (client) => client.Peers())
      assert.deepStrictEqual([sessions.map(({ did }) => did), known, knownTotal], [[b.did.text], [], 0])
      const { peers } = yield* withNode(b.dataDir, (client) => client.NetworkStatus())
      assert.deepStrictEqual(
        peers.map(({ did }) => did),
        [a.did.text]
      )
    })
  )

  it.live("tells the NAT, the mapped addresses and every way of every link", () =>
    Effect.gen(function* () {
      const network = yield* SessionMemory.makeNetwork()
      const did = didNumber(8)
      const server = { host: "192.0.2.1", port: 3478 }
      const mapped = { host: "198.51.100.7", port: 40_001 }
      const way = {
        remoteKind: "peerReflexive",
        relays: 0,
        state: "valid",
        nominated: true,
        kind: "reflexive"
      } as const
      const node = yield* localNode(network, {
        port: 7778,
        families: { udp4: true, udp6: false },
        nat: natBehaviour({ observations: [{ server, mapped }], isSilent: false, ownHosts: [] }),
        servers: [
          { server: "192.0.2.1:3478", mapped, rttMs: 1.5, problem: undefined },
          { server: "192.0.2.2:3478", mapped: undefined, rttMs: undefined, problem: "timeout" }
        ],
        links: [
          {
            did,
            state: "up",
            controlling: true,
            startedAtMillis: 0,
            switches: 1,
            consentLosses: 2,
            relayBytesSent: 3,
            relayBytesReceived: 4,
            paths: [
              { ...way, base: "udp", remote: mapped, active: true, rttMs: 12, consentAgeMs: 300 },
              { ...way, base: "relay", remote: mapped, active: false, rttMs: undefined, consentAgeMs: undefined }
            ]
          }
        ]
      })
      const { links } = yield* withNode(node.dataDir, (client) => client.NetworkStatus())
      assert.deepStrictEqual(
        [links?.port, links?.families, links?.nat.kind],
        [7778, { udp4: true, udp6: false }, "unknown"]
      )
      assert.deepStrictEqual(links?.servers, [
        { server: "192.0.2.1:3478", mapped: "198.51.100.7:40001", rttMs: 1.5, problem: null },
        { server: "192.0.2.2:3478", mapped: null, rttMs: null, problem: "timeout" }
      ])
      const [link] = links?.links ?? []
      assert.deepInclude(link, { did: did.text, state: "up", switches: 1, consentLosses: 2, relayBytesSent: 3 })
      assert.isAbove(link?.ageSeconds ?? 0, 1e9)
      assert.deepStrictEqual(link?.paths, [
        { ...way, base: "udp", remote: "198.51.100.7:40001", active: true, rttMs: 12, consentAgeMs: 300 },
        { ...way, base: "relay", remote: "198.51.100.7:40001", active: false, rttMs: null, consentAgeMs: null }
      ])
      // Sessions in memory have no links.
      const other = yield* localNode(network)
      assert.isNull((yield* withNode(other.dataDir, (client) => client.NetworkStatus())).links)
    })
  )

  it.live("lists members that are known and not connected", () =>
    Effect.gen(function* () {
      const [a, b] = yield* localNodes
      const away = didNumber(7)
      const address = { host: "198.51.100.200", port: 1, transport: "any" } as const
      const error = yield* workWithNode(a.dataDir, (client) => client.Dial({ did: away, address })).pipe(Effect.flip)
      assert.strictEqual(error._tag, "SessionError")
      assert.match(error.message, /not reached: .*198\.51\.100\.200:1/)
      yield* workWithNode(a.dataDir, (client) => client.Dial({ did: b.did, address: b.address }))
      const { known, knownTotal } = yield* withNode(a.dataDir, (client) => client.Peers())
      assert.strictEqual(knownTotal, 1)
      assert.deepInclude(known[0], { did: away.text, configured: true, addresses: ["198.51.100.200:1"] })
    })
  )

  it.live("pings, and says why it cannot", () =>
    Effect.gen(function* () {
      const [a, b] = yield* localNodes
      const ping = (did: typeof b.did) => workWithNode(a.dataDir, (client) => client.Ping({ did }))
      assert.include((yield* Effect.flip(ping(b.did))).message, "no address of this member is known")
      assert.include((yield* Effect.flip(ping(a.did))).message, "that is this node itself")
      yield* workWithNode(a.dataDir, (client) => client.Dial({ did: b.did, address: b.address }))
      const answer = yield* ping(b.did)
      assert.strictEqual(answer.did, b.did.text)
      assert.isAbove(answer.rttMs, 0)
      assert.strictEqual(answer.path.rttMs, answer.rttMs)
    })
  )

  it.live("sends a file, telling progress and the result on both sides", () =>
    Effect.gen(function* () {
      const [a, b] = yield* localNodes
      const [from, to] = [yield* temporaryDirectory, yield* temporaryDirectory]
      const bytes = content(2_000_000)
      yield* workWithNode(a.dataDir, (client) => client.Dial({ did: b.did, address: b.address }))
      const serving = yield* receivingAt(b.dataDir, to, 1)
      const told = yield* workWithNode(a.dataDir, (client) =>
        events<SendEvent, unknown, never>(client.Send({ did: b.did, file: fileIn(from, "a.bin", bytes) }))
      )
      const sent = told.at(-1)
      assert.deepInclude(sent, { _tag: "Sent", bytes: bytes.length, sha256: sha256(bytes) })
      assert.strictEqual(sent?._tag === "Sent" ? sent.path?.kind : undefined, "direct")
      yield* Fiber.join(serving.fiber)
      assert.deepInclude(serving.events.at(-1), {
        _tag: "Received",
        did: a.did.text,
        name: "a.bin",
        file: join(to, "a.bin"),
        total: bytes.length,
        sha256: sha256(bytes)
      })
      assert.isTrue(readFileSync(join(to, "a.bin")).equals(bytes))
    })
  )

  it.live("lets failures of files cross the socket as what they are", () =>
    Effect.gen(function* () {
      const [a, b] = yield* localNodes
      yield* workWithNode(a.dataDir, (client) => client.Dial({ did: b.did, address: b.address }))
      const failing = (file: string) =>
        workWithNode(a.dataDir, (client) => Stream.runDrain(client.Send({ did: b.did, file }))).pipe(Effect.flip)
      const missing = yield* failing("/nonexistent/file")
      assert.strictEqual(missing._tag, "FileTransferError")
      assert.include(missing.message, "/nonexistent/file: ENOENT")
      const directory = yield* temporaryDirectory
      const nobody = yield* failing(fileIn(directory, "x", Buffer.from("x")))
      assert.include(nobody.message, "the member is not receiving files now")
      const outOf = yield* workWithNode(b.dataDir, (client) =>
        Stream.runDrain(client.Receive({ directory: "/nonexistent", from: null, count: null, bytesMax: 1 }))
      ).pipe(Effect.flip)
      assert.include(outOf.message, "files cannot be received there")
    })
  )

  it.live("stops serving and sending when the command goes away", () =>
    Effect.gen(function* () {
      const [a, b] = yield* localNodes
      const [from, to] = [yield* temporaryDirectory, yield* temporaryDirectory]
      yield* workWithNode(a.dataDir, (client) => client.Dial({ did: b.did, address: b.address }))
      const first = yield* receivingAt(b.dataDir, to)
      const second = yield* Effect.flip(Effect.scoped(receivingAt(b.dataDir, to)))
      assert.include(second.message, "already receiving files for another command")

      const started = yield* Deferred.make<void>()
      const path = fileIn(from, "big.bin", content(64_000_000))
      const sender = yield* workWithNode(a.dataDir, (client) =>
        Stream.runForEach(client.Send({ did: b.did, file: path }), (event) =>
          event._tag === "Sending" ? Deferred.succeed(started, undefined) : Effect.void
        )
      ).pipe(Effect.forkChild)
      yield* Deferred.await(started)
      yield* Fiber.interrupt(sender)
      yield* Effect.sync(() => first.events.some(({ _tag }) => _tag === "Interrupted")).pipe(
        Effect.repeat({ until: (stopped) => stopped })
      )
      yield* Fiber.interrupt(first.fiber)
      yield* untilFree(b.dataDir, to)
      assert.isFalse(namesIn(to).includes("big.bin"))
    })
  )

  it.live("answers as before while many commands wait for members", () =>
    Effect.gen(function* () {
      const [a, b] = yield* localNodes
      yield* workWithNode(a.dataDir, (client) => client.Dial({ did: b.did, address: b.address }))
      yield* b.stop
      const waiting = (client: Client) => client.Ping({ did: b.did })
      yield* Effect.forEach(
        Array.from({ length: 20 }),
        () => workWithNode(a.dataDir, waiting).pipe(Effect.ignore, Effect.forkScoped({ startImmediately: true })),
        { discard: true }
      )
      assert.strictEqual((yield* withNode(a.dataDir, (client) => client.Status())).state, "running")
    })
  )

  it.live("tells a command that the node stopped under it", () =>
    Effect.gen(function* () {
      const [a] = yield* localNodes
      const { fiber } = yield* receivingAt(a.dataDir, yield* temporaryDirectory)
      yield* Effect.ignore(withNode(a.dataDir, (client) => client.Stop()))
      const error = yield* Effect.flip(Fiber.join(fiber))
      assert.strictEqual(error._tag, "NodeNotAnswering")
    })
  )
})
