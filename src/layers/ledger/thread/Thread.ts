/**
 * A thread of the ledger, seen from the main thread: started, called, closed with the scope, and started again with
 * back-off when it ends by itself (domain/restartPolicy.ts). Calls that it had are lost then, and their callers told;
 * calls that waited go to the next one. What runs in it is served by serve.ts.
 */
import { Cause, Clock, Deferred, Effect, Exit, Result, Schema, type Scope } from "effect"
import { type Transferable, Worker } from "node:worker_threads"
import * as RestartPolicy from "../../../domain/restartPolicy.ts"
import { report } from "../../../services/Metrics.ts"
import { type CallOutcome, Callers, type CallersLimits, type PendingCall } from "./Callers.ts"
import { type FromThread, type Thrown, thrownOf, type ToThread } from "./messages.ts"

export interface ThreadOptions {
  /** For people: "writer". */
  readonly name: string
  /** The module that runs in it. */
  readonly module: URL
  /** Its `workerData`; `again` after it has ended by itself. */
  readonly data: (again: boolean) => unknown
  readonly limits: CallersLimits
  /** Heap of the thread in MiB; one that needs more ends. */
  readonly heapMiBMax: number
  /** What it says with the answers of each batch. */
  readonly onNote?: (note: unknown) => void
  /** What it says unasked. */
  readonly onTold?: (value: unknown) => void
  /** Closing does not wait for calls that it has. */
  readonly abandon?: boolean
  readonly restart?: RestartPolicy.RestartPolicy
}

/** How a call fails. */
export type CallFailure = Exclude<CallOutcome, { readonly _tag: "Returned" }>

export interface CallOptions {
  readonly bytes?: number
  readonly transfer?: ReadonlyArray<Transferable>
}

export interface Thread {
  readonly call: (
    name: string,
    args: ReadonlyArray<unknown>,
    options?: CallOptions
  ) => Effect.Effect<unknown, CallFailure>
  /** Calls that it has or that wait for it. */
  readonly waiting: () => number
  /** How often it ended by itself. */
  readonly restarts: () => number
}

/** A thread ended although nobody closed it. */
export class ThreadEnded extends Schema.TaggedError<ThreadEnded>()("ThreadEnded", {
  thread: Schema.String,
  detail: Schema.String,
  restartInMillis: Schema.Finite
}) {
  override get message() {
    return (
      `the ledger's ${this.thread} thread ended: ${this.detail}; ` +
      `it starts again in ${this.restartInMillis / 1000} s`
    )
  }
}

/** Starts again at once the first time, and then ever slower; from the sixth end within a minute on calls fail. */
const defaultRestart: RestartPolicy.RestartPolicy = {
  initialDelayMillis: 50,
  maxDelayMillis: 30_000,
  limit: 5,
  windowMillis: 60_000
}

/** Calls that go one by one and are answered one by one, up to so many at a time. */
export const oneAtATime = (callsMax: number): CallersLimits => ({
  callsMax,
  batchCallsMax: 1,
  batchBytesMax: Infinity,
  batchesMax: callsMax,
  earlyCallsMin: 0,
  earlyBytesMin: 0
})

/** For a thread to finish what it has and to close its files: a commit and a checkpoint of the log on a slow disk. */
const closeMillisMax = 10_000

/** A module beside the one that asks, as source (tests, `node src/main.ts`) or compiled. */
export const moduleBeside = (asking: string, name: string): URL =>
  new URL(`${name}${asking.endsWith(".ts") ? ".ts" : ".js"}`, asking)

/** One thread from its start to its end. */
interface Life {
  readonly worker: Worker
  readonly ended: Deferred.Deferred<Thrown>
}

/** The thread with what waits for it; `start` is one life of it. */
class Post {
  readonly callers: Callers
  readonly #options: ThreadOptions
  readonly #later: (body: () => void) => void
  #life: Life | undefined
  #flushing = false
  #answering = false
  #started = false

  constructor(options: ThreadOptions, later: (body: () => void) => void) {
    this.callers = new Callers(options.limits)
    this.#options = options
    this.#later = later
  }

  get life(): Life | undefined {
    return this.#life
  }

  readonly #flush = (): void => {
    this.#flushing = false
    while (this.#life !== undefined) {
      const batch = this.callers.next()
      if (batch === undefined) return
      const calls = batch.calls.map(({ args, name }) => ({ name, args }))
      const message: ToThread = { _tag: "Calls", batch: batch.number, calls }
      try {
        this.#life.worker.postMessage(
          message,
          batch.calls.flatMap(({ transfer }) => transfer)
        )
      } catch (error) {
        // Something that cannot be cloned: a mistake of the caller.
        this.callers.unsent(batch.number, thrownOf(error))
      }
    }
  }

  /** Sends what waits: where calls go together, when all who can run now have called. */
  flush(): void {
    if (this.#answering) return
    if (this.#options.limits.batchCallsMax === 1) this.#flush()
    else if (!this.#flushing) {
      this.#flushing = true
      this.#later(this.#flush)
    }
  }

  #take(message: FromThread): void {
    if (message._tag === "Answers") {
      this.#options.onNote?.(message.note)
      // Who is answered and asks again does so at once, and what they ask goes together.
      this.#answering = true
      try {
        this.callers.answered(message.batch, message.answers)
      } finally {
        this.#answering = false
      }
      this.#flush()
    } else if (message._tag === "Told") this.#options.onTold?.(message.value)
  }

  readonly start = Effect.callback<Life, Thrown>((resume) => {
    const { data, heapMiBMax, module, name } = this.#options
    const worker = new Worker(module, {
      name: `ledger ${name}`,
      workerData: data(this.#started),
      // The flags of this process are for its own code, such as a profiler's or a test runner's.
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: heapMiBMax }
    })
    const life: Life = { worker, ended: Deferred.makeUnsafe() }
    let thrown: Thrown | undefined
    worker.on("message", (message: FromThread) => {
      if (message._tag === "NotStarted") thrown = message.thrown
      else if (message._tag === "Ready") {
        this.#life = life
        this.#started = true
        resume(Effect.succeed(life))
        this.flush()
      } else this.#take(message)
    })
    worker.on("error", (error) => {
      thrown ??= thrownOf(error)
    })
    worker.on("exit", (code) => {
      const why = thrown ?? { name: "Error", message: `it ended with code ${code}`, stack: "", facts: {} }
      this.#life = undefined
      this.callers.lost(why.message)
      resume(Effect.fail(why))
      Deferred.doneUnsafe(life.ended, Exit.succeed(why))
    })
    return Effect.promise(() => worker.terminate())
  })

  readonly close = Effect.suspend(() => {
    this.callers.refuse({ _tag: "Closed" })
    const life = this.#life
    if (life === undefined) return Effect.void
    const terminate = Effect.promise(() => life.worker.terminate())
    if (this.#options.abandon === true) return terminate
    const message: ToThread = { _tag: "Close" }
    life.worker.postMessage(message, [])
    return Deferred.await(life.ended).pipe(
      Effect.timeoutOrElse({
        duration: closeMillisMax,
        orElse: () =>
          Effect.andThen(
            Effect.logWarning(`the ledger's ${this.#options.name} thread does not end; it is stopped`),
            terminate
          )
      })
    )
  })
}

/** Starts it again whenever it ends. */
const supervise = Effect.fnUntraced(function* (post: Post, options: ThreadOptions, first: Life, onEnd: () => void) {
  const policy = options.restart ?? defaultRestart
  let history = RestartPolicy.none
  let life: Life | undefined = first
  let problem: Thrown
  while (true) {
    const startedAt = yield* Clock.currentTimeMillis
    let upMillis = 0
    if (life === undefined) {
      const started: Result.Result<Life, Thrown> = yield* Effect.result(post.start)
      if (Result.isSuccess(started)) {
        life = started.success
        post.callers.accept()
        continue
      }
      problem = started.failure
      post.callers.refuse({ _tag: "Down", thrown: problem })
    } else {
      problem = yield* Deferred.await(life.ended)
      upMillis = (yield* Clock.currentTimeMillis) - startedAt
      life = undefined
    }
    onEnd()
    const decision = RestartPolicy.afterCrash(policy, history, { now: yield* Clock.currentTimeMillis, upMillis })
    history = decision.history
    if (decision.flapping) post.callers.refuse({ _tag: "Down", thrown: problem })
    const { delayMillis } = decision
    yield* report(
      "ledger_storage",
      Cause.fail(new ThreadEnded({ thread: options.name, detail: problem.message, restartInMillis: delayMillis }))
    )
    yield* Effect.sleep(delayMillis)
  }
})

/** Starts a thread; fails with what it threw when it cannot begin. */
export const make: (options: ThreadOptions) => Effect.Effect<Thread, Thrown, Scope.Scope> = Effect.fnUntraced(
  function* (options: ThreadOptions) {
    const runFork = Effect.runForkWith(yield* Effect.context())
    const post = new Post(options, (body) => {
      runFork(Effect.andThen(Effect.yieldNow, Effect.sync(body)))
    })
    let restarts = 0
    yield* Effect.addFinalizer(() => post.close)
    const first = yield* post.start
    yield* Effect.forkScoped(
      supervise(post, options, first, () => {
        restarts += 1
      })
    )
    return {
      call: (name, args, { bytes = 0, transfer = [] } = {}) =>
        Effect.callback<unknown, CallFailure>((resume) => {
          const call: PendingCall = {
            name,
            args,
            bytes,
            transfer,
            settle: (outcome) =>
              resume(outcome._tag === "Returned" ? Effect.succeed(outcome.value) : Effect.fail(outcome))
          }
          post.callers.add(call)
          post.flush()
          return Effect.sync(() => post.callers.withdraw(call))
        }),
      waiting: () => post.callers.size,
      restarts: () => restarts
    }
  }
)
