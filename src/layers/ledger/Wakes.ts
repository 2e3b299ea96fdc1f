/** Tells everybody who follows a journal that there is more of it: one word, however much came meanwhile. */
import { type Cause, Effect, Queue, type Scope } from "effect"

type Wake = Queue.Queue<void, Cause.Done>

export class Wakes {
  readonly #wakes = new Set<Wake>()
  #closed = false

  /** A queue of at most one word, from now on; it ends when there will be no more. */
  readonly subscribe: Effect.Effect<Wake, never, Scope.Scope> = Effect.acquireRelease(
    Effect.tap(Queue.sliding<void, Cause.Done>(1), (wake) =>
      Effect.sync(() => {
        if (this.#closed) Queue.endUnsafe(wake)
        else this.#wakes.add(wake)
      })
    ),
    (wake) => Effect.sync(() => this.#wakes.delete(wake))
  )

  wake(): void {
    for (const wake of this.#wakes) Queue.offerUnsafe(wake, undefined)
  }

  close(): void {
    this.#closed = true
    for (const wake of this.#wakes) Queue.endUnsafe(wake)
    this.#wakes.clear()
  }
}
