/** Five nodes as processes while somebody floods them, sends them garbage, or leaves handshakes half open. */
import { assert, layer } from "@effect/vitest"
import { Clock, Console, Context, Effect, Layer, Schema } from "effect"
import * as IdentityMemory from "../../src/layers/IdentityMemory.ts"
import * as PeerBookMemory from "../../src/layers/PeerBookMemory.ts"
import * as SessionLibp2p from "../../src/layers/SessionLibp2p.ts"
import { PeerBook } from "../../src/services/PeerBook.ts"
import { SessionManager } from "../../src/services/SessionManager.ts"
import { halfOpenQuic, halfOpenTcp } from "../fixtures/networkHalfOpen.ts"
import * as NodeProcess from "../fixtures/nodeProcess.ts"
import { temporaryDirectory } from "../fixtures/temporaryDirectory.ts"
import {
  assertKept,
  assertNoDefects,
  handledErrors,
  memoryMiB,
  type Member,
  metric,
  metrics,
  slowestPing,
  startMesh,
  takeFiles,
  untilMesh
} from "./mesh.ts"

/** What an attack may cost a member, whatever is sent to it. */
const memoryGrowthMiBMax = 150
/** The longest that a round trip may take while everything of one machine's cores goes into the flood. */
const pingMillisMax = 5000

/** Members that serve the transfer of files besides what all serve. */
const takersOfFiles = 2

interface MeshShape {
  readonly members: ReadonlyArray<Member>
  /** When the mesh was whole: no session among its members is younger. */
  readonly since: number
  readonly memoryMiB: ReadonlyArray<number>
}

class Mesh extends Context.Service<Mesh, MeshShape>()("test/system/networkAttack/Mesh") {
  static readonly layer = Layer.effect(
    Mesh,
    Effect.gen(function* () {
      const members = yield* startMesh(yield* temporaryDirectory)
      yield* untilMesh(members)
      // One more protocol to be attacked on.
      yield* Effect.forEach(members.slice(0, takersOfFiles), takeFiles, { discard: true })
      return { members, since: performance.now(), memoryMiB: yield* Effect.forEach(members, memoryMiB) }
    })
  )
}

/** The most that the members' memory has grown since the mesh was whole, in MiB. */
const memoryGrowth = Effect.gen(function* () {
  const mesh = yield* Mesh
  const now = yield* Effect.forEach(mesh.members, memoryMiB)
  return Math.max(...now.map((mib, index) => mib - (mesh.memoryMiB[index] ?? 0)))
})

/** The members are as they were: all sessions among them, no more memory than allowed, nothing to complain about. */
const assertUnharmed = Effect.gen(function* () {
  const { members, since } = yield* Mesh
  yield* assertKept(members, since)
  assertNoDefects(members)
  assert.isBelow(yield* memoryGrowth, memoryGrowthMiBMax)
})

const Flooded = Schema.fromJsonString(
  Schema.Struct({ gossip: Schema.Int, control: Schema.Int, streams: Schema.Int, connects: Schema.Int })
)
/** Enough of each kind that every limit has been met, for the five members together. */
const enough = { gossip: 10_000, control: 1500, streams: 1500, connects: 15 }

const Garbage = Schema.fromJsonString(
  Schema.Struct({
    sent: Schema.Struct({ streams: Schema.Int, sessions: Schema.Int, tcp: Schema.Int, udp: Schema.Int })
  })
)

/** A node in this process that dials over one transport and keeps to itself otherwise. */
const visitor = (transport: "quic" | "tcp") =>
  Layer.build(
    SessionLibp2p.layer({ transports: [transport], announceAddresses: "none", dialsHeardOf: false }).pipe(
      Layer.provideMerge(PeerBookMemory.layer),
      Layer.provideMerge(IdentityMemory.layer())
    )
  )

/** How long a dial takes. */
const dialMillis = Effect.fnUntraced(function* ({ peer: { address, did } }: Member) {
  const manager = yield* SessionManager
  yield* (yield* PeerBook).learn(did, [address], "config")
  const started = yield* Clock.currentTimeMillis
  yield* manager.dial(did)
  return (yield* Clock.currentTimeMillis) - started
})

layer(Mesh.layer, { excludeTestServices: true, timeout: "2 minutes" })("five nodes under attack", (it) => {
  it.effect.each(["quic", "tcp"] as const)(
    "take a good dial over %s within a second beside 16 silent connections and 16 replayed Initials",
    (transport) =>
      Effect.gen(function* () {
        const [victim, other] = (yield* Mesh).members
        if (victim === undefined || other === undefined) return assert.fail("no members")
        const context = yield* visitor(transport)
        // Loads what the first dial of a process loads.
        yield* Effect.provideContext(dialMillis(other), context)
        yield* halfOpenTcp(victim.peer, 16)
        yield* halfOpenQuic(victim.peer, 16)
        const millis = yield* Effect.provideContext(dialMillis(victim), context)
        yield* Console.log(`a dial over ${transport} beside 32 half-open handshakes took ${millis} ms`)
        assert.isBelow(millis, 1000)
        yield* assertUnharmed
      })
  )

  it.effect(
    "keep their sessions and their memory while they are flooded, and count it",
    () =>
      Effect.gen(function* () {
        const { members } = yield* Mesh
        const flooder = yield* NodeProcess.start(
          "networkFlooder.ts",
          members.map(({ uri }) => uri)
        )
        let growth = 0
        let slowest = 0
        let isEnough = false
        while (!isEnough) {
          const { connects, control, gossip, streams } = yield* Schema.decodeEffect(Flooded)(yield* flooder.line)
          isEnough =
            gossip >= enough.gossip &&
            control >= enough.control &&
            streams >= enough.streams &&
            connects >= enough.connects
          growth = Math.max(growth, yield* memoryGrowth)
          slowest = Math.max(slowest, yield* slowestPing(members))
        }
        yield* flooder.end("SIGKILL")
        yield* Console.log(
          `flooded: memory grew by ${growth} MiB at most, the slowest round trip took ${Math.round(slowest)} ms`
        )
        assert.isBelow(growth, memoryGrowthMiBMax)
        assert.isBelow(slowest, pingMillisMax)
        for (const member of members) {
          const ignored = yield* metric(member, "icn_gossip_messages_ignored_total")
          assert.isAbove(ignored, enough.gossip / 100, `${member.name} did not count the gossip that it dropped`)
          const ended = yield* metric(member, 'icn_network_control_failures_total{reason="flood"}')
          assert.isAbove(ended, 0, `${member.name} did not count the control messages that ended sessions`)
        }
        for (const member of members.slice(0, takersOfFiles)) {
          const refused = yield* metric(member, "icn_network_streams_refused_total")
          assert.isAbove(refused, 0, `${member.name} did not count the streams that it refused`)
        }
        yield* assertUnharmed
      }),
    120_000
  )

  it.effect(
    "answer garbage on every protocol, port and greeting with nothing worse than an end",
    () =>
      Effect.gen(function* () {
        const { members } = yield* Mesh
        const rogue = yield* NodeProcess.start(
          "networkGarbage.ts",
          members.map(({ uri }) => uri)
        )
        const protocols = new Set<string>()
        let line = yield* rogue.line
        while (!line.startsWith('{"sent"')) {
          for (const protocol of JSON.parse(line).protocols) protocols.add(protocol)
          line = yield* rogue.line
        }
        const { sent } = yield* Schema.decodeEffect(Garbage)(line)
        yield* Console.log(`garbage: ${JSON.stringify(sent)} on ${[...protocols].join(" ")}`)
        assert.includeMembers([...protocols], ["/icn/control/1", "/icn/file/1", "/meshsub/1.2.0", "/ipfs/id/1.0.0"])
        assert.isAbove(sent.streams, 200)
        assert.isBelow(yield* slowestPing(members), pingMillisMax)
        for (const member of members) {
          const found = yield* metrics(member)
          for (const reason of ["malformed", "order", "version"]) {
            const count = found.get(`icn_network_control_failures_total{reason="${reason}"}`) ?? 0
            assert.isAbove(count, 0, `${member.name} did not count a control message for ${reason}`)
          }
        }
        for (const member of members.slice(0, takersOfFiles)) {
          const counted = yield* metric(member, 'icn_supervisor_errors_total{operation="session_handler"}')
          assert.isAbove(counted, 0, `${member.name} did not count what was wrong on the file protocol`)
          assert.isAtLeast(counted, handledErrors(member))
        }
        yield* assertUnharmed
      }),
    120_000
  )
})
