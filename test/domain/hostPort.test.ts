import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { parseHost, parseHostName, parsePort } from "../../src/domain/hostPort.ts"
import { integer, ipv4, ipv6, thorough } from "../fixtures/arbitraries.ts"

const refusal = (result: Result.Result<unknown, string>): string => Result.getOrThrow(Result.flip(result))

describe("parseHost", () => {
  it.each([
    ["Node.Example.ORG", "node.example.org"],
    ["node.example.", "node.example."],
    ["1.2.3.4", "1.2.3.4"],
    ["[2001:DB8:0:0::1]", "2001:db8::1"]
  ])("reads %s", (text, host) => assert.deepStrictEqual(parseHost(text), Result.succeed(host)))

  it.each([
    ["", /no host name/],
    ["1.2.3.256", /looks like an IPv4 address/],
    ["node_1", /no host name/],
    ["bücher.example", /xn--/],
    ["[fe80::1%eth0]", /without a zone/],
    ["[::1x", /without a zone/],
    ["[1.2.3.4]", /IPv6/]
  ])("refuses %s and says why", (text, why) => assert.match(refusal(parseHost(text)), why))

  it.prop(
    "reads every literal as itself",
    [ipv4, ipv6],
    ([four, six]) => {
      assert.deepStrictEqual(parseHost(four), Result.succeed(four))
      assert.deepStrictEqual(parseHost(`[${six}]`), Result.succeed(six))
    },
    thorough
  )

  it.prop(
    "reads again what it accepted as a name",
    [Schema.String],
    ([text]) => {
      const name = parseHostName(text)
      if (Result.isSuccess(name)) assert.deepStrictEqual(parseHostName(name.success), name)
      else assert.isNotEmpty(name.failure)
    },
    thorough
  )
})

describe("parsePort", () => {
  it.prop("reads every port", [integer(1, 65_535)], ([port]) => {
    assert.deepStrictEqual(parsePort(String(port)), Result.succeed(port))
  })

  it.each(["", "0", "065", "65536", "+1", "1.0", "1e3", " 1", "99999"])("refuses %s", (text) => {
    assert.match(refusal(parsePort(text)), /number from 1 to 65535/)
  })
})
