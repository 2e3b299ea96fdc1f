/**
 * What a node knows of its cooperatives, changed one step at a time: a change counts once it is written down. Where
 * that is, the two layers decide.
 */
import { Effect, Semaphore } from "effect"
import { type CoopState, emptyState, withState } from "../../domain/coopState.ts"
import type { EntryId } from "../../domain/ledgerEntry.ts"
import type { CooperativeError } from "../../services/Cooperative.ts"

/** Keeps the states; `save` replaces all of them in one step. */
export interface CoopStore {
  readonly load: Effect.Effect<ReadonlyArray<CoopState>, CooperativeError>
  readonly save: (states: ReadonlyArray<CoopState>) => Effect.Effect<void, CooperativeError>
}

export class Keeper {
  readonly #store: CoopStore
  readonly #turns = Semaphore.makeUnsafe(1)
  #states: ReadonlyArray<CoopState>

  constructor(store: CoopStore, states: ReadonlyArray<CoopState>) {
    this.#store = store
    this.#states = states
  }

  state(coop: EntryId): CoopState {
    return this.#states.find((state) => state.coop === coop) ?? emptyState(coop)
  }

  /**
   * Changes the state of a cooperative to what `step` makes of it, with an answer. Steps come one after another; one
   * that changes nothing writes nothing.
   */
  change<A, E, R>(
    coop: EntryId,
    step: (state: CoopState) => Effect.Effect<readonly [CoopState, A], E, R>
  ): Effect.Effect<A, E | CooperativeError, R> {
    return Effect.gen({ self: this }, function* () {
      const before = this.state(coop)
      const [after, answer] = yield* step(before)
      if (after !== before) yield* this.#save(withState(this.#states, after))
      return answer
    }).pipe(Semaphore.withPermit(this.#turns))
  }

  /** Drops what is known of a cooperative that is no longer there. */
  forget(coop: EntryId): Effect.Effect<void, CooperativeError> {
    return Effect.suspend(() => {
      const others = this.#states.filter((state) => state.coop !== coop)
      return others.length === this.#states.length ? Effect.void : this.#save(others)
    }).pipe(Semaphore.withPermit(this.#turns))
  }

  /** What is on disk and what is in memory never differ, so an interruption waits. */
  #save(states: ReadonlyArray<CoopState>): Effect.Effect<void, CooperativeError> {
    return this.#store.save(states).pipe(
      Effect.andThen(
        Effect.sync(() => {
          this.#states = states
        })
      ),
      Effect.uninterruptible
    )
  }
}
