import { assert, describe, it } from "@effect/vitest"
import { Arbitrary } from "effect"
import {
  filteringOfTests,
  mappingOfObservations,
  mappingOfTests,
  natBehaviour,
  type NatDependence,
  type NatEvidence,
  natKinds,
  type NatObservation
} from "../../src/domain/natBehaviour.ts"
import { boolean, integer, ipv4, thorough, transportAddress } from "../fixtures/arbitraries.ts"

const at = (host: string, port: number) => ({ host, port })
const seen = (server: string, serverPort: number, port: number, host = "198.51.100.7"): NatObservation => ({
  server: at(server, serverPort),
  mapped: at(host, port)
})
const one = seen("192.0.2.1", 3478, 5000)
const evidence = (some: Partial<NatEvidence>): NatEvidence => ({
  observations: [],
  isSilent: false,
  ownHosts: ["192.168.1.2"],
  ...some
})
const measured = (behaviour: NatDependence) => ({ behaviour, confidence: "measured" as const })
const inferred = (behaviour: NatDependence) => ({ behaviour, confidence: "inferred" as const })
const unknown = { behaviour: "unknown", confidence: "unknown" }

const kind = (some: Partial<NatEvidence>) => natBehaviour(evidence(some)).kind
const filterOf = (otherHostAndPort: boolean, otherPort: boolean) =>
  filteringOfTests({ otherHostAndPort, otherPort }).behaviour

describe("the tests of RFC 5780", () => {
  it("tell how the NAT maps", () => {
    const [a, b, c] = [at("198.51.100.7", 1), at("198.51.100.7", 2), at("198.51.100.7", 3)]
    const mapping = (otherHost: typeof a | undefined, otherHostAndPort: typeof a | undefined) =>
      mappingOfTests({ first: a, otherHost, otherHostAndPort })
    assert.deepStrictEqual(mapping(a, a), measured("endpointIndependent"))
    assert.deepStrictEqual(mapping(a, undefined), measured("endpointIndependent"))
    assert.deepStrictEqual(mapping(b, b), measured("addressDependent"))
    assert.deepStrictEqual(mapping(b, c), measured("addressAndPortDependent"))
    assert.deepStrictEqual(mapping(b, undefined), measured("dependent"))
    assert.deepStrictEqual(mapping(undefined, b), unknown)
  })

  it("tell whom the NAT lets in", () => {
    assert.strictEqual(filterOf(true, true), "endpointIndependent")
    assert.strictEqual(filterOf(true, false), "endpointIndependent")
    assert.strictEqual(filterOf(false, true), "addressDependent")
    assert.strictEqual(filterOf(false, false), "addressAndPortDependent")
  })
})

describe("several servers", () => {
  it("infer nothing from one, or from one that was asked twice", () => {
    assert.deepStrictEqual(mappingOfObservations([]), unknown)
    assert.deepStrictEqual(mappingOfObservations([one]), unknown)
    assert.deepStrictEqual(mappingOfObservations([one, one]), unknown)
    assert.deepStrictEqual(mappingOfObservations([one, seen("192.0.2.1", 3478, 5001)]), unknown)
    const differing = seen("192.0.2.2", 3478, 5001)
    assert.deepStrictEqual(mappingOfObservations([one, one, differing]), inferred("dependent"))
    // At another port of the same host nothing is said about other hosts.
    assert.deepStrictEqual(mappingOfObservations([one, seen("192.0.2.1", 3479, 5000)]), unknown)
  })

  it("infer how the NAT maps from what they agree on", () => {
    const agreeing = seen("192.0.2.2", 3478, 5000)
    const differing = seen("192.0.2.2", 3478, 5001)
    assert.deepStrictEqual(mappingOfObservations([one, agreeing]), inferred("endpointIndependent"))
    assert.deepStrictEqual(mappingOfObservations([one, differing]), inferred("dependent"))
    const otherPort = seen("192.0.2.1", 3479, 5000)
    assert.deepStrictEqual(mappingOfObservations([one, otherPort, differing]), inferred("addressDependent"))
    const moved = seen("192.0.2.1", 3479, 5009)
    assert.deepStrictEqual(mappingOfObservations([one, moved, agreeing]), inferred("addressAndPortDependent"))
  })

  it("are compared with those equally far away only", () => {
    const lan = seen("192.168.1.9", 3478, 40_000, "192.168.1.2")
    assert.deepStrictEqual(mappingOfObservations([one, lan]), unknown)
    const far = seen("203.0.113.1", 3478, 5000)
    assert.deepStrictEqual(mappingOfObservations([lan, one, far]), inferred("endpointIndependent"))
  })

  it("are compared within one family", () => {
    const six = seen("2001:db8::1", 3478, 5000, "2001:db8::7")
    assert.deepStrictEqual(mappingOfObservations([one, six]), unknown)
  })
})

describe("the kind of NAT", () => {
  const two = [one, seen("192.0.2.2", 3478, 5000)]

  it("is named as people name it", () => {
    assert.strictEqual(kind({ observations: two }), "cone")
    const filtering = (behaviour: NatDependence) => kind({ observations: two, measuredFiltering: measured(behaviour) })
    assert.strictEqual(filtering("endpointIndependent"), "full cone")
    assert.strictEqual(filtering("addressDependent"), "restricted cone")
    assert.strictEqual(filtering("addressAndPortDependent"), "port-restricted cone")
    assert.strictEqual(kind({ observations: [one, seen("192.0.2.2", 3478, 6)] }), "symmetric")
    assert.strictEqual(kind({ observations: [one] }), "unknown")
    assert.strictEqual(kind({}), "unknown")
    assert.strictEqual(kind({ isSilent: true }), "udp blocked")
  })

  it("is none where servers see an address of this machine, and a server in the same network is no proof", () => {
    assert.strictEqual(kind({ observations: [one], ownHosts: ["198.51.100.7"] }), "none")
    const lan = seen("192.168.1.9", 3478, 40_000, "192.168.1.2")
    assert.strictEqual(kind({ observations: [lan, one] }), "unknown")
    assert.strictEqual(kind({ observations: [lan] }), "none")
  })

  it("believes what was measured before what was inferred", () => {
    const found = natBehaviour(evidence({ observations: two, measuredMapping: measured("addressDependent") }))
    assert.deepStrictEqual(found.mapping, measured("addressDependent"))
    assert.strictEqual(found.kind, "symmetric")
  })

  it("tells a firewall without a NAT from none", () => {
    const open = natBehaviour(evidence({ observations: [one], ownHosts: ["198.51.100.7"] }))
    const closed = natBehaviour(
      evidence({
        observations: [one],
        ownHosts: ["198.51.100.7"],
        measuredFiltering: measured("addressAndPortDependent")
      })
    )
    assert.strictEqual(closed.kind, "none")
    assert.include(closed.sentence, "firewall:")
    assert.notStrictEqual(open.sentence, closed.sentence)
  })

  it.prop(
    "does not depend on the order of the answers, and is always said in a sentence",
    [Arbitrary.array(Arbitrary.all([ipv4, integer(1, 3), transportAddress]), { maxLength: 8 }), boolean],
    ([answers, isSilent]) => {
      const observations = answers.map(([host, port, mapped]) => ({ server: at(host, port), mapped }))
      const found = natBehaviour(evidence({ observations, isSilent }))
      assert.deepStrictEqual(natBehaviour(evidence({ observations: observations.toReversed(), isSilent })), found)
      assert.include(natKinds, found.kind)
      assert.match(found.sentence, /^[A-Z].*\.$/)
    },
    thorough
  )
})
