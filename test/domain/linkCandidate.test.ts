import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import {
  distinctCandidates,
  LinkCandidate,
  LinkCandidates,
  linkCandidatesMax,
  mayCheckByDefault,
  mayCheckScopes,
  permittedHosts,
  permittedHostsMax
} from "../../src/domain/linkCandidate.ts"

const at = (kind: LinkCandidate["kind"], host: string, port = 4000): LinkCandidate => ({
  kind,
  address: { host, port }
})
const decode = Schema.decodeUnknownResult(LinkCandidate)
const decodeAll = Schema.decodeUnknownResult(LinkCandidates)

describe("a candidate", () => {
  it("is an IP literal in its one spelling with a port", () => {
    for (const good of [at("host", "10.0.0.1"), at("relayed", "2001:db8::1", 1), at("host", "10.0.0.1", 65_535)]) {
      assert.deepStrictEqual(decode(good), Result.succeed(good))
    }
    for (const [host, port] of [
      ["example.org", 1],
      ["10.0.0.01", 1],
      ["2001:DB8::1", 1],
      ["fe80::1%eth0", 1],
      ["10.0.0.1", 0],
      ["10.0.0.1", 65_536],
      ["10.0.0.1", 1.5]
    ] as const) {
      assert.isTrue(Result.isFailure(decode(at("host", host, port))), `${host} ${port}`)
    }
    assert.isTrue(Result.isFailure(decode({ ...at("host", "10.0.0.1"), kind: "other" })))
  })

  it("has at most 31 others beside it", () => {
    const many = Array.from({ length: linkCandidatesMax + 1 }, (_, n) => at("host", "10.0.0.1", n + 1))
    assert.isTrue(Result.isSuccess(decodeAll(many.slice(1))))
    assert.isTrue(Result.isFailure(decodeAll(many)))
    assert.lengthOf(distinctCandidates(many), linkCandidatesMax)
  })
})

describe("distinct candidates", () => {
  it("are the nearest of those with the same address, where it came first", () => {
    const given = [
      at("serverReflexive", "203.0.113.1"),
      at("relayed", "192.0.2.1"),
      at("host", "203.0.113.1"),
      at("serverReflexive", "203.0.113.1"),
      at("host", "203.0.113.1", 4001)
    ]
    assert.deepStrictEqual(distinctCandidates(given), [
      at("host", "203.0.113.1"),
      at("relayed", "192.0.2.1"),
      at("host", "203.0.113.1", 4001)
    ])
  })

  it("have one spelling each, and are addresses", () => {
    const given = [
      at("host", "2001:DB8:0::1"),
      at("host", "2001:db8::1"),
      at("host", "name"),
      at("host", "10.0.0.1", 0)
    ]
    assert.deepStrictEqual(distinctCandidates(given), [at("host", "2001:db8::1")])
  })

  it("take the nearest even when there is no room for more", () => {
    const many = Array.from({ length: linkCandidatesMax }, (_, n) => at("relayed", "192.0.2.1", n + 1))
    const last = distinctCandidates([...many, at("host", "192.0.2.1", linkCandidatesMax)]).at(-1)
    assert.deepStrictEqual(last, at("host", "192.0.2.1", linkCandidatesMax))
  })
})

describe("what may be checked", () => {
  const never = ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255", "240.0.0.1", "name", "::ffff:0.0.0.0"]

  it("is by default in networks and on the internet", () => {
    for (const host of ["10.0.0.1", "100.64.0.1", "203.0.113.1", "fd00::1", "2001:db8::1"]) {
      assert.isTrue(mayCheckByDefault("udp", { host, port: 1 }), host)
    }
    for (const host of ["127.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.1.1", "fe80::1", ...never]) {
      assert.isFalse(mayCheckByDefault("udp", { host, port: 1 }), host)
    }
    assert.isFalse(mayCheckByDefault("udp", { host: "10.0.0.1", port: 0 }))
  })

  it("is this machine if one says so, and never what is no member's address", () => {
    const all = mayCheckScopes(["unusable", "loopback", "linkLocal", "private", "public"])
    assert.isTrue(all("udp", { host: "127.0.0.1", port: 1 }))
    assert.isTrue(mayCheckScopes(["loopback"])("relay", { host: "::1", port: 1 }))
    assert.isFalse(mayCheckScopes(["loopback"])("udp", { host: "10.0.0.1", port: 1 }))
    for (const host of never) assert.isFalse(all("udp", { host, port: 1 }), host)
  })
})

describe("the hosts that a relay lets in for a member", () => {
  it("are those from which it may come, each once, and what it is surest to come from first", () => {
    const named = [
      at("host", "10.0.0.1"),
      at("host", "2001:db8::1"),
      at("serverReflexive", "198.51.100.1", 1),
      at("serverReflexive", "198.51.100.1", 2),
      at("relayed", "203.0.113.9")
    ]
    assert.deepStrictEqual(permittedHosts(named), ["203.0.113.9", "198.51.100.1", "2001:db8::1"])
  })

  it("are few, or some members could use up what a relay has room for", () => {
    const many = Array.from({ length: 31 }, (_, index) => at("serverReflexive", `198.51.100.${index + 1}`))
    const hosts = permittedHosts([...many, at("relayed", "203.0.113.9")])
    assert.strictEqual(hosts.length, permittedHostsMax)
    assert.strictEqual(hosts[0], "203.0.113.9")
  })
})
