import { assert, describe, it } from "@effect/vitest"
import type { PortFact } from "../../src/domain/doctorFacts.ts"
import { bootstrapFindings, hostFindings, portFindings } from "../../src/domain/doctorMachine.ts"
import { healthy } from "../fixtures/doctorFacts.ts"

const port = (problem: string | undefined, key: PortFact["key"] = "listen_addr"): PortFact => ({
  key,
  protocol: "udp",
  address: "0.0.0.0:7777",
  problem
})

describe("portFindings", () => {
  it("takes a port that is in use for the running node's, if one runs", () => {
    const running = { ...healthy, ports: [port("EADDRINUSE")], node: { _tag: "Running", pid: 7 } } as const
    assert.deepStrictEqual(
      portFindings(running).map(({ detail, mark }) => [mark, detail]),
      [["ok", "held by the running node: UDP 0.0.0.0:7777"]]
    )
    const [taken] = portFindings({ ...healthy, ports: [port("EADDRINUSE")] })
    assert.deepInclude(taken, { mark: "fail", detail: "UDP 0.0.0.0:7777: EADDRINUSE" })
    assert.include(taken?.remedy, "ss -lupn")
  })

  it("says which right or address is missing", () => {
    const remedies = portFindings({ ...healthy, ports: [port("EACCES", "link_port"), port("EADDRNOTAVAIL")] }).map(
      ({ remedy }) => remedy
    )
    assert.include(remedies[0], "below 1024")
    assert.include(remedies[0], "link_port")
    assert.include(remedies[1], "no interface")
  })

  it("refuses a link_port that QUIC listens on", () => {
    const configuration = { ...healthy.configuration, linkPort: 7777 }
    const collides = (changed: Partial<typeof configuration>) =>
      portFindings({ ...healthy, configuration: { ...configuration, ...changed } }).some(({ mark }) => mark === "fail")
    assert.isTrue(collides({}))
    assert.isFalse(collides({ linksEnabled: false }))
    assert.isFalse(collides({ linkPort: 0, listenPorts: [0] }))
  })
})

describe("hostFindings", () => {
  it("tells whether an address is public, and fails without a network", () => {
    assert.strictEqual(hostFindings(healthy)[0]?.detail, "192.168.1.2 (eth0, private); none is public")
    const hosts = [{ host: "198.51.100.7", interfaceName: "eth0", scope: "public" }] as const
    assert.strictEqual(hostFindings({ ...healthy, hosts })[0]?.detail, "198.51.100.7 (eth0, public)")
    assert.strictEqual(hostFindings({ ...healthy, hosts: healthy.hosts.slice(0, 1) })[0]?.mark, "fail")
  })
})

const marks = (bootstrap: typeof healthy.bootstrap) =>
  bootstrapFindings({ ...healthy, bootstrap }).map(({ mark }) => mark)

describe("bootstrapFindings", () => {
  it("warns of one that is away, fails when all are, over QUIC and TCP", () => {
    const [up] = healthy.bootstrap
    assert.isDefined(up)
    if (up === undefined) return
    const away = { ...up, result: "failed", problem: "ECONNREFUSED", quic: false } as const
    assert.deepStrictEqual(marks([up, away]), ["ok", "warn"])
    assert.deepStrictEqual(marks([away, away]), ["fail", "fail"])
    assert.deepStrictEqual(marks([{ ...up, quic: false }]), ["warn"])
    assert.deepStrictEqual(marks([{ ...up, quic: undefined }]), ["ok"])
    assert.deepStrictEqual(marks([{ ...up, result: "udpOnly" }]), ["ok"])
    assert.deepStrictEqual(marks([{ ...up, result: "udpOnly", quic: false }]), ["fail"])
    assert.deepStrictEqual(marks([up, { ...up, result: "udpOnly", quic: false }]), ["ok", "warn"])
    assert.include(bootstrapFindings({ ...healthy, bootstrap: [away] })[0]?.remedy, "nothing listens there")
  })
})
