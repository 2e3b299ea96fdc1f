/**
 * Comparing and recomputing the books for somebody who waits: how far it is, then what was found. Both read the whole
 * journal, so with many entries they take their time.
 */
import { Effect, Fiber, Queue, Stream } from "effect"
import type { BooksReport, Ledger, LedgerError, LedgerProgress } from "../../services/Ledger.ts"
import type { LedgerAuditEvent } from "../rpc/ledgerApi.ts"
import { type LedgerReads, reportOf } from "./reads.ts"

/** Progress that is kept for a reader that falls behind; the result always waits for it. */
const eventsMax = 8

/** A piece of work that ends in a report, with the progress told meanwhile. */
const audited = <E>(
  reads: Pick<LedgerReads, "ensureCooperative">,
  progress: Stream.Stream<LedgerProgress>,
  work: Effect.Effect<BooksReport & { readonly retries?: number }, E>
): Stream.Stream<LedgerAuditEvent, E | LedgerError> =>
  Stream.callback<LedgerAuditEvent, E | LedgerError>(
    Effect.fnUntraced(function* (queue) {
      const { currencies } = yield* reads.ensureCooperative
      const telling = yield* progress.pipe(
        Stream.runForEach(({ done, total }) =>
          Effect.sync(() => {
            if (Queue.sizeUnsafe(queue) < eventsMax / 2) Queue.offerUnsafe(queue, { _tag: "Progress", done, total })
          })
        ),
        Effect.forkScoped({ startImmediately: true })
      )
      const report = yield* work
      yield* Fiber.interrupt(telling)
      yield* Queue.offer(queue, { _tag: "Done", report: reportOf(report, currencies), retries: report.retries ?? 0 })
      yield* Queue.end(queue)
    }),
    { bufferSize: eventsMax, strategy: "suspend" }
  )

export const verify = (reads: LedgerReads) => audited(reads, reads.progress, reads.verify)

export const recompute = (ledger: Ledger["Service"], once: boolean) =>
  audited(ledger, ledger.progress, once ? ledger.recomputeBalances : ledger.recomputeBalancesWithRetry)
