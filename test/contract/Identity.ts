/**
 * What every implementation of the Identity service must do. Each layer's test runs this suite on a fresh layer.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Layer, Result } from "effect"
import { Did } from "../../src/domain/did.ts"
import { frame, SigningKey, VerificationKey } from "../../src/domain/ed25519.ts"
import type { DataDirectoryError } from "../../src/services/DataDirectory.ts"
import { Identity, type IdentityError } from "../../src/services/Identity.ts"

const tag = "icn-node/identity-proof/v1"
const message = Buffer.from("a challenge")
const stranger = SigningKey.fromSeed(new Uint8Array(32).fill(9))
const strangerDid = Result.getOrThrow(Did.fromPublicKey(stranger.publicKey))

export const identityContract = (name: string, layer: Layer.Layer<Identity, IdentityError | DataDirectoryError>) =>
  describe(`${name} as Identity`, () => {
    it.effect("verifies what it signed, and nothing else", () =>
      Effect.gen(function* () {
        const identity = yield* Identity
        const signature = yield* identity.sign(tag, message)
        assert.isTrue(yield* identity.verify(identity.did, tag, message, signature))
        assert.isFalse(yield* identity.verify(identity.did, tag, Buffer.from("another"), signature))
        assert.isFalse(yield* identity.verify(strangerDid, tag, message, signature))
        assert.isFalse(yield* identity.verify(identity.did, tag, message, signature.subarray(1)))
      }).pipe(Effect.provide(layer))
    )

    it.effect("signs with the key of its DID, over the frame of the tag", () =>
      Effect.gen(function* () {
        const identity = yield* Identity
        const key = Result.getOrThrow(VerificationKey.fromBytes(identity.did.publicKey))
        const signature = yield* identity.sign(tag, message)
        assert.isTrue(key.verify(frame(tag, message), signature))
        assert.isFalse(key.verify(message, signature))
      }).pipe(Effect.provide(layer))
    )

    it.effect("verifies the signatures of other members", () =>
      Effect.gen(function* () {
        const identity = yield* Identity
        const signature = stranger.sign(frame(tag, message))
        assert.isTrue(yield* identity.verify(strangerDid, tag, message, signature))
        assert.isFalse(yield* identity.verify(identity.did, tag, message, signature))
        assert.isFalse(yield* identity.verify(strangerDid, tag, message, stranger.sign(message)))
      }).pipe(Effect.provide(layer))
    )
  })
