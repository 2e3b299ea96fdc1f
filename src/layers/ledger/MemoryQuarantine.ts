/** The quarantine of `MemoryJournal`: entries set aside, by id, by author and by what they miss. */
import type { AccountId, EntryId } from "../../domain/ledgerEntry.ts"
import type { Quarantined } from "./Journal.ts"

const bytesOf = ({ sealed }: Quarantined): number => sealed.body.length + sealed.signature.length

export class MemoryQuarantine {
  /** Oldest first. */
  readonly #entries = new Map<EntryId, Quarantined>()
  readonly #waiting = new Map<EntryId, Set<EntryId>>()
  readonly #authors = new Map<AccountId, { readonly ids: Set<EntryId>; bytes: number }>()
  #bytes = 0
  #pending = 0

  get(id: EntryId): Quarantined | undefined {
    return this.#entries.get(id)
  }

  set(entry: Quarantined): void {
    this.delete(entry.id)
    this.#entries.set(entry.id, entry)
    const author = this.#authors.get(entry.author) ?? { ids: new Set(), bytes: 0 }
    this.#authors.set(entry.author, author)
    author.ids.add(entry.id)
    this.#count(author, entry, 1)
    for (const id of entry.missing) this.#waiting.set(id, (this.#waiting.get(id) ?? new Set()).add(entry.id))
  }

  delete(id: EntryId): void {
    const entry = this.#entries.get(id)
    const author = this.#authors.get(entry?.author ?? "")
    if (entry === undefined || author === undefined) return
    this.#entries.delete(id)
    author.ids.delete(id)
    this.#count(author, entry, -1)
    if (author.ids.size === 0) this.#authors.delete(entry.author)
    for (const missing of entry.missing) {
      const waiting = this.#waiting.get(missing)
      waiting?.delete(id)
      if (waiting?.size === 0) this.#waiting.delete(missing)
    }
  }

  #count(author: { bytes: number }, entry: Quarantined, sign: 1 | -1): void {
    author.bytes += sign * bytesOf(entry)
    this.#bytes += sign * bytesOf(entry)
    if (entry.state === "pending") this.#pending += sign
  }

  /** Newest first, beginning after an id. */
  page(after: EntryId | undefined, max: number): ReadonlyArray<Quarantined> {
    const newest = [...this.#entries.values()].toReversed()
    const start = after === undefined ? 0 : newest.findIndex(({ id }) => id === after) + 1
    return newest.slice(start, start + max)
  }

  size() {
    return { entries: this.#entries.size, bytes: this.#bytes, pending: this.#pending }
  }

  waitingFor(id: EntryId): ReadonlyArray<EntryId> {
    return [...(this.#waiting.get(id) ?? [])]
  }

  biggestOffender(): { readonly author: AccountId; readonly oldest: EntryId } | undefined {
    let found: { readonly author: AccountId; readonly oldest: EntryId } | undefined
    let most = 0
    for (const [author, { bytes, ids }] of this.#authors) {
      const [oldest] = ids
      if (oldest === undefined || bytes <= most) continue
      most = bytes
      found = { author, oldest }
    }
    return found
  }
}
