/**
 * `Identity` that lives as long as the program: for tests, simulations and short-lived embedders. A seed makes it the
 * same one every time.
 */
import { Effect, Layer } from "effect"
import { randomBytes } from "node:crypto"
import { seedLength } from "../domain/ed25519.ts"
import { Identity } from "../services/Identity.ts"
import * as Signer from "./identity/signer.ts"

export const make = (seed?: Uint8Array): Effect.Effect<Identity["Service"]> =>
  Effect.sync(() => Signer.make(seed ?? randomBytes(seedLength), undefined))

/** The identity of a 32-byte seed, or a new one. */
export const layer = (seed?: Uint8Array): Layer.Layer<Identity> => Layer.effect(Identity, make(seed))
