/**
 * `PeerBook` of which the members that were met are kept in `peers.json` of the data directory (format in
 * domain/peerBookFile.ts), so that a node that starts again finds the network even if its bootstrap peers are gone.
 */
import { Effect, Latch, Layer, type Scope } from "effect"
import { join } from "node:path"
import { encode } from "../domain/peerBookFile.ts"
import { DataDirectory } from "../services/DataDirectory.ts"
import type { Identity } from "../services/Identity.ts"
import { PeerBook } from "../services/PeerBook.ts"
import * as Book from "./peerBook/Book.ts"
import * as Files from "./peerBook/files.ts"
import * as Saver from "./peerBook/Saver.ts"

export const fileName = "peers.json"

export const make: Effect.Effect<PeerBook["Service"], never, DataDirectory | Identity | Scope.Scope> = Effect.gen(
  function* () {
    const path = join((yield* DataDirectory).path, fileName)
    const kept = yield* Files.load(path)
    const touched = Latch.makeUnsafe(false)
    const book = yield* Book.make(kept, () => {
      touched.openUnsafe()
    })
    yield* Saver.run(touched, Effect.map(book.kept, encode), encode(kept), (text) => Files.write(path, text))
    return book.service
  }
)

export const layer: Layer.Layer<PeerBook, never, DataDirectory | Identity> = Layer.effect(PeerBook, make)
