/**
 * Prepared keys of the members whose signatures are verified, the most recently used ones: preparing a key costs about
 * as much as verifying with it, and a node hears most from few.
 */
import { Result } from "effect"
import type { Did } from "../../domain/did.ts"
import { VerificationKey } from "../../domain/ed25519.ts"

/** Keys kept, at about 1 KiB each: more members than one node talks to at a time. */
const keysMax = 4096

export interface VerificationKeys {
  /** The prepared key of a member. */
  readonly of: (did: Did) => VerificationKey
}

export const make = (limit = keysMax): VerificationKeys => {
  // A Map keeps the order of insertion, so the first entry is the one that was not used for the longest time.
  const keys = new Map<string, VerificationKey>()
  return {
    of: (did) => {
      // A Did was checked when it was made.
      const key = keys.get(did.text) ?? Result.getOrThrow(VerificationKey.fromBytes(did.publicKey))
      keys.delete(did.text)
      keys.set(did.text, key)
      for (const oldest of keys.keys()) {
        if (keys.size <= limit) break
        keys.delete(oldest)
      }
      return key
    }
  }
}
