/**
 * Writes something down when it changes, and what changes soon after that together, so that many changes cost few
 * writes; and once more at the end. What is equal to the last writing is not written again.
 */
import { Effect, type Latch, type Scope } from "effect"
import { report } from "../../services/Metrics.ts"

/**
 * From one writing to the next: what a crash may cost, against how often a disk is made to work. The first change does
 * not wait: a node that others bootstrap from, killed and started again, needs one member in its file to find them all.
 */
export const saveIntervalMillis = 1000
/** After a failed attempt, which will mostly fail again: a disk that is full. */
export const saveRetryMillis = 60_000

/**
 * Runs until the scope closes. `touched` is opened by whoever changes something; `text` is what would be written now,
 * `written` what is on disk at the start. Failures of `write` are reported, and it is tried again.
 */
export const run = Effect.fnUntraced(function* <E>(
  touched: Latch.Latch,
  text: Effect.Effect<string>,
  written: string,
  write: (text: string) => Effect.Effect<void, E>
): Effect.fn.Return<void, never, Scope.Scope> {
  let latest = written
  const save = Effect.gen(function* () {
    touched.closeUnsafe()
    const present = yield* text
    if (present === latest) return
    yield* write(present)
    latest = present
    // Half a file would be no file, so whoever stops this waits.
  }).pipe(Effect.uninterruptible)
  const round = Effect.gen(function* () {
    yield* touched.await
    yield* save.pipe(
      Effect.catchCause((cause) => {
        touched.openUnsafe()
        return report("peer_book", cause).pipe(Effect.andThen(Effect.sleep(saveRetryMillis)))
      })
    )
    yield* Effect.sleep(saveIntervalMillis)
  })
  // Before the fiber, so that it is over when the last save begins.
  yield* Effect.addFinalizer(() => save.pipe(Effect.catchCause((cause) => report("peer_book", cause))))
  yield* Effect.forkScoped(Effect.forever(round))
})
