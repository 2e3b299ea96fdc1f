/**
 * Questions that go through the books as a whole (Auditor.ts, AuditorCheckpoint.ts), one at a time, each in a thread
 * that is there only for it: it may take minutes, and most of the time there is none.
 */
import { Effect, PubSub, type Scope, Semaphore, Stream } from "effect"
import type { LedgerError, LedgerProgress } from "../../../services/Ledger.ts"
import type { Call } from "../Engine.ts"
import type { AuditorCalls } from "../thread/auditorThread.ts"
import type { ReaderData } from "../thread/readerThread.ts"
import * as Thread from "../thread/Thread.ts"
import { readFailure, startFailure } from "./threadFailure.ts"
import { typed } from "./typedCalls.ts"

/** MiB: a report lists 10,000 rows at most, a checkpoint has some numbers for each account. */
const heapMiBMax = 512

export interface Audits {
  readonly ask: Call<AuditorCalls, LedgerError>
  readonly progress: Stream.Stream<LedgerProgress>
}

const isProgress = (value: unknown): value is LedgerProgress =>
  typeof value === "object" && value !== null && "done" in value && "total" in value

/** Audits of the books in a file. */
export const make: (books: ReaderData) => Effect.Effect<Audits, never, Scope.Scope> = Effect.fnUntraced(function* ({
  coop,
  path
}: ReaderData) {
  const runFork = Effect.runForkWith(yield* Effect.context())
  const progress = yield* Effect.acquireRelease(PubSub.sliding<LedgerProgress>(1), PubSub.shutdown)
  const turn = yield* Semaphore.make(1)
  const options: Thread.ThreadOptions = {
    name: "auditor",
    module: Thread.moduleBeside(import.meta.url, "../thread/auditorThread"),
    data: (): ReaderData => ({ coop, path }),
    limits: Thread.oneAtATime(1),
    heapMiBMax,
    abandon: true,
    onTold: (value) => {
      if (isProgress(value)) runFork(PubSub.publish(progress, value))
    }
  }
  const ask = Effect.fnUntraced(function* (name: string, args: ReadonlyArray<unknown>) {
    const thread = yield* Effect.mapError(Thread.make(options), (thrown) => startFailure(path, thrown))
    return yield* thread.call(name, args).pipe(Effect.catch((failure) => readFailure(path, failure)))
  }, Effect.scoped)
  return {
    ask: typed<AuditorCalls, LedgerError>((name, args) => turn.withPermit(ask(name, args))),
    progress: Stream.fromPubSub(progress)
  }
})
