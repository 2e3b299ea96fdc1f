/**
 * Tells members of links where this node may be reached now: all of them when that has changed, and one again and again
 * while there is no way to it, for perhaps it has only moved.
 */
import { Effect, Exit } from "effect"
import type { Link } from "./Link.ts"
import type { LinkTable } from "./LinkTable.ts"

/** How often it is tried until it has got through. */
const tryMillis = 3000
/** And again after this, as the member may have lost what it was told; others want to be told as well. */
const againMillis = 9000
const lookMillis = 500
/** Members that are told at the same time. */
const atOnce = 8

export interface Telling {
  readonly all: Effect.Effect<void>
  /** Goes on until there is a way again; once per link, however often its way comes and goes meanwhile. */
  readonly lost: (link: Link) => Effect.Effect<void>
}

/** `update` sends one member the candidates of the moment, `refresh` finds out about them. */
export const make = (
  links: LinkTable,
  update: (link: Link) => Effect.Effect<unknown, unknown>,
  refresh: Effect.Effect<unknown>
): Telling => {
  const telling = new WeakSet<Link>()

  const tell = Effect.fnUntraced(function* (link: Link) {
    telling.add(link)
    while (link.isLost) {
      yield* refresh
      const told = yield* Effect.exit(update(link))
      const pause = Exit.isSuccess(told) ? againMillis : tryMillis
      for (let waited = 0; link.isLost && waited < pause; waited += lookMillis) yield* Effect.sleep(lookMillis)
    }
    telling.delete(link)
  })

  return {
    all: Effect.suspend(() =>
      Effect.forEach(
        links.all().filter(({ state }) => state !== "new"),
        (link) => Effect.ignore(update(link)),
        { concurrency: atOnce, discard: true }
      )
    ),
    lost: (link) =>
      Effect.suspend(() => (telling.has(link) ? Effect.void : Effect.asVoid(Effect.forkIn(tell(link), link.scope))))
  }
}
