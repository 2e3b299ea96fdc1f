import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as Items from "../../src/domain/nodeConfigNetworkItems.ts"
import * as TransportAddress from "../../src/domain/transportAddress.ts"
import { ipv4, ipv6, thorough, transportAddress } from "../fixtures/arbitraries.ts"

describe("a listen address", () => {
  it.prop(
    "survives being written and read",
    [transportAddress],
    ([address]) => {
      assert.deepStrictEqual(Items.parseListenAddress(TransportAddress.format(address)), Result.succeed(address))
    },
    thorough
  )

  it("has one spelling", () => {
    assert.deepStrictEqual(Items.parseListenAddress("[0:0:0::0]:7777"), Result.succeed({ host: "::", port: 7777 }))
  })

  it.each([
    ["", 'expected "IP:port" or "[v6]:port"'],
    [":7777", 'expected "IP:port" or "[v6]:port"'],
    ["[::]x:1", 'expected "IP:port" or "[v6]:port"'],
    ["0.0.0.0", "the port is missing; 0 takes a free one"],
    ["[::]", "the port is missing; 0 takes a free one"],
    ["::1", "put an IPv6 address in brackets and a port behind: [::1]:7777"],
    ["localhost:1", 'the host is an IP address of this machine, or "0.0.0.0" or "[::]" for all of them'],
    ["1.2.3:1", 'the host is an IP address of this machine, or "0.0.0.0" or "[::]" for all of them'],
    ["[fe80::1%eth0]:1", "brackets hold an IPv6 address without a zone"],
    ["[1.2.3.4]:1", "brackets hold an IPv6 address without a zone"],
    ["0.0.0.0:65536", "the port is a number from 0 to 65535"],
    ["0.0.0.0:", "the port is a number from 0 to 65535"],
    ["0.0.0.0:07", "the port is a number from 0 to 65535"],
    ["0.0.0.0:1\n", "the port is a number from 0 to 65535"]
  ])("is not %j", (text, why) => {
    assert.deepStrictEqual(Items.parseListenAddress(text), Result.fail(why))
  })
})

describe("an interface", () => {
  it.prop("can be named by its address, in any spelling", [ipv4, ipv6], ([four, six]) => {
    assert.deepStrictEqual(Items.parseInterface(four), Result.succeed(four))
    assert.deepStrictEqual(Items.parseInterface(six.toUpperCase()), Result.succeed(six))
  })

  it.each(["eth0", "en0", "wlp0s20f3", "eth0.100", "br-lan", "eth0:1", "6to4", "enx0123456789ab"])(
    "can be called %s",
    (name) => {
      assert.deepStrictEqual(Items.parseInterface(name), Result.succeed(name))
    }
  )

  it.each(["", "192.168.1", "1", "fe80::1%eth0", "fe80::zz", "eth0/1", "eth 0", "eth0\n", "enx0123456789abc"])(
    "is not %j",
    (text) => {
      assert.deepStrictEqual(Items.parseInterface(text), Result.fail(`expected ${Items.interfaceAllowed}`))
    }
  )
})
