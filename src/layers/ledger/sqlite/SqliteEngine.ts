/**
 * `LedgerEngine` over a file, with everything that takes time in threads (thread/): one that writes and one that helps
 * it to sign, one for short questions, one for long answers, and one or two for the signatures of others. The main
 * thread only passes things on.
 */
import { Cause, Effect, PubSub, Redacted, Scope, Stream } from "effect"
import { availableParallelism } from "node:os"
import type { AccountId, EntryId } from "../../../domain/ledgerEntry.ts"
import type { Identity } from "../../../services/Identity.ts"
import type { LedgerError } from "../../../services/Ledger.ts"
import { report } from "../../../services/Metrics.ts"
import type { CommitUnknown, LedgerEngine, ReaderCalls } from "../Engine.ts"
import type { SealedBytes } from "../Journal.ts"
import type { CallersLimits } from "../thread/Callers.ts"
import type { ReaderData } from "../thread/readerThread.ts"
import { boardMemory } from "../thread/SigningBoard.ts"
import type { SignerData } from "../thread/signerThread.ts"
import * as Thread from "../thread/Thread.ts"
import { together } from "../thread/together.ts"
import type { WriterCalls, WriterData } from "../thread/writerThread.ts"
import { type AuditedBooks, compareBooks, recomputeBooks } from "./AuditorRecompute.ts"
import * as Audits from "./Audits.ts"
import * as Checkpoints from "./Checkpoints.ts"
import * as SignatureThreads from "./SignatureThreads.ts"
import { readFailure, startFailure, storageFailed, writeFailure } from "./threadFailure.ts"
import { typed } from "./typedCalls.ts"

/** Calls that wait for a thread; at 2,000 entries a second that is five seconds. */
const callsMax = 10_000

const writerLimits: CallersLimits = {
  callsMax,
  // A commit of so many takes some 30 ms, which is how long somebody waits who has just missed one.
  batchCallsMax: 256,
  batchBytesMax: 1024 * 1024,
  batchesMax: 2,
  earlyCallsMin: 16,
  earlyBytesMin: 64 * 1024
}

/** MiB. The threads keep next to nothing; one call handles some MiB at most. */
const heapMiBMax = 512

/** Payments at the same time from which on a second thread signs as well. */
const signerWritersMin = 8
const signerHeapMiBMax = 64

/** Questions whose answers grow with the ledger; they must not hold up the others. */
const longQuestions: ReadonlySet<keyof ReaderCalls> = new Set([
  "entriesAfter",
  "tally",
  "balances",
  "chains",
  "missing",
  "wanted",
  "openingMarks",
  "refined",
  "answered",
  "lacks",
  "branches",
  "provenHead",
  "sealed",
  "vouched",
  "quarantine",
  "members",
  "forks",
  "status"
])

/** Bytes of a request to write, roughly. */
const requestBytes = 512

const isSealed = (value: unknown): value is SealedBytes =>
  typeof value === "object" && value !== null && "body" in value && "signature" in value

const sealedIn = (args: ReadonlyArray<unknown>): ReadonlyArray<SealedBytes> | undefined => {
  const [first] = args
  return Array.isArray(first) && first.every(isSealed) ? first : undefined
}

/** A call with entries takes their bytes along in one piece of memory. */
const send = (thread: Thread.Thread, name: string, args: ReadonlyArray<unknown>) => {
  const sealed = name === "receive" ? sealedIn(args) : undefined
  if (sealed === undefined) return thread.call(name, args, { bytes: requestBytes })
  const { entries, memory } = together(sealed)
  return thread.call(name, [entries, ...args.slice(1)], { bytes: memory.byteLength, transfer: [memory] })
}

export interface SqliteEngineOptions {
  /** Of `ledger.sqlite`, in a directory that is there. */
  readonly path: string
  readonly coop: EntryId
  readonly account: AccountId
  readonly identity: Identity["Service"]
  /** Calls that wait for the thread that writes, in place of 10,000. */
  readonly callsMax?: number
  /** When checkpoints are due, in place of every 10,000 entries and 10 minutes. */
  readonly checkpoints?: Checkpoints.CheckpointTimes
}

const makeWriter = (options: SqliteEngineOptions, board: SharedArrayBuffer, onVersion: (version: number) => void) => {
  const { account, coop, identity, path } = options
  let version = 0
  return Thread.make({
    name: "writer",
    module: Thread.moduleBeside(import.meta.url, "../thread/writerThread"),
    data: (again): WriterData => ({
      path,
      coop,
      account,
      seed: Redacted.value(identity.handshakeSeed),
      // What a helper may still do for the thread before must not get into another entry.
      board: again ? boardMemory() : board,
      again
    }),
    limits: { ...writerLimits, callsMax: options.callsMax ?? callsMax },
    heapMiBMax,
    onNote: (note) => {
      if (typeof note !== "number" || note <= version) return
      version = note
      onVersion(note)
    }
  }).pipe(Effect.mapError((thrown) => startFailure(path, thrown)))
}

/**
 * A helper of the writer, which begins when so many pay at the same time that signing is worth a second processor.
 * Without it the writer signs alone.
 */
const makeSigner = Effect.fnUntraced(function* ({ identity }: SqliteEngineOptions, board: SharedArrayBuffer) {
  const scope = yield* Effect.scope
  const runFork = Effect.runForkWith(yield* Effect.context())
  const data = (): SignerData => ({ board, seed: Redacted.value(identity.handshakeSeed) })
  const module = Thread.moduleBeside(import.meta.url, "../thread/signerThread")
  const limits = Thread.oneAtATime(0)
  const start = Thread.make({ name: "signer", module, data, limits, heapMiBMax: signerHeapMiBMax, abandon: true })
  let isWanted = availableParallelism() > 1
  return (writers: number) => {
    if (!isWanted || writers < signerWritersMin) return
    isWanted = false
    runFork(
      start.pipe(
        Scope.provide(scope),
        Effect.catch(({ message }) =>
          report("ledger_storage", Cause.fail(new Error(`the thread that writes signs alone: ${message}`)))
        ),
        // A thread that is still starting ends with the books too.
        Effect.forkIn(scope)
      )
    )
  }
})

const makeReader = (name: string, { coop, path }: SqliteEngineOptions) => {
  const data: ReaderData = { path, coop }
  return Thread.make({
    name,
    module: Thread.moduleBeside(import.meta.url, "../thread/readerThread"),
    data: () => data,
    // Each question is answered as soon as it can be.
    limits: Thread.oneAtATime(callsMax),
    heapMiBMax
  }).pipe(Effect.mapError((thrown) => startFailure(path, thrown)))
}

/** A question that a thread has lost is asked again of the next one. */
const readTriesMax = 3

export const make: (options: SqliteEngineOptions) => Effect.Effect<LedgerEngine, LedgerError, Scope.Scope> =
  Effect.fnUntraced(function* (options: SqliteEngineOptions) {
    const { coop, path } = options
    const runFork = Effect.runForkWith(yield* Effect.context())
    const versions = yield* Effect.acquireRelease(PubSub.sliding<number>(1), PubSub.shutdown)
    // The writer first: it makes the file, and as the last to close it, it leaves no log behind.
    const board = boardMemory()
    const writer = yield* makeWriter(options, board, (version) => {
      runFork(PubSub.publish(versions, version))
    })
    const signFor = yield* makeSigner(options, board)
    const [reader, courier] = yield* Effect.all([makeReader("reader", options), makeReader("courier", options)], {
      concurrency: "unbounded"
    })
    const verifySignatures = yield* SignatureThreads.make
    const write = typed<WriterCalls, LedgerError | CommitUnknown>((name, args) => {
      if (name === "write") signFor(writer.waiting())
      return send(writer, name, args).pipe(Effect.catch((failure) => writeFailure(path, failure)))
    })
    const read = typed<ReaderCalls, LedgerError>((name, args) =>
      (longQuestions.has(name) ? courier : reader).call(name, args).pipe(
        Effect.retry({ times: readTriesMax - 1, while: ({ _tag }) => _tag === "Lost" }),
        Effect.catch((failure) => readFailure(path, failure))
      )
    )
    const audits = yield* Audits.make({ coop, path })
    /** For writes that the next one of their kind makes good. */
    const certain = <A>(written: Effect.Effect<A, LedgerError | CommitUnknown>): Effect.Effect<A, LedgerError> =>
      Effect.catchTag(written, "CommitUnknown", ({ detail }) => Effect.fail(storageFailed(path, "other", detail)))
    const books: AuditedBooks = {
      audit: audits.ask("audit"),
      repair: (repair, onlyAt) => certain(write("repair", repair, onlyAt))
    }
    yield* Effect.forkScoped(
      Checkpoints.run({
        identity: options.identity,
        ask: audits.ask,
        write: (draft, signature) => certain(write("checkpoint", draft, signature)),
        recompute: recomputeBooks(books, "retry"),
        version: read("version"),
        times: options.checkpoints
      })
    )
    return {
      coop,
      write,
      read,
      verifySignatures,
      compareBooks: compareBooks(audits.ask("verify")),
      recomputeBooks: (mode) => recomputeBooks(books, mode),
      progress: audits.progress,
      versions: Stream.fromPubSub(versions)
    } satisfies LedgerEngine
  })
