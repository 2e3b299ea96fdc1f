/**
 * `PeerBook` that lives as long as the program: for tests, simulations and embedders that keep nothing on disk.
 */
import { Effect, Layer, type Scope } from "effect"
import type { Identity } from "../services/Identity.ts"
import { PeerBook } from "../services/PeerBook.ts"
import * as Book from "./peerBook/Book.ts"

export const make: Effect.Effect<PeerBook["Service"], never, Identity | Scope.Scope> = Effect.map(
  Book.make([], () => {}),
  ({ service }) => service
)

export const layer: Layer.Layer<PeerBook, never, Identity> = Layer.effect(PeerBook, make)
