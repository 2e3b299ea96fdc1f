import { assert, describe, it } from "@effect/vitest"
import { Duration, Redacted } from "effect"
import * as TurnConfig from "../../src/domain/turnConfig.ts"

const server = { host: "turn.example.org", port: 3478 }

describe("TurnConfig", () => {
  it("has the RFCs' times unless said otherwise", () => {
    const config = TurnConfig.make(server)
    assert.deepStrictEqual(config.server, server)
    assert.isUndefined(config.credentials)
    assert.strictEqual(Duration.toMillis(config.timeout), 39_500)
    assert.strictEqual(Duration.toSeconds(config.allocationLifetime), 600)
    assert.strictEqual(Duration.toSeconds(config.keepalive), 25)
  })

  it("is built step by step, and no step changes what it was given", () => {
    const first = TurnConfig.make(server)
    const config = first.pipe(
      TurnConfig.withCredentials("alice", Redacted.make("secret")),
      TurnConfig.withTimeout("5 seconds"),
      TurnConfig.withAllocationLifetime("20 minutes"),
      TurnConfig.withKeepalive("15 seconds"),
      TurnConfig.withAddressFamily(6),
      TurnConfig.withRetransmission({ timeout: "250 millis", count: 5 })
    )
    assert.strictEqual(config.credentials?.username, "alice")
    assert.strictEqual(Duration.toSeconds(config.timeout), 5)
    assert.strictEqual(Duration.toMinutes(config.allocationLifetime), 20)
    assert.strictEqual(Duration.toSeconds(config.keepalive), 15)
    assert.strictEqual(config.addressFamily, 6)
    assert.strictEqual(Duration.toMillis(config.retransmissionTimeout), 250)
    assert.deepStrictEqual([config.retransmissionCount, config.retransmissionFinalWait], [5, 16])
    assert.isUndefined(first.credentials)
    assert.strictEqual(Duration.toSeconds(first.keepalive), 25)
  })

  it("asks over UDP first and then over TCP, unless the URI or the caller says otherwise", () => {
    const config = TurnConfig.make(server)
    assert.deepStrictEqual(TurnConfig.transportsOf(config), ["udp", "tcp"])
    assert.deepStrictEqual(TurnConfig.transportsOf(config.pipe(TurnConfig.withTransport("tcp"))), ["tcp"])
    const byUri = TurnConfig.make({ ...server, transport: "tcp" })
    assert.deepStrictEqual(TurnConfig.transportsOf(byUri), ["tcp"])
    assert.deepStrictEqual(TurnConfig.transportsOf(byUri.pipe(TurnConfig.withTransport("udp"))), ["udp"])
  })

  it("prints no password", () => {
    const config = TurnConfig.make(server).pipe(TurnConfig.withCredentials("alice", Redacted.make("secret")))
    assert.notInclude(JSON.stringify(config), "secret")
  })
})
