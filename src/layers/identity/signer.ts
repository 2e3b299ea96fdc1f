/**
 * The service of an identity whose key is at hand, wherever it is kept: signing and verifying by domain/ed25519.ts.
 */
import { Effect, Redacted, Result } from "effect"
import { Did } from "../../domain/did.ts"
import { frame, SigningKey } from "../../domain/ed25519.ts"
import { Identity } from "../../services/Identity.ts"
import * as VerificationKeys from "./verificationKeys.ts"

/** The identity of a 32-byte seed, which is copied. */
export const make = (seed: Uint8Array, keyFile: string | undefined): Identity["Service"] => {
  const key = SigningKey.fromSeed(seed)
  const members = VerificationKeys.make()
  return Identity.of({
    did: Result.getOrThrow(Did.fromPublicKey(key.publicKey)),
    keyFile,
    sign: Effect.fn("Identity.sign")((tag, bytes) => Effect.sync(() => key.sign(frame(tag, bytes)))),
    verify: Effect.fn("Identity.verify")((signer, tag, bytes, signature) =>
      Effect.sync(() => members.of(signer).verify(frame(tag, bytes), signature))
    ),
    handshakeSeed: Redacted.make(Uint8Array.from(seed), { label: "seed" })
  })
}
