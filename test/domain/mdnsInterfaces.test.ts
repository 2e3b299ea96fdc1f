import { assert, describe, it } from "@effect/vitest"
import {
  addressesOn,
  chooseInterfaces,
  chosenInterfacesMax,
  type NetworkInterface,
  senderOn
} from "../../src/domain/mdnsInterfaces.ts"
import { formatBytes, parseIPv4 } from "../../src/domain/ipAddress.ts"
import { integer, ipv4, thorough } from "../fixtures/arbitraries.ts"

const entry = (name: string, address: string, netmask: string): NetworkInterface => ({
  name,
  address,
  netmask,
  family: address.includes(":") ? 6 : 4,
  internal: name === "lo"
})

const at = (host: string) => ({ host, port: 7777, transport: "any" }) as const
const binary = (host: string) => Array.from(parseIPv4(host) ?? [], (byte) => byte.toString(2).padStart(8, "0")).join("")

const machine = [
  entry("lo", "127.0.0.1", "255.0.0.0"),
  entry("lo", "::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
  entry("eth0", "192.168.1.10", "255.255.255.0"),
  entry("eth0", "10.1.2.3", "255.255.0.0"),
  entry("eth0", "fd00::10", "ffff:ffff:ffff:ffff::"),
  entry("eth0", "fe80::1", "ffff:ffff:ffff:ffff::"),
  entry("tun0", "10.8.0.2", "255.255.255.255"),
  entry("tun0", "fd08::2", "ffff:ffff:ffff:ffff::")
]

const choose = (named: ReadonlyArray<string>, listen: ReadonlyArray<string> = []) => {
  const { chosen, problems } = chooseInterfaces(
    named,
    listen.map((host) => ({ host, port: 7777 })),
    machine
  )
  return { chosen: chosen.map(({ address, name }) => `${name} ${address}`), problems }
}

describe("chooseInterfaces", () => {
  it("takes both families of a name, IPv6 by its link-local address", () => {
    assert.deepStrictEqual(choose(["eth0"]), { chosen: ["eth0 192.168.1.10", "eth0 fe80::1"], problems: [] })
    assert.deepStrictEqual(choose(["lo"]), { chosen: ["lo 127.0.0.1"], problems: [] })
    assert.deepStrictEqual(choose(["tun0"]), { chosen: ["tun0 10.8.0.2"], problems: [] })
  })

  it("takes the interface of an address in that address's family only", () => {
    assert.deepStrictEqual(choose(["10.1.2.3"]).chosen, ["eth0 10.1.2.3"])
    assert.deepStrictEqual(choose(["FD00:0::10"]).chosen, ["eth0 fe80::1"])
  })

  it("takes each interface once per family, the first mention counts", () => {
    assert.deepStrictEqual(choose(["10.1.2.3", "eth0", "192.168.1.10"]).chosen, ["eth0 10.1.2.3", "eth0 fe80::1"])
  })

  it("looks at what the node listens on only where none is named", () => {
    assert.deepStrictEqual(choose([], ["192.168.1.10", "fd00::10"]).chosen, ["eth0 192.168.1.10", "eth0 fe80::1"])
    assert.deepStrictEqual(choose(["lo"], ["192.168.1.10"]).chosen, ["lo 127.0.0.1"])
    assert.deepStrictEqual(choose(["eth7"], ["192.168.1.10"]).chosen, [])
  })

  it("never takes all interfaces for a wildcard", () => {
    assert.deepStrictEqual(choose([], ["0.0.0.0", "::"]), { chosen: [], problems: [] })
    assert.deepStrictEqual(choose([], ["0.0.0.0", "127.0.0.2"]).chosen, ["lo 127.0.0.1"])
  })

  it("says what is not there", () => {
    assert.deepStrictEqual(choose(["eth7", "192.168.1.11", "::1", "fd08::2"]).problems, [
      "mdns_interfaces: no interface with multicast is called eth7",
      "mdns_interfaces: no interface with multicast has 192.168.1.11",
      "mdns_interfaces: no interface with multicast has ::1",
      "mdns_interfaces: no interface with multicast has fd08::2"
    ])
    assert.deepStrictEqual(choose([], ["192.0.2.1"]).problems, [
      "listen_addr: no interface with multicast has 192.0.2.1"
    ])
  })

  it("takes a bounded number", () => {
    const many = Array.from({ length: 100 }, (_, n) => entry(`eth${n}`, `10.0.${n}.1`, "255.255.255.0"))
    const names = many.map(({ name }) => name)
    assert.lengthOf(chooseInterfaces(names, [], many).chosen, chosenInterfacesMax)
  })
})

describe("senderOn", () => {
  const eth4 = { name: "eth0", family: 4, address: "192.168.1.10" } as const
  const eth6 = { name: "eth0", family: 6, address: "fe80::1" } as const

  it("knows the networks of the interface", () => {
    assert.strictEqual(senderOn(eth4, machine, "192.168.1.99"), "192.168.1.99")
    assert.strictEqual(senderOn(eth4, machine, "10.1.255.1"), "10.1.255.1")
    for (const other of ["192.168.2.99", "10.2.0.1", "127.0.0.1", "10.8.0.2", "fe80::2%eth0", "garbage", ""]) {
      assert.isUndefined(senderOn(eth4, machine, other), other)
    }
  })

  it("goes by the zone in IPv6", () => {
    assert.strictEqual(senderOn(eth6, machine, "fe80::2%eth0"), "fe80::2")
    for (const other of ["fe80::2", "fe80::2%tun0", "fd00::2", "2001:db8::1%eth0", "192.168.1.99"]) {
      assert.isUndefined(senderOn(eth6, machine, other), other)
    }
  })

  it.prop(
    "admits exactly those whose leading bits are the interface's",
    [ipv4, ipv4, integer(0, 32)],
    ([own, other, prefix]) => {
      const mask = Uint8Array.from({ length: 4 }, (_, index) => {
        const bits = Math.max(0, Math.min(8, prefix - index * 8))
        return (0xff00 >> bits) & 0xff
      })
      const interfaces = [entry("eth0", own, formatBytes(mask))]
      // A neighbour shares the prefix; any other address mostly does not.
      const neighbour = formatBytes(
        Uint8Array.from(mask, (byte, index) => {
          const [a = 0, b = 0] = [parseIPv4(own)?.[index], parseIPv4(other)?.[index]]
          return (a & byte) | (b & ~byte & 0xff)
        })
      )
      assert.strictEqual(senderOn(eth4, interfaces, neighbour), neighbour)
      const same = binary(own).slice(0, prefix) === binary(other).slice(0, prefix)
      assert.strictEqual(senderOn(eth4, interfaces, other) !== undefined, same)
    },
    thorough
  )
})

describe("addressesOn", () => {
  it("tells what is in the interface's networks, and no link-local IPv6 address", () => {
    const listening = [
      at("192.168.1.10"),
      at("10.1.2.3"),
      at("10.8.0.2"),
      at("127.0.0.1"),
      at("fd00::10"),
      at("fe80::1"),
      at("fd08::2"),
      at("node.example")
    ]
    assert.deepStrictEqual(
      addressesOn("eth0", machine, listening).map(({ host }) => host),
      ["192.168.1.10", "10.1.2.3", "fd00::10"]
    )
    assert.deepStrictEqual(addressesOn("lo", machine, listening), [at("127.0.0.1")])
    assert.deepStrictEqual(addressesOn("eth7", machine, listening), [])
  })
})
