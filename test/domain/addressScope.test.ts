import { assert, describe, it } from "@effect/vitest"
import { Arbitrary } from "effect"
import { admits, type AddressScope, addressScopes, scopeOf } from "../../src/domain/addressScope.ts"
import { formatBytes } from "../../src/domain/ipAddress.ts"
import { bytes, integer, ipv4, ipv6, thorough } from "../fixtures/arbitraries.ts"

/** First and last address of each block, and their neighbours outside. */
const literals: ReadonlyArray<readonly [string, AddressScope]> = [
  ["0.0.0.0", "unusable"],
  ["0.255.255.255", "unusable"],
  ["1.0.0.0", "public"],
  ["8.8.8.8", "public"],
  ["9.255.255.255", "public"],
  ["10.0.0.0", "private"],
  ["10.255.255.255", "private"],
  ["11.0.0.0", "public"],
  ["100.63.255.255", "public"],
  ["100.64.0.0", "private"],
  ["100.127.255.255", "private"],
  ["100.128.0.0", "public"],
  ["126.255.255.255", "public"],
  ["127.0.0.0", "loopback"],
  ["127.0.0.1", "loopback"],
  ["127.255.255.255", "loopback"],
  ["128.0.0.0", "public"],
  ["169.253.255.255", "public"],
  ["169.254.169.254", "linkLocal"],
  ["169.255.0.0", "public"],
  ["172.15.255.255", "public"],
  ["172.16.0.0", "private"],
  ["172.31.255.255", "private"],
  ["172.32.0.0", "public"],
  ["192.0.0.1", "unusable"],
  ["192.0.1.0", "public"],
  ["192.0.2.1", "public"],
  ["192.88.99.1", "unusable"],
  ["192.167.255.255", "public"],
  ["192.168.0.0", "private"],
  ["192.168.255.255", "private"],
  ["192.169.0.0", "public"],
  ["198.17.255.255", "public"],
  ["198.18.0.0", "private"],
  ["198.19.255.255", "private"],
  ["198.20.0.0", "public"],
  ["198.51.100.1", "public"],
  ["203.0.113.1", "public"],
  ["223.255.255.255", "public"],
  ["224.0.0.1", "unusable"],
  ["239.255.255.255", "unusable"],
  ["240.0.0.0", "unusable"],
  ["255.255.255.255", "unusable"],
  ["::", "unusable"],
  ["::1", "loopback"],
  ["::2", "unusable"],
  ["100::", "unusable"],
  ["100::ffff:ffff:ffff:ffff", "unusable"],
  ["1fff::", "unusable"],
  ["2000::", "public"],
  ["2001:1::1", "unusable"],
  ["2001:2::1", "private"],
  ["2001:10::1", "unusable"],
  ["2001:20::1", "unusable"],
  ["2001:1ff:ffff::", "unusable"],
  ["2001:200::", "public"],
  ["2001:4860:4860::8888", "public"],
  ["2001:db8::1", "public"],
  ["3fff::1", "public"],
  ["3fff:ffff::", "public"],
  ["4000::", "unusable"],
  ["5f00::1", "unusable"],
  ["fbff::", "unusable"],
  ["fc00::", "private"],
  ["fd12:3456::1", "private"],
  ["fe00::", "unusable"],
  ["fe80::1", "linkLocal"],
  ["febf::1", "linkLocal"],
  ["fec0::1", "private"],
  ["ff02::1", "unusable"],
  ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "unusable"]
]

const wrapped: ReadonlyArray<readonly [string, AddressScope]> = [
  ["::ffff:127.0.0.1", "loopback"],
  ["::ffff:10.0.0.1", "private"],
  ["::ffff:8.8.8.8", "public"],
  ["::ffff:0.0.0.0", "unusable"],
  ["::127.0.0.1", "loopback"],
  ["::192.168.1.1", "private"],
  ["64:ff9b::127.0.0.1", "loopback"],
  ["64:ff9b::169.254.169.254", "linkLocal"],
  ["64:ff9b::8.8.8.8", "public"],
  ["64:ff9b:1::8.8.8.8", "private"],
  ["64:ff9b:1::127.0.0.1", "loopback"],
  // The same address behind prefixes of 48, 56 and 64 bits.
  ["64:ff9b:1:7f00:0:100::", "loopback"],
  ["64:ff9b:1:7f:0:1::", "loopback"],
  ["64:ff9b:1:0:7f:0:100:0", "loopback"],
  ["64:ff9b:1::", "unusable"],
  ["64:ff9b:2::8.8.8.8", "unusable"],
  ["2002:7f00:1::1", "loopback"],
  ["2002:c0a8:101::1", "private"],
  ["2002:808:808::1", "public"],
  ["2002:e000:1::1", "unusable"],
  // Server 8.8.8.8; clients 8.8.4.4, 192.168.1.1 and 127.0.0.1 with all bits turned.
  ["2001:0:808:808:0:0:f7f7:fbfb", "public"],
  ["2001:0:808:808:0:0:3f57:fefe", "private"],
  ["2001:0:808:808:0:0:80ff:fffe", "loopback"],
  // A server inside the network.
  ["2001:0:a00:1:0:0:f7f7:fbfb", "private"]
]

const prefix = (...head: ReadonlyArray<number>): Uint8Array => {
  const address = new Uint8Array(16)
  address.set(head)
  return address
}

describe("scopeOf", () => {
  it.each(literals)("puts %s in scope %s", (host, scope) => assert.strictEqual(scopeOf(host), scope))

  it.each(wrapped)("sees through the wrapping of %s: %s", (host, scope) => assert.strictEqual(scopeOf(host), scope))

  it("gives names no reach", () => {
    for (const name of ["localhost", "node.example", "", "1.2.3", "[::1]", "fe80::1%eth0"]) {
      assert.strictEqual(scopeOf(name), "unusable")
    }
  })

  it.prop(
    "never finds a wrapped address wider than what is inside",
    [ipv4, bytes(8, 8), integer(0, 5)],
    ([four, rest, which]) => {
      const inner = scopeOf(four)
      const quad = Uint8Array.from(four.split("."), Number)
      const mapped = prefix(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...quad)
      const translated = prefix(0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, ...quad)
      const sixToFour = prefix(0x20, 0x02, ...quad, ...rest)
      const server = prefix(0x20, 0x01, 0, 0, ...quad, ...rest)
      const client = prefix(0x20, 0x01, 0, 0, ...rest, ...quad.map((byte) => byte ^ 0xff))
      const local = prefix(0, 0x64, 0xff, 0x9b, 0, 1, 0, 0, 0, 0, 0, 0, ...quad)
      const outer = [mapped, translated, sixToFour, server, client, local][which] ?? mapped
      const found = scopeOf(formatBytes(outer))
      assert.isAtMost(addressScopes.indexOf(found), addressScopes.indexOf(inner), formatBytes(outer))
    },
    thorough
  )

  it.prop(
    "answers every literal",
    [ipv4, ipv6],
    ([four, six]) => {
      assert.include(addressScopes, scopeOf(four))
      assert.include(addressScopes, scopeOf(six))
    },
    thorough
  )
})

describe("admits", () => {
  const usable = ["loopback", "linkLocal", "private", "public"] as const

  it.each([
    ["loopback", ["loopback", "linkLocal", "private", "public"]],
    ["linkLocal", ["linkLocal", "private", "public"]],
    ["private", ["private", "public"]],
    ["public", ["public"]],
    ["unusable", []]
  ] as const)("lets one who is reached over %s tell of %j", (via, targets) => {
    assert.deepStrictEqual(
      addressScopes.filter((target) => admits(via, target)),
      [...targets]
    )
  })

  it.prop(
    "never lets a detour through a wider scope bring a narrower address",
    [Arbitrary.array(integer(0, usable.length - 1), { minLength: 3, maxLength: 3 })],
    ([indices]) => {
      const [first = "public", second = "public", target = "public"] = indices.map((index) => usable[index])
      if (admits(first, second) && admits(second, target)) assert.isTrue(admits(first, target))
    }
  )
})
