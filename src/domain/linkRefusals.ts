/**
 * Links that their member gave up, for as long as what it said about them before may still come: signals take different
 * ways, and an offer that arrives after its refusal is none.
 */
import type { Did } from "./did.ts"
import { offerAgeMaxMillis } from "./linkOffer.ts"

/** Links that are remembered. One that is forgotten too soon costs what a link costs of which nothing comes. */
export const refusalsMax = 1024

const keyOf = (from: Did, linkId: Uint8Array): string => `${from.text}|${Buffer.from(linkId).toString("base64url")}`

export class LinkRefusals {
  /** When each was heard, in milliseconds, the oldest first. */
  readonly #heard = new Map<string, number>()

  get size(): number {
    return this.#heard.size
  }

  /** Remembers a refusal that is the member's own; the oldest gives way. */
  add(from: Did, linkId: Uint8Array, nowMillis: number): void {
    const key = keyOf(from, linkId)
    this.#heard.delete(key)
    this.#heard.set(key, nowMillis)
    for (const [oldest, atMillis] of this.#heard) {
      if (this.#heard.size <= refusalsMax && nowMillis - atMillis <= offerAgeMaxMillis) break
      this.#heard.delete(oldest)
    }
  }

  has(from: Did, linkId: Uint8Array, nowMillis: number): boolean {
    const atMillis = this.#heard.get(keyOf(from, linkId))
    return atMillis !== undefined && nowMillis - atMillis <= offerAgeMaxMillis
  }
}
