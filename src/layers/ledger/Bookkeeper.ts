/**
 * Everything that changes a cooperative's books, as plain synchronous code over any `Journal`, so that it can run in a
 * thread of its own: this member's next entry, entries of others (Intake.ts), proofs and corrections. Calls are made
 * within `Journal.write`. Everything is judged before anything is changed.
 */
import { admit } from "../../domain/ledgerAdmit.ts"
import { draftEntry } from "../../domain/ledgerDraft.ts"
import type { DomainTag } from "../../domain/ed25519.ts"
import type { AccountId, EntryId } from "../../domain/ledgerEntry.ts"
import type { Refusal, WriteOutcome, WriteRequest } from "../../domain/ledgerIntent.ts"
import { acksMax } from "../../domain/ledgerLimits.ts"
import { intentDigest, isMemo, type Plan, planOf, saysSame } from "../../domain/ledgerPlan.ts"
import { encodeEntry, entryId, entryTag } from "../../protocol/entry.ts"
import type { Received } from "../../services/Ledger.ts"
import type { BookkeeperCalls, ProvenBytes } from "./Engine.ts"
import { defaultQuarantineBounds, Intake, type QuarantineBounds } from "./Intake.ts"
import type { Journal, SumCorrection } from "./Journal.ts"

export interface BookkeeperOptions {
  /** Whose chain is written. */
  readonly account: AccountId
  /** Signs a message for a purpose with the key of the account (`frame` of domain/ed25519.ts). */
  readonly sign: (tag: DomainTag, message: Uint8Array) => Uint8Array
  /** Sees to it that the entry of a version has its signature before the commit, where that is better than at once. */
  readonly signLater?: (id: Uint8Array, version: number) => void
  readonly quarantine?: QuarantineBounds
}

/** Entries of nothing but acks that one payment may need before it, when more credits wait than one entry can ack. */
const ackEntriesMax = 16
/** Quarantine is gone through in pages. */
const pageMax = 256

/** In the place of a signature until it is there. */
const unsigned = new Uint8Array(64)

const refused = (reason: Refusal): WriteOutcome => ({ _tag: "Refused", reason })

/** A refusal that was remembered. */
const refusedBefore = ({ reason }: { readonly reason: string }): WriteOutcome =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only `write` remembers refusals, and only such
  refused(reason as Refusal)

export class Bookkeeper implements BookkeeperCalls {
  readonly #journal: Journal
  readonly #options: BookkeeperOptions
  readonly #intake: Intake

  constructor(journal: Journal, options: BookkeeperOptions) {
    this.#journal = journal
    this.#options = options
    this.#intake = new Intake(journal, options.quarantine ?? defaultQuarantineBounds)
  }

  readonly write = (request: WriteRequest): WriteOutcome => {
    const known = this.#known(request)
    if (known !== undefined) return known
    const outcome = this.#attempt(request)
    if (outcome._tag === "Refused") {
      const digest = intentDigest(request.intent, request.memo)
      this.#journal.refuse(request.idempotencyKey, digest, outcome.reason)
    }
    return outcome
  }

  readonly outcome = (idempotencyKey: string): WriteOutcome | undefined => {
    const [used] = this.#journal.uses(this.#options.account, "key", idempotencyKey)
    if (used !== undefined) return this.#committed(used.id)
    const refusal = this.#journal.refusal(idempotencyKey)
    return refusal === undefined ? undefined : refusedBefore(refusal)
  }

  readonly receive = (entries: ReadonlyArray<ProvenBytes>, at: number): Received => this.#intake.receive(entries, at)

  readonly prove = (proven: ReadonlyArray<{ readonly id: EntryId; readonly signature: Uint8Array }>): void => {
    for (const { id, signature } of proven) this.#journal.prove(id, signature)
  }

  readonly release = (id: EntryId, at: number): Received | undefined => this.#intake.release(id, at)

  readonly drop = (id: EntryId): boolean => {
    if (this.#journal.quarantined(id) === undefined) return false
    this.#journal.takeOut(id)
    return true
  }

  readonly purge = (): number => {
    let count = 0
    for (;;) {
      const page = this.#journal.quarantine(undefined, pageMax)
      if (page.length === 0) return count
      for (const { id } of page) this.#journal.takeOut(id)
      count += page.length
    }
  }

  readonly correct = (
    corrections: ReadonlyArray<SumCorrection>,
    onlyAt: number | undefined
  ): { readonly applied: boolean; readonly version: number } => {
    const version = this.#journal.version()
    if (onlyAt !== undefined && version !== onlyAt) return { applied: false, version }
    this.#journal.correct(corrections)
    return { applied: true, version }
  }

  #committed(entryId: EntryId): WriteOutcome {
    const version = this.#journal.entry(entryId)?.version
    if (version === undefined) throw new Error(`entry ${entryId} has no version`)
    return { _tag: "Committed", entryId, version }
  }

  #plan({ intent, memo }: WriteRequest): Plan | Refusal {
    if (!isMemo(memo)) return "badMemo"
    const genesis = this.#journal.find(this.#journal.coop)?.entry
    if (genesis?.kind !== "genesis") throw new Error(`the books of ${this.#journal.coop} have no genesis`)
    const find = (id: EntryId) => this.#journal.find(id)
    return planOf(intent, { author: this.#options.account, genesis, find })
  }

  /** What the key stands for already. */
  #known(request: WriteRequest): WriteOutcome | undefined {
    const { idempotencyKey, intent, memo } = request
    const [used] = this.#journal.uses(this.#options.account, "key", idempotencyKey)
    if (used !== undefined) {
      const plan = this.#plan(request)
      const same = typeof plan !== "string" && saysSame(used.entry, plan, memo)
      return same ? this.#committed(used.id) : refused("idempotencyKeyReused")
    }
    const refusal = this.#journal.refusal(idempotencyKey)
    if (refusal === undefined) return undefined
    return refusal.digest === intentDigest(intent, memo) ? refusedBefore(refusal) : refused("idempotencyKeyReused")
  }

  #attempt(request: WriteRequest): WriteOutcome {
    const { account } = this.#options
    if (this.#journal.isForked(account)) return refused("ownChainForked")
    const plan = this.#plan(request)
    if (typeof plan === "string") return refused(plan)
    for (let ackEntries = 0; ; ackEntries++) {
      const acks = this.#journal.creditsToAck(account, acksMax)
      if (plan.act.kind === "ack" && acks.length === 0) return refused("nothingToDo")
      const outcome = this.#append(plan, acks, request)
      const mayHelp = outcome._tag === "Refused" && outcome.reason === "overLimit" && acks.length === acksMax
      if (!mayHelp || ackEntries >= ackEntriesMax) return outcome
      const acked = this.#append({ act: { kind: "ack" }, legs: [] }, acks, { ...request, idempotencyKey: "", memo: "" })
      if (acked._tag === "Refused") return outcome
    }
  }

  #append({ act, legs }: Plan, acks: ReadonlyArray<EntryId>, request: WriteRequest): WriteOutcome {
    const { account, sign, signLater } = this.#options
    const { at, idempotencyKey, memo } = request
    const entry = draftEntry(this.#journal, { author: account, act, legs, acks, at, idempotencyKey, memo })
    const body = encodeEntry(entry)
    const id = entryId(body)
    const admission = admit({ id, entry }, this.#journal)
    if (admission._tag === "Rejected") return refused(admission.reason)
    if (admission._tag === "Pending")
      throw new Error(`a draft refers to ${admission.missing.join()}, which is not here`)
    const idBytes = Buffer.from(id, "hex")
    const signature = signLater === undefined ? sign(entryTag, idBytes) : unsigned
    const version = this.#intake.addOwn(admission.entry, { body, signature, proof: "signed" })
    signLater?.(idBytes, version)
    return { _tag: "Committed", entryId: id, version }
  }
}
