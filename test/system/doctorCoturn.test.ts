/** The doctor's whole examination against a real coturn on loopback: working, without UDP, without TCP, and gone. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Ref } from "effect"
import { type DoctorReport, reportOf } from "../../src/domain/doctorReport.ts"
import * as NodeConfigMemory from "../../src/layers/NodeConfigMemory.ts"
import * as TcpNode from "../../src/layers/TcpNode.ts"
import * as TurnUdpTcp from "../../src/layers/TurnUdpTcp.ts"
import * as UdpNode from "../../src/layers/UdpNode.ts"
import { examine } from "../../src/programs/doctor/examine.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"
import { didNumber } from "../fixtures/dids.ts"
import * as Coturn from "./coturn.ts"

const world = TurnUdpTcp.layer.pipe(Layer.provideMerge(Layer.merge(UdpNode.layer, TcpNode.layer)))

/** The report for a node that uses the server, which is its bootstrap peer, too: it listens on TCP. */
const reportWith = Effect.fnUntraced(function* (
  { host, port }: { readonly host: string; readonly port: number },
  password = "password"
) {
  const config = yield* Effect.provide(
    NodeConfig,
    NodeConfigMemory.layer({
      dataDir: "/data",
      network: {
        listenAddr: [{ host: "0.0.0.0", port: 0 }],
        turnServer: { host, port },
        turnUsername: "user",
        turnPassword: Redacted.make(password),
        bootstrapPeers: [{ did: didNumber(1), address: { host, port, transport: "tcp" } }]
      }
    })
  )
  const told = yield* Ref.make<ReadonlyArray<string>>([])
  const facts = yield* examine(config, Effect.succeed({ _tag: "NotRunning" }), (names) =>
    Ref.update(told, (all) => [...all, names.join()])
  ).pipe(Effect.provide(world))
  assert.strictEqual((yield* Ref.get(told)).at(-1), "")
  return reportOf(facts)
})

const marks = ({ findings }: DoctorReport, check: string) =>
  findings.filter((one) => one.check === check).map(({ mark }) => mark)

describe.skipIf(Coturn.skipped)(`the doctor and a real coturn (${Coturn.missing ?? "installed"})`, () => {
  it.live(
    "finds a server that works fine, and UDP open",
    () =>
      Effect.gen(function* () {
        const report = yield* reportWith(yield* Coturn.start())
        assert.deepStrictEqual(
          ["STUN", "TURN UDP", "TURN TCP", "UDP", "bootstrap"].map((check) => marks(report, check)),
          [["ok"], ["ok"], ["ok"], ["ok"], ["ok"]]
        )
        assert.deepStrictEqual([report.ok, report.udp], [true, "open"])
      }).pipe(Effect.scoped),
    30_000
  )

  it.live(
    "says that UDP is blocked, and that the relay over TCP helps",
    () =>
      Effect.gen(function* () {
        const report = yield* reportWith(yield* Coturn.start({ flags: ["--no-udp"] }))
        assert.strictEqual(report.udp, "blocked")
        assert.deepStrictEqual([marks(report, "TURN UDP"), marks(report, "TURN TCP")], [["warn"], ["ok"]])
        assert.include(report.outlook[0], "the relay over TCP")
        assert.isTrue(report.ok)
      }).pipe(Effect.scoped),
    30_000
  )

  it.live(
    "names a wrong password, over both transports",
    () =>
      Effect.gen(function* () {
        const report = yield* reportWith(yield* Coturn.start(), "wrong")
        assert.isFalse(report.ok)
        assert.deepStrictEqual([marks(report, "TURN UDP"), marks(report, "TURN TCP")], [["fail"], ["fail"]])
        assert.match(report.findings.find(({ check }) => check === "TURN UDP")?.detail ?? "", /401/)
        assert.strictEqual(report.udp, "open")
      }).pipe(Effect.scoped),
    30_000
  )

  it.live(
    "fails for a server that is gone",
    () =>
      Effect.gen(function* () {
        const coturn = yield* Coturn.start()
        yield* coturn.kill
        const report = yield* reportWith(coturn)
        assert.deepStrictEqual([report.ok, report.udp], [false, "unknown"])
        assert.deepStrictEqual(marks(report, "bootstrap"), ["fail"])
      }).pipe(Effect.scoped),
    30_000
  )
})
