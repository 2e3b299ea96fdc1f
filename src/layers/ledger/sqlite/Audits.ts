/**
 * Audits of the books (Auditor.ts), one at a time, each in a thread that is there only for it: it may take minutes, and
 * most of the time there is none.
 */
import { Effect, PubSub, type Scope, Semaphore, Stream } from "effect"
import type { LedgerError, LedgerProgress } from "../../../services/Ledger.ts"
import type { ReaderData } from "../thread/readerThread.ts"
import * as Thread from "../thread/Thread.ts"
import type { Audit } from "./Auditor.ts"
import { readFailure, startFailure } from "./threadFailure.ts"

/** MiB: a report lists 10,000 rows at most. */
const heapMiBMax = 512

export interface Audits {
  readonly audit: Effect.Effect<Audit, LedgerError>
  readonly progress: Stream.Stream<LedgerProgress>
}

const isProgress = (value: unknown): value is LedgerProgress =>
  typeof value === "object" && value !== null && "done" in value && "total" in value

/** Audits of the books in a file. */
export const make: (books: ReaderData) => Effect.Effect<Audits, never, Scope.Scope> = Effect.fnUntraced(function* ({
  coop,
  path
}) {
  const runFork = Effect.runForkWith(yield* Effect.context())
  const progress = yield* Effect.acquireRelease(PubSub.sliding<LedgerProgress>(1), PubSub.shutdown)
  const turn = yield* Semaphore.make(1)
  const options: Thread.ThreadOptions = {
    name: "auditor",
    module: Thread.moduleBeside(import.meta.url, "../thread/auditorThread"),
    data: () => ({ coop, path }),
    limits: {
      callsMax: 1,
      batchCallsMax: 1,
      batchBytesMax: Infinity,
      batchesMax: 1,
      earlyCallsMin: 0,
      earlyBytesMin: 0
    },
    heapMiBMax,
    abandon: true,
    onTold: (value) => {
      if (isProgress(value)) runFork(PubSub.publish(progress, value))
    }
  }
  const audit = Effect.gen(function* () {
    const thread = yield* Effect.mapError(Thread.make(options), (thrown) => startFailure(path, thrown))
    const found = yield* thread.call("audit", []).pipe(Effect.catch((failure) => readFailure(path, failure)))
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the thread answers with what the method returns
    return found as Audit
  })
  return { audit: turn.withPermit(Effect.scoped(audit)), progress: Stream.fromPubSub(progress) }
})
