import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { Did } from "../../../src/domain/did.ts"
import { SigningKey } from "../../../src/domain/ed25519.ts"
import * as VerificationKeys from "../../../src/layers/identity/verificationKeys.ts"

const didOf = (fill: number): Did =>
  Result.getOrThrow(Did.fromPublicKey(SigningKey.fromSeed(new Uint8Array(32).fill(fill)).publicKey))

describe("prepared keys", () => {
  it("are kept for the same member, whichever value stands for it", () => {
    const keys = VerificationKeys.make()
    assert.strictEqual(keys.of(didOf(1)), keys.of(didOf(1)))
    assert.notStrictEqual(keys.of(didOf(1)), keys.of(didOf(2)))
  })

  it("make room for new ones, the least recently used first", () => {
    const keys = VerificationKeys.make(2)
    const first = keys.of(didOf(1))
    const second = keys.of(didOf(2))
    assert.strictEqual(keys.of(didOf(1)), first)
    keys.of(didOf(3))
    assert.strictEqual(keys.of(didOf(1)), first)
    assert.notStrictEqual(keys.of(didOf(2)), second)
  })
})
