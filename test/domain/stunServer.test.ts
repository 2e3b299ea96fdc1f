import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Result, Schema } from "effect"
import * as StunServer from "../../src/domain/stunServer.ts"
import { integer, ipv4, ipv6, thorough } from "../fixtures/arbitraries.ts"

const accepted: ReadonlyArray<readonly [string, StunServer.StunServer]> = [
  ["stun.example.org:3479", { host: "stun.example.org", port: 3479 }],
  ["Stun.Example.ORG", { host: "stun.example.org", port: 3478 }],
  ["STUN:stun.example.org:99", { host: "stun.example.org", port: 99 }],
  ["stun:[::1]:99", { host: "::1", port: 99 }],
  ["[2001:DB8:0:0::1]", { host: "2001:db8::1", port: 3478 }],
  ["1.2.3.4", { host: "1.2.3.4", port: 3478 }],
  // A machine that is called "stun".
  ["stun:3478", { host: "stun", port: 3478 }],
  ["stun", { host: "stun", port: 3478 }]
]

const refused: ReadonlyArray<readonly [string, RegExp]> = [
  ["", /expected "host:port"/],
  [":3478", /expected "host:port"/],
  ["stun:", /host name|expected/],
  ["stuns:stun.example.org", /not supported/],
  ["stun://stun.example.org", /expected/],
  ["user@stun.example.org", /expected/],
  ["a.example:0", /port is a number from 1 to 65535/],
  ["a.example:65536", /port is a number/],
  ["a.example:5:6", /port is a number/],
  ["a_b.example", /no host name/],
  ["::1", /brackets: \[::1\]/],
  ["a.example b.example", /expected/]
]

describe("parse", () => {
  for (const [text, server] of accepted) {
    it(`takes "${text}"`, () => {
      assert.deepStrictEqual(Result.getOrThrow(StunServer.parse(text)), server)
    })
  }

  for (const [text, why] of refused) {
    it(`refuses "${text}"`, () => {
      assert.match(Result.getOrThrow(Result.flip(StunServer.parse(text))), why)
    })
  }

  it.prop(
    "reads what it writes",
    [Arbitrary.schema(Schema.Literals(["four", "six", "name"])), ipv4, ipv6, integer(1, 65_535)],
    ([kind, four, six, port]) => {
      const server = { host: { four, six, name: "stun.example.org" }[kind], port }
      assert.deepStrictEqual(StunServer.parse(StunServer.format(server)), Result.succeed(server))
    },
    thorough
  )
})
