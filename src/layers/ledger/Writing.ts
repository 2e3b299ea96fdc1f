/** This member's own requests: when they may be written, and what is answered. */
import { Clock, Effect, Option, Random } from "effect"
import { idempotencyKeyOf, type LedgerIntent, type WriteOutcome } from "../../domain/ledgerIntent.ts"
import type { EntryId } from "../../domain/ledgerEntry.ts"
import * as Metric from "../../domain/metrics.ts"
import {
  ChainBehind,
  CooperativeChanged,
  LedgerBusy,
  LedgerError,
  type WriteOptions,
  type Written
} from "../../services/Ledger.ts"
import { Metrics } from "../../services/Metrics.ts"
import { type Served, type Serving, storageFailed } from "./Serving.ts"

/** Requests that wait for the store, or for the own chain to be checked; about 1 kB each. */
const waitingMax = 4096

/** A key for a request that came without one: 128 random bits as text. */
const randomKey = Effect.map(Random.Random, (random) => {
  let key = ""
  for (let part = 0; part < 4; part++) {
    key += Math.floor(random.nextDoubleUnsafe() * 2 ** 32)
      .toString(16)
      .padStart(8, "0")
  }
  return key
})

interface Request {
  readonly coop: EntryId | undefined
  readonly intent: LedgerIntent
  readonly memo: string
  readonly idempotencyKey: string
}

const writtenOf = (outcome: WriteOutcome, idempotencyKey: string): Written => ({ ...outcome, idempotencyKey })

/** Others may have more of this member's chain than is here; then the next entry would fork it. */
const checkOwnChain = Effect.fnUntraced(function* ({ engine, ownSeq }: Served, account: string) {
  const status = yield* engine.read("status", account)
  ownSeq.here = Math.max(ownSeq.here, status.ownSeq)
  if (ownSeq.seen <= ownSeq.here) return
  return yield* new LedgerError({ reason: new ChainBehind({ ownSeq: ownSeq.here, seenSeq: ownSeq.seen }) })
})

/**
 * Generators are made once (`fnUntraced`), not per request (`gen`): V8 keeps what a new one closes over until the next
 * full collection, so that all that a request has would be moved to the old objects.
 */
export class Writing {
  readonly #serving: Serving
  #waiting = 0

  constructor(serving: Serving) {
    this.#serving = serving
  }

  readonly append = Effect.fnUntraced({ self: this }, function* (intent: LedgerIntent, options: WriteOptions = {}) {
    const metrics = yield* Metrics
    const clock = yield* Clock.Clock
    const before = clock.currentTimeMillisUnsafe()
    const idempotencyKey = options.idempotencyKey ?? (yield* randomKey)
    const written = yield* Effect.tapError(this.#waitAndWrite(intent, options, idempotencyKey), (error) =>
      metrics.inc(Metric.ledgerAppends, { result: resultOf(error) })
    )
    const result = written._tag === "Committed" ? "committed" : written._tag === "Refused" ? "refused" : "unknown"
    yield* metrics.inc(Metric.ledgerAppends, { result })
    yield* metrics.observe(Metric.ledgerAppendSeconds, {}, (clock.currentTimeMillisUnsafe() - before) / 1000)
    return written
  })

  /** What became of a request. */
  readonly outcome = (idempotencyKey: string): Effect.Effect<Option.Option<Written>, LedgerError> =>
    Effect.suspend(() => {
      const served = this.#serving.present
      if (served === undefined) return Effect.succeedNone
      const { engine } = served
      return Effect.catchTag(engine.write("outcome", idempotencyKeyOf(idempotencyKey)), "CommitUnknown", (unknown) =>
        Effect.fail(storageFailed(engine.coop, unknown))
      ).pipe(
        Effect.map((outcome) =>
          Option.map(Option.fromUndefinedOr(outcome), (outcome) => writtenOf(outcome, idempotencyKey))
        )
      )
    })

  #waitAndWrite(
    intent: LedgerIntent,
    options: WriteOptions,
    idempotencyKey: string
  ): Effect.Effect<Written, LedgerError> {
    if (this.#waiting >= waitingMax) {
      return Effect.fail(new LedgerError({ reason: new LedgerBusy({ waitingMax }) }))
    }
    this.#waiting++
    const written = this.#write(intent, options, idempotencyKey)
    return Effect.ensuring(
      this.#serving.present === undefined ? Effect.andThen(this.#serving.ensure, written) : written,
      Effect.sync(() => this.#waiting--)
    )
  }

  readonly #write = Effect.fnUntraced(
    { self: this },
    function* (intent: LedgerIntent, { coop, memo = "" }: WriteOptions, idempotencyKey: string) {
      for (;;) {
        const { ownChainChecked } = yield* this.#serving.served
        if (!ownChainChecked.isOpen()) yield* ownChainChecked.await
        const outcome = yield* this.#serving.writing((served) =>
          // It is not the one that was waited for if another cooperative took its place.
          served.ownChainChecked.isOpen()
            ? this.#commit(served, { coop, intent, memo, idempotencyKey })
            : Effect.undefined
        )
        if (outcome !== undefined) return outcome
      }
    }
  )

  readonly #commit = Effect.fnUntraced(
    { self: this },
    function* (served: Served, { coop, idempotencyKey, intent, memo }: Request) {
      if (coop !== undefined && coop !== served.info.id) {
        return yield* new LedgerError({ reason: new CooperativeChanged({ expected: coop, actual: served.info.id }) })
      }
      if (served.ownSeq.seen > served.ownSeq.here) yield* checkOwnChain(served, this.#serving.account)
      const at = Math.round(yield* Clock.currentTimeMillis)
      const request = { intent, memo, idempotencyKey: idempotencyKeyOf(idempotencyKey), at }
      const written = yield* served.engine.write("write", request).pipe(
        Effect.map((outcome) => writtenOf(outcome, idempotencyKey)),
        Effect.catchTag("CommitUnknown", ({ detail }) =>
          Effect.succeed<Written>({ _tag: "Unknown", idempotencyKey, detail })
        )
      )
      if (written._tag === "Committed") served.wakes.wake()
      return written
    }
  )
}

const resultOf = ({ reason }: LedgerError): Metric.LedgerAppendResult => {
  if (reason._tag === "LedgerBusy") return "busy"
  return reason._tag === "ChainBehind" ? "behind" : "failed"
}
