/**
 * Whether entries are their authors', as plain synchronous code: each by its own signature, or runs of one chain by the
 * signature of the last, which vouches for what its hashes reach.
 */
import * as Result from "effect/Result"
import { VerificationKey } from "../../domain/ed25519.ts"
import type { AccountId, Entry, EntryId } from "../../domain/ledgerEntry.ts"
import { decodeEntry, entryId, isSignedBy } from "../../protocol/entry.ts"
import type { SignatureVerdict } from "./Engine.ts"
import type { SealedBytes } from "./Journal.ts"

/** Keys kept ready, at about 500 bytes each: preparing one costs as much as verifying with it. */
const keysMax = 4096

/** Bytes of an Ed25519 signature. */
const signatureBytes = 64

interface Read {
  readonly id: EntryId
  readonly entry: Entry
  readonly signature: Uint8Array
}

export class SignatureVerifier {
  readonly #keys = new Map<AccountId, VerificationKey | undefined>()

  verify(entries: ReadonlyArray<SealedBytes>, verify: "each" | "runs"): ReadonlyArray<SignatureVerdict> {
    const read = entries.map(({ body, signature }): Read | undefined => {
      const decoded = decodeEntry(body)
      return Result.isFailure(decoded) ? undefined : { id: entryId(body), entry: decoded.success, signature }
    })
    return verify === "each" ? read.map((one) => this.#verdictOf(one)) : this.#ofRuns(read)
  }

  #verdictOf(one: Read | undefined): SignatureVerdict {
    if (one === undefined) return "malformed"
    return this.#isGood(one) ? "signed" : "badSignature"
  }

  #ofRuns(read: ReadonlyArray<Read | undefined>): ReadonlyArray<SignatureVerdict> {
    const verdicts = new Map<Read, SignatureVerdict>()
    /** Author and id of entries that a proven entry of the same author names as the one before it. */
    const vouched = new Set<string>()
    const lastFirst = read.filter((one) => one !== undefined).toSorted((a, b) => b.entry.seq - a.entry.seq)
    for (const one of lastFirst) {
      const { author, prev } = one.entry
      // Its own signature is kept to be looked at later, so it has to be one by its size.
      const isVouched = vouched.has(`${author} ${one.id}`) && one.signature.length === signatureBytes
      const verdict = isVouched ? "vouched" : this.#verdictOf(one)
      verdicts.set(one, verdict)
      if (verdict !== "badSignature" && prev !== null) vouched.add(`${author} ${prev}`)
    }
    return read.map((one) => (one === undefined ? "malformed" : (verdicts.get(one) ?? "malformed")))
  }

  #isGood({ entry, id, signature }: Read): boolean {
    const key = this.#keyOf(entry.author)
    return key !== undefined && isSignedBy(key, id, signature)
  }

  #keyOf(account: AccountId): VerificationKey | undefined {
    const known = this.#keys.get(account)
    if (known !== undefined || this.#keys.has(account)) return known
    if (this.#keys.size >= keysMax) {
      for (const oldest of this.#keys.keys()) {
        this.#keys.delete(oldest)
        break
      }
    }
    const key = Result.getOrUndefined(VerificationKey.fromBytes(Buffer.from(account, "hex")))
    this.#keys.set(account, key)
    return key
  }
}
