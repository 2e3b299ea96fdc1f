import { assert, describe, it } from "@effect/vitest"
import { Redacted, Result } from "effect"
import * as Stun from "../../src/protocol/stun.ts"
import * as Attribute from "../../src/protocol/stunAttributes.ts"
import { longTermKey, verifyIntegrity } from "../../src/protocol/stunIntegrity.ts"
import * as Turn from "../../src/protocol/turn.ts"
import * as Server from "../../src/protocol/turnServerMessages.ts"

const decode = (datagram: Uint8Array): Stun.DecodedStun => Result.getOrThrow(Stun.decode(datagram))
const id = new Uint8Array(12).fill(3)
const key = Result.getOrThrow(longTermKey({ username: "u", realm: "r", password: Redacted.make("p") }))
const request = decode(Turn.refreshRequest({ transactionId: id, lifetimeSeconds: 60 }))

describe("a TURN server's responses", () => {
  it("answer the request's method and transaction, signed and with a fingerprint only where asked", () => {
    const plain = decode(Server.successResponse(request))
    assert.deepStrictEqual([plain.class, plain.method], ["success", 0x004])
    assert.deepStrictEqual(plain.transactionId, id)
    assert.strictEqual(verifyIntegrity(plain, key), "absent")
    assert.strictEqual(plain.fingerprint, "absent")
    const signed = decode(Server.errorResponse(request, { code: 437, reason: "x" }, { key, fingerprint: true }))
    assert.deepStrictEqual([signed.class, signed.method], ["error", 0x004])
    assert.strictEqual(verifyIntegrity(signed, key), "valid")
    assert.strictEqual(signed.fingerprint, "valid")
  })

  it("challenge with realm and nonce, unsigned", () => {
    const challenge = { realm: "example.org", nonce: Uint8Array.of(1, 2, 3) }
    const both: ReadonlyArray<readonly [code: number, datagram: Uint8Array]> = [
      [401, Server.unauthorizedResponse(request, challenge)],
      [438, Server.staleNonceResponse(request, challenge)]
    ]
    for (const [code, datagram] of both) {
      const response = decode(datagram)
      assert.strictEqual(Result.getOrThrow(Turn.readError(response)).code, code)
      assert.deepStrictEqual(Attribute.required(response, Attribute.realm), Result.succeed(challenge.realm))
      assert.deepStrictEqual(Attribute.required(response, Attribute.nonce), Result.succeed(challenge.nonce))
      assert.strictEqual(verifyIntegrity(response, key), "absent")
    }
  })

  it("carry further attributes, such as those that 420 and 300 need", () => {
    const attributes = [Attribute.make(Attribute.unknownAttributes, [0x7fff], id)]
    const response = decode(Server.errorResponse(request, { code: 420, reason: "" }, { attributes }))
    assert.deepStrictEqual(Attribute.required(response, Attribute.unknownAttributes), Result.succeed([0x7fff]))
  })
})
