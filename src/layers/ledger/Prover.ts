/**
 * Verifies, in the background, the signatures of entries that were taken in because a later one of their chain vouches
 * for them. What has a bad signature stays vouched for until somebody brings a good one, which is asked for again and
 * again (Reconciler.ts) and then looked at when it comes (receiving.ts).
 */
import { Clock, Effect, Queue } from "effect"
import type { EntryId } from "../../domain/ledgerEntry.ts"
import * as Metric from "../../domain/metrics.ts"
import { Metrics, reportAndIgnore } from "../../services/Metrics.ts"
import type { CommitUnknown, LedgerEngine } from "./Engine.ts"
import type { LedgerError } from "../../services/Ledger.ts"

/** Signatures verified in one go: some 90 ms of a thread. */
const batchMax = 512
/** While runs come they go first, since each has a signature to be verified before it is in the books. */
const quietMillis = 100
/** Whoever sends without end cannot keep the rest from being verified: one batch after each such time. */
const patienceMillis = 1000

export class Prover {
  readonly #engine: LedgerEngine
  readonly #queue: Queue.Queue<void>
  /** The first entry that is left with a bad signature. */
  #stuckAt: EntryId | undefined
  /** When runs came last, in milliseconds since the epoch. */
  #cameAt = -Infinity

  private constructor(engine: LedgerEngine, queue: Queue.Queue<void>) {
    this.#engine = engine
    this.#queue = queue
  }

  static readonly make = (engine: LedgerEngine): Effect.Effect<Prover> =>
    Effect.map(Queue.sliding<void>(1), (queue) => new Prover(engine, queue))

  /** Entries are there that nobody's own signature has proved, so what comes again is worth a look. */
  get isStuck(): boolean {
    return this.#stuckAt !== undefined
  }

  /** Something was known that came again, perhaps with the good signature of an entry that has a bad one. */
  readonly known: Effect.Effect<void, LedgerError> = Effect.suspend(() =>
    this.#stuckAt === undefined
      ? Effect.void
      : Effect.map(this.#engine.read("vouched", 1), ([first]) => {
          if (first?.id !== this.#stuckAt) this.wake()
        })
  )

  /** Runs come in. */
  readonly coming: Effect.Effect<void> = Effect.map(Clock.currentTimeMillis, (now) => {
    this.#cameAt = now
  })

  #untilQuiet(): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const before = yield* Clock.currentTimeMillis
      for (let now = before; ; now = yield* Clock.currentTimeMillis) {
        const sinceMillis = now - this.#cameAt
        // Less than none has passed where somebody has set the clock back.
        if (sinceMillis < 0 || sinceMillis >= quietMillis || now < before || now - before >= patienceMillis) return
        yield* Effect.sleep(quietMillis - sinceMillis)
      }
    })
  }

  /** There may be something to do. */
  wake(): void {
    Queue.offerUnsafe(this.#queue, undefined)
  }

  readonly run: Effect.Effect<void> = Effect.gen({ self: this }, function* () {
    for (;;) {
      yield* reportAndIgnore("ledger")(this.#proveAll)
      yield* Queue.take(this.#queue)
    }
  })

  readonly #proveAll: Effect.Effect<void, LedgerError | CommitUnknown> = Effect.gen({ self: this }, function* () {
    const metrics = yield* Metrics
    let stuckAt: EntryId | undefined
    for (let after = 0; ;) {
      yield* this.#untilQuiet()
      const entries = yield* this.#engine.read("vouched", batchMax, after)
      if (entries.length === 0) break
      after = entries.at(-1)?.version ?? Infinity
      const sealed = entries.map((one) => one.sealed)
      const verdicts = yield* this.#engine.verifySignatures(sealed, "each")
      const proven = entries.filter((_, index) => verdicts[index] === "signed")
      yield* metrics.inc(Metric.ledgerSignaturesVerified, { result: "good" }, proven.length)
      yield* metrics.inc(Metric.ledgerSignaturesVerified, { result: "bad" }, entries.length - proven.length)
      stuckAt ??= entries.find((_, index) => verdicts[index] !== "signed")?.id
      this.#stuckAt ??= stuckAt
      if (proven.length === 0) continue
      const proofs = proven.map(({ id, sealed: { signature } }) => ({ id, signature }))
      yield* this.#engine.write("prove", proofs)
    }
    this.#stuckAt = stuckAt
  })
}
