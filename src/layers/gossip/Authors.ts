/**
 * The DIDs of the keys that messages come from, most recently heard ones kept: checking a key costs about as much as
 * checking a signature, and most messages come from few.
 */
import { Result } from "effect"
import { Did } from "../../domain/did.ts"

/** Keys kept, at about 300 bytes each: as many authors as the replay guard remembers. */
const authorsMax = 4096

export class Authors {
  readonly #limit: number
  /** In the order of their latest use. */
  readonly #dids = new Map<string, Did>()

  constructor(limit = authorsMax) {
    this.#limit = limit
  }

  /** The member of a public key, or `undefined` for bytes that no member can sign with. */
  of(publicKey: Uint8Array): Did | undefined {
    const key = Buffer.from(publicKey.buffer, publicKey.byteOffset, publicKey.byteLength).toString("latin1")
    const did = this.#dids.get(key) ?? Result.getOrUndefined(Did.fromPublicKey(publicKey))
    if (did === undefined) return undefined
    this.#dids.delete(key)
    this.#dids.set(key, did)
    for (const oldest of this.#dids.keys()) {
      if (this.#dids.size <= this.#limit) break
      this.#dids.delete(oldest)
    }
    return did
  }
}
