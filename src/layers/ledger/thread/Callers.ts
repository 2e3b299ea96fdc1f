/**
 * Who waits for answers of a thread: calls that wait to be sent, and batches that were. Plain bookkeeping, without
 * threads or time; Thread.ts owns the thread that the batches go to.
 *
 * While a batch is out, what comes waits and goes together as the next one; so a thread that commits once per batch
 * commits once for all who came meanwhile. A second batch follows early only when it is large, so that the thread is
 * never idle under load and small batches still grow.
 */
import type { Transferable } from "node:worker_threads"
import type { Answer, CallMessage, Thrown } from "./messages.ts"

export interface CallersLimits {
  /** Calls that wait or are out, in all. */
  readonly callsMax: number
  /** Of one batch. A call that is larger goes alone. */
  readonly batchCallsMax: number
  readonly batchBytesMax: number
  /** Batches that are out. */
  readonly batchesMax: number
  /** How much has to wait for another batch to follow one that is out. */
  readonly earlyCallsMin: number
  readonly earlyBytesMin: number
}

/** How a call ends. */
export type CallOutcome =
  | Answer
  /** Nothing was done: it was never sent. */
  | { readonly _tag: "NotSent"; readonly why: NotSent }
  /** The thread ended while it had the call. */
  | { readonly _tag: "Lost"; readonly detail: string }

export type NotSent =
  | { readonly _tag: "Busy"; readonly callsMax: number }
  | { readonly _tag: "Closed" }
  /** The thread cannot be started, or does not stay up. */
  | { readonly _tag: "Down"; readonly thrown: Thrown }

export interface PendingCall extends CallMessage {
  /** How much data goes with it, roughly. */
  readonly bytes: number
  /** Memory that goes to the thread with the call instead of being copied. */
  readonly transfer: ReadonlyArray<Transferable>
  readonly settle: (outcome: CallOutcome) => void
}

export interface Batch {
  readonly number: number
  readonly calls: ReadonlyArray<PendingCall>
}

export class Callers {
  readonly #limits: CallersLimits
  /** In the order in which they came; a set, because a caller may go away at any time. */
  readonly #waiting = new Set<PendingCall>()
  #waitingBytes = 0
  readonly #out = new Map<number, ReadonlyArray<PendingCall>>()
  #outCalls = 0
  #number = 0
  /** Why nothing is taken at present. */
  #refusing: NotSent | undefined

  constructor(limits: CallersLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#waiting.size + this.#outCalls
  }

  /** Takes a call, or settles it at once. */
  add(call: PendingCall): void {
    if (this.#refusing !== undefined) {
      call.settle({ _tag: "NotSent", why: this.#refusing })
    } else if (this.size >= this.#limits.callsMax) {
      call.settle({ _tag: "NotSent", why: { _tag: "Busy", callsMax: this.#limits.callsMax } })
    } else {
      this.#waiting.add(call)
      this.#waitingBytes += call.bytes
    }
  }

  /** Takes back a call if it was not sent. */
  withdraw(call: PendingCall): void {
    if (this.#waiting.delete(call)) this.#waitingBytes -= call.bytes
  }

  /** The calls that go now, if any do. */
  next(): Batch | undefined {
    const calls = this.#waiting.size
    if (calls === 0 || this.#out.size >= this.#limits.batchesMax) return undefined
    const large = calls >= this.#limits.earlyCallsMin || this.#waitingBytes >= this.#limits.earlyBytesMin
    if (this.#out.size > 0 && !large) return undefined
    const taken = this.#take(this.#out.size === 0 ? this.#share(calls) : this.#limits.batchCallsMax)
    this.#number += 1
    this.#out.set(this.#number, taken)
    this.#outCalls += taken.length
    return { number: this.#number, calls: taken }
  }

  /** Of many who wait while nothing is out, half go first, so that the thread has the others while these come again. */
  #share(calls: number): number {
    const { batchCallsMax, batchesMax, earlyCallsMin } = this.#limits
    const half = Math.ceil(calls / 2)
    return batchesMax > 1 && half >= earlyCallsMin ? Math.min(half, batchCallsMax) : batchCallsMax
  }

  #take(callsMax: number): ReadonlyArray<PendingCall> {
    const taken: Array<PendingCall> = []
    let bytes = 0
    for (const call of this.#waiting) {
      if (taken.length >= callsMax) break
      if (taken.length > 0 && bytes + call.bytes > this.#limits.batchBytesMax) break
      taken.push(call)
      bytes += call.bytes
    }
    for (const call of taken) this.#waiting.delete(call)
    this.#waitingBytes -= bytes
    return taken
  }

  #settleOut(number: number, outcome: (index: number) => CallOutcome): void {
    const calls = this.#out.get(number)
    if (calls === undefined) return
    this.#out.delete(number)
    this.#outCalls -= calls.length
    calls.forEach(({ settle }, index) => settle(outcome(index)))
  }

  answered(number: number, answers: ReadonlyArray<Answer>): void {
    this.#settleOut(
      number,
      (index) => answers[index] ?? { _tag: "Lost", detail: "the thread has not answered all calls of a batch" }
    )
  }

  /** A batch could not be sent. */
  unsent(number: number, thrown: Thrown): void {
    this.#settleOut(number, () => ({ _tag: "Threw", thrown }))
  }

  /** The thread has ended: what was out is lost, what waits goes to the next one. */
  lost(detail: string): void {
    for (const number of this.#out.keys()) this.#settleOut(number, () => ({ _tag: "Lost", detail }))
  }

  /** Settles what waits and what comes from now on, without an answer. */
  refuse(why: NotSent): void {
    this.#refusing = why
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    this.#waitingBytes = 0
    for (const { settle } of waiting) settle({ _tag: "NotSent", why })
  }

  /** Takes calls again. */
  accept(): void {
    this.#refusing = undefined
  }
}
