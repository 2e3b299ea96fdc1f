/** The entries of a journal as a stream that goes on as long as the journal is open. */
import { Effect, Option, Queue, Stream } from "effect"
import type { LedgerEntry, LedgerError } from "../../services/Ledger.ts"
import type { LedgerEngine } from "./Engine.ts"
import { viewOf } from "./views.ts"
import type { Wakes } from "./Wakes.ts"

/** Entries of one page: all that a slow reader makes us keep. */
const pageMax = 256

/** Entries, and the version to go on from, if it goes on. */
type Page = readonly [ReadonlyArray<LedgerEntry>, Option.Option<number>]

/**
 * Entries after a version, in order and each once. Pages are read as they are taken, and who has all of them waits for
 * a word; the word is waited for from before the first page, so that nothing falls between.
 */
export const changesOf = (
  { engine, wakes }: { readonly engine: LedgerEngine; readonly wakes: Wakes },
  since: number
): Stream.Stream<LedgerEntry, LedgerError> =>
  Stream.unwrap(
    Effect.map(wakes.subscribe, (wake) =>
      Stream.paginate(since, (version: number) =>
        Effect.flatMap(engine.read("entriesAfter", version, pageMax), (page): Effect.Effect<Page> => {
          const last = page.at(-1)
          if (last !== undefined) return Effect.succeed([page.map(viewOf), Option.some(last.version)])
          return Effect.match(Queue.take(wake), {
            onSuccess: (): Page => [[], Option.some(version)],
            onFailure: (): Page => [[], Option.none()]
          })
        })
      )
    )
  )
