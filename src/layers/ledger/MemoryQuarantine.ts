/** The quarantine of `MemoryJournal`: entries set aside, by id, by owner and by what they miss. */
import type { AccountId, EntryId } from "../../domain/ledgerEntry.ts"
import { type Quarantined, strangers } from "./Journal.ts"

const bytesOf = ({ sealed }: Quarantined): number => sealed.body.length + sealed.signature.length

export class MemoryQuarantine {
  /** Oldest first. */
  readonly #entries = new Map<EntryId, Quarantined>()
  readonly #waiting = new Map<EntryId, Set<EntryId>>()
  readonly #owners = new Map<AccountId, { readonly ids: Set<EntryId>; bytes: number }>()
  #bytes = 0
  #pending = 0

  get(id: EntryId): Quarantined | undefined {
    return this.#entries.get(id)
  }

  set(entry: Quarantined): void {
    this.delete(entry.id)
    this.#entries.set(entry.id, entry)
    const owner = this.#owners.get(entry.owner) ?? { ids: new Set(), bytes: 0 }
    this.#owners.set(entry.owner, owner)
    owner.ids.add(entry.id)
    this.#count(owner, entry, 1)
    for (const id of entry.missing) this.#waiting.set(id, (this.#waiting.get(id) ?? new Set()).add(entry.id))
  }

  delete(id: EntryId): void {
    const entry = this.#entries.get(id)
    const owner = entry === undefined ? undefined : this.#owners.get(entry.owner)
    if (entry === undefined || owner === undefined) return
    this.#entries.delete(id)
    owner.ids.delete(id)
    this.#count(owner, entry, -1)
    if (owner.ids.size === 0) this.#owners.delete(entry.owner)
    for (const missing of entry.missing) {
      const waiting = this.#waiting.get(missing)
      waiting?.delete(id)
      if (waiting?.size === 0) this.#waiting.delete(missing)
    }
  }

  #count(owner: { bytes: number }, entry: Quarantined, sign: 1 | -1): void {
    owner.bytes += sign * bytesOf(entry)
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

  arrived(id: EntryId): ReadonlyArray<EntryId> {
    const waiting = this.waitingFor(id)
    this.#waiting.delete(id)
    return waiting.filter((one) => {
      const entry = this.#entries.get(one)
      if (entry === undefined) return false
      const missing = entry.missing.filter((other) => other !== id)
      this.#entries.set(one, { ...entry, missing })
      return missing.every((other) => this.#entries.has(other))
    })
  }

  biggestOffender(): { readonly owner: AccountId; readonly oldest: EntryId } | undefined {
    let found: { readonly owner: AccountId; readonly oldest: EntryId } | undefined
    let most = 0
    for (const [owner, { bytes, ids }] of this.#owners) {
      const [oldest] = ids
      if (oldest === undefined) continue
      if (owner === strangers) return { owner, oldest }
      if (bytes <= most) continue
      most = bytes
      found = { owner, oldest }
    }
    return found
  }
}
