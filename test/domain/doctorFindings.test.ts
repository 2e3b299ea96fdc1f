import { assert, describe, it } from "@effect/vitest"
import type { DoctorFacts } from "../../src/domain/doctorFacts.ts"
import { findings } from "../../src/domain/doctorFindings.ts"
import { healthy, natOf, stunAnswer, stunSilence, turnFailed, turnOk, overTcp } from "../fixtures/doctorFacts.ts"

const of = (check: string, changed: Partial<DoctorFacts>) =>
  findings({ ...healthy, ...changed })
    .filter((one) => one.check === check)
    .map(({ detail, mark, remedy }) => [mark, detail, remedy] as const)
const marks = (check: string, changed: Partial<DoctorFacts>) => of(check, changed).map(([mark]) => mark)

describe("findings", () => {
  it("finds nothing wrong with a healthy machine", () => {
    const all = findings(healthy)
    assert.deepStrictEqual(
      all.filter(({ mark }) => mark === "warn" || mark === "fail"),
      []
    )
    assert.deepStrictEqual(
      [...new Set(all.map(({ check }) => check))],
      [
        "configuration",
        "node",
        "DNS",
        "STUN",
        "TURN UDP",
        "TURN TCP",
        "UDP",
        "NAT",
        "addresses",
        "clock",
        "ports",
        "bootstrap"
      ]
    )
  })

  it("skips what nobody configured", () => {
    for (const [check, changed] of [
      ["DNS", { names: [] }],
      ["STUN", { stun: [] }],
      ["TURN", { turn: [] }],
      ["bootstrap", { bootstrap: [] }],
      ["UDP", { stun: [], turn: [], bootstrap: [] }]
    ] as const) {
      assert.deepStrictEqual(marks(check, changed), ["skip"], check)
    }
  })

  it("names the keys of a name that does not resolve, once", () => {
    const name = { name: "turn.invalid", keys: ["turn_server", "stun_servers"], addresses: [], millis: 1 }
    const [[mark, detail] = []] = of("DNS", { names: [{ ...name, problem: "ENOTFOUND" }] })
    assert.deepStrictEqual(
      [mark, detail],
      ["fail", "turn.invalid (turn_server, stun_servers) does not resolve: ENOTFOUND"]
    )
    assert.deepStrictEqual(of("STUN", { stun: [{ ...stunSilence, problem: "resolve: ENOTFOUND" }] })[0]?.[0], "warn")
    assert.deepStrictEqual(of("DNS", { names: [{ ...name, addresses: ["192.0.2.1"], problem: undefined }] })[0], [
      "ok",
      "turn.invalid is 192.0.2.1, 1.0 ms",
      undefined
    ])
  })

  it("fails for silent STUN servers unless another answers or UDP is blocked as a whole", () => {
    assert.deepStrictEqual(marks("STUN", { stun: [stunSilence], turn: [], bootstrap: [] }), ["fail"])
    assert.deepStrictEqual(marks("STUN", { stun: [stunSilence, stunAnswer] }), ["warn", "ok"])
    assert.deepStrictEqual(marks("STUN", { stun: [stunSilence], turn: [], bootstrap: overTcp(healthy) }), ["warn"])
  })

  it("fails for a relay only where none works", () => {
    assert.deepStrictEqual(marks("TURN UDP", { turn: [turnFailed("udp"), turnOk("tcp")] }), ["warn"])
    assert.deepStrictEqual(marks("TURN UDP", { turn: [turnFailed("udp"), turnFailed("tcp")] }), ["fail"])
    const unused = { ...turnOk("tcp"), isAllowed: false }
    assert.deepStrictEqual(marks("TURN UDP", { turn: [turnFailed("udp"), unused] }), ["fail"])
    assert.include(of("TURN TCP", { turn: [unused] })[0]?.[1], "turn_transport leaves it out")
    assert.deepStrictEqual(marks("TURN TCP", { turn: [{ ...turnFailed("tcp"), isAllowed: false }] }), ["skip"])
    const silent = { ...turnFailed("udp"), relayed: "203.0.113.10:49160" }
    assert.include(of("TURN UDP", { turn: [silent] })[0]?.[2], "relay ports")
  })

  it("fails for blocked UDP without a relay, and warns with one", () => {
    const stun = [stunSilence]
    const bootstrap = overTcp(healthy)
    assert.deepStrictEqual(marks("UDP", { stun, turn: [], bootstrap }), ["fail"])
    const relayed = { stun, turn: [turnFailed("udp"), turnOk("tcp")], bootstrap }
    assert.deepStrictEqual(marks("UDP", relayed), ["warn"])
    // What to do is said once.
    assert.isUndefined(of("TURN UDP", relayed)[0]?.[2])
    assert.isDefined(of("TURN UDP", { ...relayed, stun: [stunAnswer] })[0]?.[2])
  })

  it("warns of a symmetric NAT without a relay, and tells how sure it is", () => {
    assert.deepStrictEqual(marks("NAT", { nat: natOf("symmetric"), turn: [] }), ["warn"])
    assert.deepStrictEqual(marks("NAT", { nat: natOf("symmetric") }), ["ok"])
    assert.match(of("NAT", { nat: natOf("cone") })[0]?.[1] ?? "", /^cone, inferred\. /)
    const unmeasured = { ...natOf("none"), mapping: { behaviour: "unknown", confidence: "unknown" } } as const
    assert.match(of("NAT", { nat: unmeasured })[0]?.[1] ?? "", /^none\. /)
    assert.deepStrictEqual(marks("NAT", { nat: natOf("udp blocked") }), ["skip"])
    assert.deepStrictEqual(marks("NAT", { nat: natOf("unknown") }), ["skip"])
  })

  it("judges the clock by its year and by its steadiness", () => {
    assert.deepStrictEqual(marks("clock", { clock: { wallMillis: 0, driftMillis: 0 } }), ["fail"])
    assert.deepStrictEqual(marks("clock", { clock: { ...healthy.clock, driftMillis: -900 } }), ["warn"])
  })

  it("passes warnings of the configuration on, and tells of a node that hangs", () => {
    const configuration = { ...healthy.configuration, warnings: ["doubtful"] }
    assert.deepStrictEqual(marks("configuration", { configuration }), ["ok", "warn"])
    assert.deepStrictEqual(marks("node", { node: { _tag: "NotAnswering", detail: "silent" } }), ["warn"])
    assert.deepStrictEqual(of("node", { node: { _tag: "Running", pid: 7 } })[0]?.[1], "running, pid 7")
  })
})
