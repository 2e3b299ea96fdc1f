/**
 * Signatures are verified in threads of their own, in pieces, so that neither the main thread nor the one that writes
 * waits for them. Verifying changes nothing, so what a thread loses is done again, if need be on the spot.
 */
import { Cause, Effect, Scope, Semaphore } from "effect"
import { availableParallelism } from "node:os"
import { report } from "../../../services/Metrics.ts"
import type { LedgerEngine, SignatureVerdict } from "../Engine.ts"
import type { SealedBytes } from "../Journal.ts"
import { SignatureVerifier } from "../signatures.ts"
import * as Thread from "../thread/Thread.ts"
import { together } from "../thread/together.ts"

/** More would compete with the thread that writes for what it is to write. */
const threadsMax = 2
/** Entries of one piece: some 50 ms of a thread, and less than 1 ms of the main thread. */
const pieceEntries = 512
/**
 * Entries of one piece that is looked at by runs: a window of catching up. Each piece has an end of each author's run
 * in it, which is what takes the time, so smaller ones would be more work.
 */
const runsPieceEntries = 2048
/** Pieces at a thread or on their way; who brings more waits. */
const piecesMax = 4
/** Entries verified at once on the main thread, where no thread does it: about 2 ms. */
const spotEntries = 16
/** Lives of a thread that a piece may be lost with. */
const triesMax = 3

const options: Thread.ThreadOptions = {
  name: "signature",
  module: Thread.moduleBeside(import.meta.url, "../thread/signatureThread"),
  data: () => undefined,
  limits: Thread.oneAtATime(piecesMax * threadsMax),
  // Keys and one piece at a time.
  heapMiBMax: 128
}

const pieces = <A>(items: ReadonlyArray<A>, length: number): ReadonlyArray<ReadonlyArray<A>> =>
  Array.from({ length: Math.ceil(items.length / length) }, (_, index) =>
    items.slice(index * length, (index + 1) * length)
  )

const onTheSpot = Effect.fnUntraced(function* (entries: ReadonlyArray<SealedBytes>) {
  const verifier = new SignatureVerifier()
  const verdicts: Array<SignatureVerdict> = []
  for (const piece of pieces(entries, spotEntries)) {
    verdicts.push(...verifier.verify(piece, "each"))
    yield* Effect.yieldNow
  }
  return verdicts
})

const threadsWanted = (): number => Math.min(threadsMax, Math.max(1, availableParallelism() - 1))

/** The threads, which begin when there is something to verify. */
const startLater = Effect.gen(function* () {
  const scope = yield* Effect.scope
  const start = Effect.all(
    Array.from({ length: threadsWanted() }, () => Thread.make(options)),
    { concurrency: "unbounded" }
  ).pipe(
    Scope.provide(scope),
    Effect.tapError(({ message }) =>
      report("ledger_storage", Cause.fail(new Error(`signatures are verified without threads: ${message}`)))
    ),
    // Whoever is the first may go away; the threads are for all.
    Effect.uninterruptible
  )
  return yield* Effect.cached(start)
})

/** Verifies in threads that end with the scope. A run that is longer than a piece has a verified end in each. */
export const make: Effect.Effect<LedgerEngine["verifySignatures"], never, Scope.Scope> = Effect.gen(function* () {
  const started = yield* startLater
  const permits = yield* Semaphore.make(piecesMax * threadsWanted())
  let turn = 0
  const inThread = Effect.fnUntraced(function* (entries: ReadonlyArray<SealedBytes>, verify: "each" | "runs") {
    const threads = yield* started
    turn = (turn + 1) % threads.length
    const { entries: packed, memory } = together(entries)
    const verdicts = yield* (
      threads[turn]?.call("verify", [packed, verify], { transfer: [memory] }) ?? Effect.die(new Error("no thread"))
    )
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the thread answers with what the method returns
    return verdicts as ReadonlyArray<SignatureVerdict>
  })
  const verifyPiece = (entries: ReadonlyArray<SealedBytes>, verify: "each" | "runs") =>
    inThread(entries, verify).pipe(
      Effect.retry({ times: triesMax - 1, while: (failure) => "_tag" in failure && failure._tag === "Lost" }),
      Effect.catch(() => onTheSpot(entries)),
      (piece) => permits.withPermit(piece)
    )
  return (entries, verify) => {
    const length = verify === "runs" ? runsPieceEntries : pieceEntries
    return Effect.map(
      Effect.forEach(pieces(entries, length), (piece) => verifyPiece(piece, verify), { concurrency: "unbounded" }),
      (verdicts) => verdicts.flat()
    )
  }
})
