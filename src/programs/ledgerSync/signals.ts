/** What the tasks of the ledger's exchange tell each other. Queues are bounded; where one is full, the oldest goes. */
import { Effect, Queue } from "effect"
import type { AccountId, EntryId } from "../../domain/ledgerEntry.ts"

/** Own entries that wait to be published; with more, others catch up. */
const ownMax = 4096
/** Hints of what is missing. */
const gapsMax = 64
/** Forks that were told; one for each cheat. */
const forksMax = 4096
/** Members whom the books do not show yet. */
const presentedMax = 64

export interface Signals {
  /** Entries of this member, in order. */
  readonly own: Queue.Queue<EntryId>
  /** This member received something. */
  readonly credit: Queue.Queue<void>
  /** This member set something aside, or ended that. */
  readonly hold: Queue.Queue<void>
  /** The journal has grown. */
  readonly grown: Queue.Queue<void>
  /** Entries are missing that this member has, if one is known. */
  readonly gaps: Queue.Queue<string | undefined>
  readonly toldForks: ToldForks
  readonly presented: Presented
}

/**
 * Members whom the books here do not show, and who have shown that they belong to the cooperative: with a steward's
 * word, or with entries of this node's own member. Nothing is told to them; they are asked, since books that were lost
 * come back from nobody else.
 */
export class Presented {
  readonly #peers = new Set<string>()

  has(peer: string): boolean {
    return this.#peers.has(peer)
  }

  add(peer: string): void {
    if (this.#peers.size < presentedMax) this.#peers.add(peer)
  }

  delete(peer: string): void {
    this.#peers.delete(peer)
  }
}

/** Forks that all members have been told of, by this node or another one. */
export class ToldForks {
  readonly #told = new Map<AccountId, number>()

  /** Whether nothing was told of this author's fork at this position or below; from now on it was. */
  add(author: AccountId, seq: number): boolean {
    if ((this.#told.get(author) ?? Infinity) <= seq) return false
    this.#told.set(author, seq)
    if (this.#told.size > forksMax) {
      for (const first of this.#told.keys()) {
        this.#told.delete(first)
        break
      }
    }
    return true
  }
}

export const makeSignals = Effect.gen(function* () {
  const signals: Signals = {
    own: yield* Queue.sliding<EntryId>(ownMax),
    credit: yield* Queue.sliding<void>(1),
    hold: yield* Queue.sliding<void>(1),
    grown: yield* Queue.sliding<void>(1),
    gaps: yield* Queue.sliding<string | undefined>(gapsMax),
    toldForks: new ToldForks(),
    presented: new Presented()
  }
  return signals
})

/** Waits for a signal, or for a time. */
export const signalOrMillis = (signal: Queue.Queue<void>, millis: number): Effect.Effect<void> =>
  Effect.asVoid(Effect.timeoutOption(Queue.take(signal), millis))
