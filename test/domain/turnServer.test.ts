import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Result, Schema } from "effect"
import * as TurnServer from "../../src/domain/turnServer.ts"
import { integer, ipv4, ipv6, thorough } from "../fixtures/arbitraries.ts"

const accepted: ReadonlyArray<readonly [string, TurnServer.TurnServer]> = [
  ["turn.example.org:3479", { host: "turn.example.org", port: 3479 }],
  ["turn.example.org", { host: "turn.example.org", port: 3478 }],
  ["Turn.Example.ORG.:1", { host: "turn.example.org.", port: 1 }],
  ["localhost:65535", { host: "localhost", port: 65_535 }],
  ["1.2.3.4", { host: "1.2.3.4", port: 3478 }],
  ["1.2.3.4:5", { host: "1.2.3.4", port: 5 }],
  ["[::1]", { host: "::1", port: 3478 }],
  ["[2001:DB8:0:0::1]:99", { host: "2001:db8::1", port: 99 }],
  ["turn:turn.example.org", { host: "turn.example.org", port: 3478 }],
  ["TURN:turn.example.org:99?transport=udp", { host: "turn.example.org", port: 99, transport: "udp" }],
  ["turn:[::1]:99?transport=UDP", { host: "::1", port: 99, transport: "udp" }],
  ["turn:turn.example.org?transport=tcp", { host: "turn.example.org", port: 3478, transport: "tcp" }],
  ["turn:[::1]:99?transport=TCP", { host: "::1", port: 99, transport: "tcp" }],
  ["xn--bcher-kva.example", { host: "xn--bcher-kva.example", port: 3478 }],
  // A machine that is called "turn", as in many container networks.
  ["turn:3478", { host: "turn", port: 3478 }],
  ["turn", { host: "turn", port: 3478 }],
  [`${"a".repeat(63)}.example`, { host: `${"a".repeat(63)}.example`, port: 3478 }]
]

const refused: ReadonlyArray<readonly [string, RegExp]> = [
  ["", /expected "host:port"/],
  [":3478", /expected "host:port"/],
  ["turn:", /expected "host:port"/],
  ["a.example:0", /port is a number from 1 to 65535/],
  ["a.example:65536", /port is a number/],
  ["a.example:", /port is a number/],
  ["a.example:+5", /port is a number/],
  ["a.example:5:6", /port is a number/],
  ["a_b.example", /no host name/],
  ["-a.example", /no host name/],
  ["a..example", /no host name/],
  [".", /no host name/],
  [`${"a".repeat(64)}.example`, /no host name/],
  [`${"a.".repeat(127)}b`, /no host name/],
  ["bücher.example", /xn--/],
  ["1.2.3", /looks like an IPv4 address/],
  ["256.1.1.1", /looks like an IPv4 address/],
  ["01.2.3.4", /looks like an IPv4 address/],
  ["::1", /in brackets: \[::1\]/],
  ["[1.2.3.4]:5", /brackets hold an IPv6 address/],
  ["[fe80::1%eth0]:5", /without a zone/],
  ["[::1", /expected "host:port"/],
  ["turns:turn.example.org", /not yet supported/],
  ["turn:turn.example.org?transport=sctp", /only parameter/],
  ["turn:turn.example.org?x=1", /only parameter/],
  ["turn:turn.example.org?transport=udp&transport=tcp", /only parameter/],
  ["turn://turn.example.org", /no "\/\/"/],
  ["stun:stun.example.org", /relays nothing/],
  ["a.example,b.example", /lists of servers are not yet supported/],
  ["a.example b.example", /lists of servers/],
  ["alice:secret@turn.example.org", /do not belong in the address/],
  ["http://turn.example.org", /port is a number/]
]

describe("parse", () => {
  it.each(accepted)("reads %s", (text, server) => {
    assert.deepStrictEqual(TurnServer.parse(text), Result.succeed(server))
  })

  it.each(refused)("refuses %s and says why", (text, why) => {
    assert.match(Result.getOrThrow(Result.flip(TurnServer.parse(text))), why)
  })

  it("never repeats the credentials that it refuses", () => {
    assert.notInclude(String(Result.flip(TurnServer.parse("alice:hunter2@turn.example.org"))), "hunter2")
  })

  const host = Arbitrary.flatMap(Arbitrary.all([ipv4, ipv6, integer(0, 1)]), ([four, six, which]) =>
    Arbitrary.Constant(which === 0 ? four : six)
  )

  it.prop(
    "reads what format writes, also as a URI",
    [host, integer(1, 65_535)],
    ([host, port]) => {
      const text = TurnServer.format({ host, port })
      assert.deepStrictEqual(TurnServer.parse(text), Result.succeed({ host, port }))
      for (const transport of TurnServer.turnTransports) {
        const uri = `turn:${text}?transport=${transport}`
        assert.deepStrictEqual(TurnServer.parse(uri), Result.succeed({ host, port, transport }))
        assert.strictEqual(TurnServer.format({ host, port, transport }), uri)
      }
    },
    thorough
  )

  it.prop(
    "answers any text, and what it accepts it reads the same again",
    [Arbitrary.schema(Schema.String)],
    ([text]) => {
      const server = TurnServer.parse(text)
      if (Result.isFailure(server)) return assert.isNotEmpty(server.failure)
      assert.deepStrictEqual(TurnServer.parse(TurnServer.format(server.success)), server)
    },
    thorough
  )
})
