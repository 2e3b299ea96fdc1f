import { assert, describe, it } from "@effect/vitest"
import { hasRelay, outlook, udpVerdict } from "../../src/domain/doctorUdp.ts"
import { healthy, natOf, stunAnswer, stunSilence, turnFailed, turnOk } from "../fixtures/doctorFacts.ts"

const overTcpOnly = healthy.bootstrap.map((one) => ({ ...one, quic: false }))
const notAsked = healthy.bootstrap.map((one) => ({ ...one, quic: undefined }))
const away = overTcpOnly.map((one) => ({ ...one, result: "failed", problem: "timeout" }) as const)
const blocked = {
  ...healthy,
  stun: [stunSilence],
  turn: [turnFailed("udp"), turnOk("tcp")],
  bootstrap: overTcpOnly
}

const first = (facts: typeof healthy): string => outlook(facts)[0] ?? ""

describe("udpVerdict", () => {
  it("is open when anything came back over UDP, though a relay may be silent", () => {
    assert.strictEqual(udpVerdict(healthy), "open")
    assert.strictEqual(udpVerdict({ ...blocked, stun: [stunSilence, stunAnswer] }), "open")
    const silentRelay = { ...turnFailed("udp"), relayed: "203.0.113.10:49160" }
    assert.strictEqual(udpVerdict({ ...blocked, turn: [silentRelay] }), "open")
    assert.strictEqual(udpVerdict({ ...blocked, bootstrap: healthy.bootstrap }), "open")
  })

  it("is blocked only where TCP gets through", () => {
    assert.strictEqual(udpVerdict(blocked), "blocked")
    assert.strictEqual(udpVerdict({ ...blocked, turn: [] }), "blocked")
    assert.strictEqual(udpVerdict({ ...blocked, stun: [], turn: [] }), "blocked")
    assert.strictEqual(
      udpVerdict({ ...blocked, turn: [turnFailed("udp"), turnFailed("tcp")], bootstrap: away }),
      "unknown"
    )
  })

  it("is unknown where nobody was asked over UDP", () => {
    assert.strictEqual(udpVerdict({ ...healthy, stun: [], turn: [], bootstrap: notAsked }), "unknown")
    const unresolved = { ...stunSilence, problem: "resolve: ENOTFOUND" }
    assert.strictEqual(udpVerdict({ ...healthy, stun: [unresolved], turn: [], bootstrap: notAsked }), "unknown")
  })
})

describe("outlook", () => {
  it("says whom a member with blocked UDP reaches", () => {
    assert.strictEqual(
      first({ ...blocked, turn: [] }),
      "UDP is blocked here and there is no TURN server: this member reaches only members with public TCP."
    )
    assert.include(first(blocked), "all others through the relay over TCP")
    assert.include(first({ ...blocked, turn: [turnFailed("udp"), turnFailed("tcp")] }), "no relay works over TCP")
    const unused = [turnFailed("udp"), { ...turnOk("tcp"), isAllowed: false }]
    assert.include(first({ ...blocked, turn: unused }), 'set turn_transport = "auto"')
  })

  it("says what each NAT comes to, with and without a relay", () => {
    const kinds = ["none", "full cone", "cone", "symmetric", "unknown"] as const
    const sentences = kinds.flatMap((kind) => [
      first({ ...healthy, nat: natOf(kind) }),
      first({ ...healthy, nat: natOf(kind), turn: [] })
    ])
    assert.include(sentences[2], "reached through the relay")
    assert.include(sentences[3], "without a TURN server")
    assert.include(sentences[6], "mostly reached through the relay")
    assert.include(sentences[7], "no relay works")
    assert.include(sentences[9], "nobody can say")
  })

  it("says that loopback reaches nobody, and what links_enabled = false gives up", () => {
    const { configuration } = healthy
    assert.include(first({ ...healthy, configuration: { ...configuration, isLoopbackOnly: true } }), "Set listen_addr")
    const off = outlook({ ...healthy, configuration: { ...configuration, linksEnabled: false } })
    assert.include(off[1], "links_enabled is off")
  })

  it("counts a relay only by a transport that the node may use", () => {
    assert.isTrue(hasRelay(healthy))
    assert.isFalse(hasRelay({ turn: [turnFailed("udp"), { ...turnOk("tcp"), isAllowed: false }] }))
  })
})
