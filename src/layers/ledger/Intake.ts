/**
 * What becomes of entries that come from outside: into the journal, with everything that waited for them, or into
 * quarantine, whose bounds are kept here. A plain class over any `Journal`; it runs within `Journal.write`.
 *
 * An author who has forked can write branches without end, so of his entries the journal takes in only what the books
 * may need (docs/ledger.md): his chain below his lowest fork, the second entry there, which is the proof, and what
 * entries of others refer to. The rest is parked in quarantine. `wanted` below is an entry that counts by itself; an
 * entry is taken out of quarantine for a wanted one only when everything that this one waits for is there.
 */
import * as Result from "effect/Result"
import { admit } from "../../domain/ledgerAdmit.ts"
import { type Entry, type EntryId, type IdentifiedEntry } from "../../domain/ledgerEntry.ts"
import { decodeEntry, entryId } from "../../protocol/entry.ts"
import type { Received } from "../../services/Ledger.ts"
import type { ProvenBytes } from "./Engine.ts"
import { type Journal, type Quarantined, strangers } from "./Journal.ts"

export interface QuarantineBounds {
  readonly entriesMax: number
  readonly bytesMax: number
}

/** An hour of catching up in the wrong order, and what a node can spare of disk and memory. */
export const defaultQuarantineBounds: QuarantineBounds = { entriesMax: 10_000, bytesMax: 32 * 1024 * 1024 }

/**
 * Looks into the quarantine to find out what belongs together: so many at once, which is more than there are entries in
 * it and takes some tenths of a second, and so many more for each entry that comes. Whoever makes it cost more means
 * harm; what is not found then is found when it comes again.
 */
const looksMax = 16_384
const looksPerEntry = 32
/** Ids of missing entries that one call tells. */
const missingMax = 256

type Outcome = "added" | "pending" | "rejected" | "parked"

interface Candidate extends ProvenBytes {
  readonly own: IdentifiedEntry
  readonly at: number
}

type Tally = { -readonly [Name in Exclude<keyof Received, "missing" | "evicted">]: number }

/** Of an answer about no entries. */
export const nothingReceived: Received = {
  added: 0,
  known: 0,
  pending: 0,
  rejected: 0,
  parked: 0,
  malformed: 0,
  badSignature: 0,
  evicted: 0,
  missing: []
}

const looksOf = ({ missing }: Quarantined): number => 1 + missing.length

export class Intake {
  readonly #journal: Journal
  readonly #bounds: QuarantineBounds
  /** Entries in quarantine to be judged again, because something that they missed has come. */
  readonly #retries = new Set<EntryId>()
  #looks = looksMax
  /** Whether nothing is in quarantine, so that nobody can wait for what comes. */
  #empty = false
  #added = 0
  #evicted = 0

  constructor(journal: Journal, bounds: QuarantineBounds) {
    this.#journal = journal
    this.#bounds = bounds
  }

  /** Judges entries in the order given, and then what waited for them. */
  receive(entries: ReadonlyArray<ProvenBytes>, at: number): Received {
    const tally: Tally = { ...nothingReceived }
    this.#begin()
    const came: Array<EntryId> = []
    for (const bytes of entries) {
      const decoded = decodeEntry(bytes.body)
      if (Result.isFailure(decoded)) {
        tally.malformed++
        continue
      }
      const id = entryId(bytes.body)
      const outcome = this.#take({ ...bytes, own: { id, entry: decoded.success }, at })
      if (outcome !== "added") tally[outcome]++
      if (outcome === "pending") came.push(id)
    }
    return { ...tally, added: this.#added, evicted: this.#evicted, missing: this.#missingOf(came) }
  }

  /** Judges an entry of the quarantine anew. */
  release(id: EntryId, at: number): Received | undefined {
    const there = this.#journal.quarantined(id)
    if (there === undefined) return undefined
    this.#journal.takeOut(id)
    return this.receive([{ ...there.sealed, proof: there.proof }], at)
  }

  /** Takes in an own entry that was admitted already. */
  addOwn(admitted: Parameters<Journal["add"]>[0], sealed: ProvenBytes): number {
    this.#begin()
    const version = this.#journal.add(admitted, { body: sealed.body, signature: sealed.signature }, sealed.proof)
    this.#wake(admitted.id)
    this.#runRetries()
    return version
  }

  #begin(): void {
    this.#empty = this.#journal.quarantineSize().entries === 0
    this.#added = 0
    this.#evicted = 0
  }

  #afford(looks: number): boolean {
    if (this.#looks < looks) return false
    this.#looks -= looks
    return true
  }

  #earn(looks: number): void {
    this.#looks = Math.min(looksMax, this.#looks + looks)
  }

  #take(candidate: Candidate): Outcome | "known" {
    const { own, proof } = candidate
    this.#earn(looksPerEntry)
    const { author, seq } = own.entry
    // Most of what comes goes on with a chain, which is known without a look into the table.
    if (!this.#journal.isBeyondEnd(author, seq) && this.#journal.find(own.id) !== undefined) {
      if (proof === "signed") this.#proveAgain(own.id, candidate.signature)
      return "known"
    }
    const there = this.#empty ? undefined : this.#journal.quarantined(own.id)
    if (there?.state === "rejected" || (there?.state === "parked" && !this.#improves(candidate, there))) {
      return there.state
    }
    const keptProof = there?.proof === "signed" ? { ...candidate, ...there.sealed, proof: there.proof } : candidate
    this.#judge(keptProof)
    this.#runRetries()
    if (this.#journal.find(own.id) !== undefined) return "added"
    // What was pushed out of quarantine at once was waiting all the same.
    return this.#journal.quarantinedAs(own.id) ?? "pending"
  }

  #improves({ proof }: Candidate, there: Quarantined): boolean {
    return proof === "signed" && there.proof === "vouched"
  }

  #proveAgain(id: EntryId, signature: Uint8Array): void {
    if (this.#journal.vouched(1).length === 0) return
    if (this.#journal.entry(id)?.proof === "vouched") this.#journal.prove(id, signature)
  }

  #runRetries(): void {
    for (const id of this.#retries) {
      const there = this.#waiting(id)
      // The rest is for the next call.
      if (there !== undefined && !this.#afford(looksOf(there))) return
      this.#retries.delete(id)
      const candidate = there === undefined ? undefined : this.#candidateOf(there)
      if (candidate !== undefined) this.#judge(candidate)
    }
  }

  #candidateOf({ at, id, proof, sealed }: Quarantined): Candidate | undefined {
    const decoded = decodeEntry(sealed.body)
    return Result.isFailure(decoded) ? undefined : { ...sealed, proof, at, own: { id, entry: decoded.success } }
  }

  #judge(candidate: Candidate): void {
    const { own } = candidate
    const admission = admit(own, this.#journal)
    if (admission._tag === "Rejected") return this.#setAside(candidate, "rejected", admission.reason, [])
    const wanted = this.#isWanted(own.entry, admission._tag === "Admitted")
    if (admission._tag === "Admitted" && wanted) return this.#add(candidate, admission.entry)
    const missing = admission._tag === "Pending" ? admission.missing : []
    const isPending = !this.#isAboveFork(own.entry) || this.#isAnyAbsent(missing)
    if (isPending) this.#setAside(candidate, "pending", "missing", missing)
    else this.#setAside(candidate, "parked", "forkedAuthor", missing)
    if (wanted) this.#fetchFor(own.id)
    else if (this.#closureOf(own.id) !== undefined) for (const id of this.#seekersOf(own.id)) this.#fetchFor(id)
  }

  #isAnyAbsent(missing: ReadonlyArray<EntryId>): boolean {
    return missing.some((id) => this.#journal.quarantinedAs(id) !== "parked")
  }

  /** Whether the author has forked, at this entry's position or below. */
  #isAboveFork({ author, seq }: Pick<Entry, "author" | "seq">): boolean {
    const lowest = this.#journal.lowestFork(author)
    return lowest !== undefined && seq >= lowest
  }

  /** Whether an entry counts by itself, and is in the books as soon as it is valid. */
  #isWanted(entry: Entry, isAdmitted: boolean): boolean {
    // Anybody can sign with a new key, but only a member's entry can come to count.
    return !this.#isAboveFork(entry) && (isAdmitted || this.#mayBeMember(entry))
  }

  #mayBeMember({ author, deps }: Entry): boolean {
    const genesis = this.#journal.find(this.#journal.coop)?.entry
    const stewards = genesis?.kind === "genesis" ? genesis.stewards : []
    if (stewards.includes(author)) return true
    if (this.#journal.concerning(author).some(({ entry }) => entry.kind === "member")) return true
    return deps.some((id) => {
      const there = this.#journal.quarantined(id)
      const entry = there === undefined ? undefined : this.#candidateOf(there)?.own.entry
      return entry?.kind === "member" && entry.account === author && stewards.includes(entry.author)
    })
  }

  /** An entry of the quarantine that can still come into the journal. */
  #waiting(id: EntryId): Quarantined | undefined {
    const there = this.#journal.quarantined(id)
    return there?.state === "rejected" ? undefined : there
  }

  #isWantedThere(there: Quarantined): boolean {
    // What is above a fork need not be read, which is most of what there can be much of.
    if (this.#isAboveFork(there)) return false
    const candidate = this.#candidateOf(there)
    return candidate !== undefined && this.#isWanted(candidate.own.entry, false)
  }

  /** Wanted entries in quarantine that wait for an entry, directly or through others that are not wanted. */
  #seekersOf(from: EntryId): ReadonlyArray<EntryId> {
    const seen = new Set<EntryId>()
    const found: Array<EntryId> = []
    const waiting = [from]
    for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
      for (const seeker of this.#journal.waitingFor(id)) {
        if (seen.has(seeker)) continue
        seen.add(seeker)
        const there = this.#waiting(seeker)
        if (there === undefined) continue
        if (!this.#afford(looksOf(there))) return found
        if (this.#isWantedThere(there)) found.push(seeker)
        else waiting.push(seeker)
      }
    }
    return found
  }

  /** Takes in a wanted entry with all that it waits for, if all of it is in quarantine. */
  #fetchFor(wanted: EntryId): void {
    for (const candidate of this.#closureOf(wanted) ?? []) {
      const admission = admit(candidate.own, this.#journal)
      if (admission._tag === "Pending") return
      if (admission._tag === "Rejected") return this.#setAside(candidate, "rejected", admission.reason, [])
      this.#add(candidate, admission.entry)
    }
  }

  /**
   * An entry and what it waits for, in an order in which they can be admitted; nothing if some of it is missing.
   * Another wanted entry among it misses something itself, or it would not be there; so it is not looked into, and a
   * long chain that misses its beginning costs one look per entry.
   */
  #closureOf(from: EntryId): ReadonlyArray<Candidate> | undefined {
    const order: Array<Candidate> = []
    const done = new Set<EntryId>()
    const waiting: Array<{ readonly id: EntryId; readonly entered?: Candidate }> = [{ id: from }]
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      // Everything before it is in order now.
      if (next.entered !== undefined) order.push(next.entered)
      if (next.entered !== undefined || done.has(next.id)) continue
      done.add(next.id)
      const there = this.#waiting(next.id)
      if (there === undefined || !this.#afford(looksOf(there))) return undefined
      if (there.missing.some((id) => this.#isNowhere(id))) return undefined
      if (next.id !== from && this.#isWantedThere(there)) return undefined
      const candidate = this.#candidateOf(there)
      if (candidate === undefined) return undefined
      waiting.push({ id: next.id, entered: candidate })
      for (const id of there.missing) waiting.push({ id })
    }
    return order
  }

  #isNowhere(id: EntryId): boolean {
    const state = this.#journal.quarantinedAs(id)
    return state === undefined || state === "rejected"
  }

  #add({ body, own, proof, signature }: Candidate, admitted: Parameters<Journal["add"]>[0]): void {
    if (!this.#empty) this.#journal.takeOut(own.id)
    this.#journal.add(admitted, { body, signature }, proof)
    this.#added++
    this.#earn(1)
    this.#wake(own.id)
  }

  #wake(id: EntryId): void {
    if (!this.#empty) for (const waiting of this.#journal.arrived(id)) this.#retries.add(waiting)
  }

  #setAside(candidate: Candidate, state: Quarantined["state"], reason: string, missing: ReadonlyArray<EntryId>): void {
    const { at, body, own, proof, signature } = candidate
    const { author, seq } = own.entry
    this.#empty = false
    this.#journal.setAside({
      id: own.id,
      author,
      owner: this.#mayBeMember(own.entry) ? author : strangers,
      seq,
      state,
      reason,
      missing,
      proof,
      at,
      sealed: { body, signature }
    })
    this.#keepBounds()
  }

  #keepBounds(): void {
    for (;;) {
      const { bytes, entries } = this.#journal.quarantineSize()
      if (entries <= this.#bounds.entriesMax && bytes <= this.#bounds.bytesMax) return
      const offender = this.#journal.biggestOffender()
      if (offender === undefined) return
      this.#journal.takeOut(offender.oldest)
      this.#evicted++
    }
  }

  /** What the pending ones of these wait for and is nowhere here. */
  #missingOf(pending: ReadonlyArray<EntryId>): ReadonlyArray<EntryId> {
    const missing = new Set<EntryId>()
    for (const id of pending) {
      for (const one of this.#journal.quarantined(id)?.missing ?? []) {
        if (missing.size >= missingMax) return [...missing]
        if (this.#journal.find(one) === undefined && this.#journal.quarantinedAs(one) === undefined) missing.add(one)
      }
    }
    return [...missing]
  }
}
