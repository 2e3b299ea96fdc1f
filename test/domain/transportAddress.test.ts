import { assert, describe, it } from "@effect/vitest"
import * as TransportAddress from "../../src/domain/transportAddress.ts"

describe("TransportAddress", () => {
  it("is written as host and port, IPv6 in brackets", () => {
    assert.strictEqual(TransportAddress.format({ host: "192.0.2.1", port: 3478 }), "192.0.2.1:3478")
    assert.strictEqual(TransportAddress.format({ host: "2001:db8::1", port: 0 }), "[2001:db8::1]:0")
  })

  it("has a port that a datagram can go to, or 0 for any", () => {
    for (const port of [1, 3478, 65_535]) assert.isTrue(TransportAddress.isPort(port), `${port}`)
    for (const port of [-1, 0, 1.5, 65_536, Number.NaN]) assert.isFalse(TransportAddress.isPort(port), `${port}`)
  })

  it("equals another one by host and port", () => {
    const address = { host: "192.0.2.1", port: 1 }
    assert.isTrue(TransportAddress.equals(address, { host: "192.0.2.1", port: 1 }))
    assert.isFalse(TransportAddress.equals(address, { host: "192.0.2.1", port: 2 }))
    assert.isFalse(TransportAddress.equals(address, { host: "192.0.2.2", port: 1 }))
  })

  it("knows the family of a literal, and that a name has none", () => {
    assert.strictEqual(TransportAddress.family("192.0.2.1"), 4)
    assert.strictEqual(TransportAddress.family("::1"), 6)
    assert.isUndefined(TransportAddress.family("turn.example.org"))
    assert.isUndefined(TransportAddress.family("[::1]"))
  })
})
