/**
 * What every implementation of the Identity service must do. Each layer's test runs this suite on a fresh layer.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Layer, Result } from "effect"
import { Did } from "../../src/domain/did.ts"
import { frame, SigningKey, VerificationKey } from "../../src/domain/ed25519.ts"
import type { DataDirectoryError } from "../../src/services/DataDirectory.ts"
import * as IdentityMemory from "../../src/layers/IdentityMemory.ts"
import { Identity, type IdentityError, type SealBroken } from "../../src/services/Identity.ts"

const tag = "icn-node/identity-proof/v1"
const message = Buffer.from("a challenge")
const strangerSeed = new Uint8Array(32).fill(9)
const stranger = SigningKey.fromSeed(strangerSeed)
const strangerDid = Result.getOrThrow(Did.fromPublicKey(stranger.publicKey))

const isBroken = (opened: Effect.Effect<Uint8Array, SealBroken>): Effect.Effect<boolean> =>
  Effect.map(Effect.result(opened), (result) => Result.isFailure(result) && result.failure._tag === "SealBroken")

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

    it.effect("opens what was sealed to its DID, and nothing else", () =>
      Effect.gen(function* () {
        const identity = yield* Identity
        const sealed = yield* identity.seal(identity.did, tag, message)
        assert.deepStrictEqual(yield* identity.open(tag, sealed), Uint8Array.from(message))
        assert.isTrue(yield* isBroken(identity.open("icn-node/link-offer/v1", sealed)))
        assert.isTrue(yield* isBroken(identity.open(tag, yield* identity.seal(strangerDid, tag, message))))
        assert.isTrue(yield* isBroken(identity.open(tag, new Uint8Array())))
      }).pipe(Effect.provide(layer))
    )

    it.effect("seals so that the receiver opens it, and differently every time", () =>
      Effect.gen(function* () {
        const identity = yield* Identity
        const receiver = yield* IdentityMemory.make(strangerSeed)
        const one = yield* identity.seal(strangerDid, tag, message)
        const other = yield* identity.seal(strangerDid, tag, message)
        assert.notDeepEqual(one, other)
        for (const sealed of [one, other]) {
          assert.deepStrictEqual(yield* receiver.open(tag, sealed), Uint8Array.from(message))
          assert.isTrue(yield* isBroken(identity.open(tag, sealed)))
        }
      }).pipe(Effect.provide(layer))
    )
  })
