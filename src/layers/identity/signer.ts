/**
 * The service of an identity whose key is at hand, wherever it is kept: signing and verifying by domain/ed25519.ts, and
 * sealing by sealedBox.ts, which is loaded when it is first needed: most commands never seal anything.
 */
import { Effect, Redacted, Result } from "effect"
import { Did } from "../../domain/did.ts"
import { frame, SigningKey } from "../../domain/ed25519.ts"
import { Identity, SealBroken } from "../../services/Identity.ts"
import * as VerificationKeys from "./verificationKeys.ts"

const loadSealedBox = Effect.promise(() => import("./sealedBox.ts"))

/** The identity of a 32-byte seed, which is copied. */
export const make = (seed: Uint8Array, keyFile: string | undefined): Identity["Service"] => {
  const key = SigningKey.fromSeed(seed)
  const members = VerificationKeys.make()
  const did = Result.getOrThrow(Did.fromPublicKey(key.publicKey))
  const handshakeSeed = Redacted.make(Uint8Array.from(seed), { label: "seed" })
  let openingKey: Promise<CryptoKey> | undefined
  return Identity.of({
    did,
    keyFile,
    sign: Effect.fn("Identity.sign")((tag, bytes) => Effect.sync(() => key.sign(frame(tag, bytes)))),
    verify: Effect.fn("Identity.verify")((signer, tag, bytes, signature) =>
      Effect.sync(() => members.of(signer).verify(frame(tag, bytes), signature))
    ),
    seal: Effect.fn("Identity.seal")(function* (receiver, tag, bytes) {
      const { seal } = yield* loadSealedBox
      return yield* Effect.promise(() => seal(receiver, tag, bytes))
    }),
    open: Effect.fn("Identity.open")(function* (tag, sealed) {
      const box = yield* loadSealedBox
      const key = yield* Effect.promise(() => (openingKey ??= box.openingKey(Redacted.value(handshakeSeed))))
      const bytes = yield* Effect.promise(() => box.open(key, did, tag, sealed))
      return bytes ?? (yield* new SealBroken())
    }),
    handshakeSeed
  })
}
