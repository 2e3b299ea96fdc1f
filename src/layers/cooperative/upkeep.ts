/**
 * What keeps a node's view of the cooperative true while it runs: asking for newer rosters, and telling of them.
 */
import { Cause, Effect, type Latch, Option, type Scope, Stream } from "effect"
import type { Did } from "../../domain/did.ts"
import type { CooperativeInfo } from "../../services/Ledger.ts"
import { report } from "../../services/Metrics.ts"
import { admittedPeers, type CoopContext } from "./Context.ts"
import type { Rosters } from "./Rosters.ts"

/** Everybody asks when a session begins; this catches what was missed then, such as a member not known yet. */
const refreshMillis = 300_000
/** Between two rounds of questions, whatever wants them. */
const refreshMillisMin = 10_000
/** A cooperative that the ledger founded by itself is noticed after this time. */
const lookMillis = 10_000
/** Members asked in one round, and how many at a time. */
const askedMax = 16
const askedAtOnce = 4
/** After a failure that nobody expects. */
const restartMillis = 1000

/** Runs for ever in the scope; what ends it is told, and it starts again. */
const kept = <E, R>(effect: Effect.Effect<unknown, E, R>): Effect.Effect<void, never, R | Scope.Scope> =>
  effect.pipe(
    Effect.catchCause((cause) =>
      Cause.hasInterruptsOnly(cause)
        ? Effect.interrupt
        : Effect.andThen(report("cooperative", cause), Effect.sleep(restartMillis))
    ),
    Effect.forever,
    Effect.forkScoped({ startImmediately: true }),
    Effect.asVoid
  )

const withCurrent = <E, R>({ current }: CoopContext, use: (info: CooperativeInfo) => Effect.Effect<void, E, R>) =>
  Effect.flatMap(current, (info) => (Option.isSome(info) ? use(info.value) : Effect.void))

/** Starts it; opening `wanted` asks for a newer roster soon. */
export const startUpkeep = Effect.fnUntraced(function* (
  context: CoopContext,
  rosters: Rosters,
  wanted: Latch.Latch
): Effect.fn.Return<void, never, Scope.Scope> {
  // A member that does not answer asks by itself, and others are asked.
  const pull = (did: Did) => Effect.ignore(withCurrent(context, (info) => rosters.pull(info, did)))
  let asked = 0
  const refresh = withCurrent(context, (info) =>
    Effect.flatMap(admittedPeers(context, info), (peers) => {
      // Where there are more, others come next time: some may never answer.
      const from = peers.length > askedMax ? asked % peers.length : 0
      asked = from + askedMax
      const round = [...peers.slice(from), ...peers.slice(0, from)].slice(0, askedMax)
      return Effect.forEach(round, pull, { concurrency: askedAtOnce, discard: true })
    })
  )
  yield* kept(
    context.sessions.events.pipe(
      Stream.filter((event) => event._tag === "Opened"),
      Stream.mapEffect(({ session }) => pull(session.did), { concurrency: askedAtOnce, unordered: true }),
      Stream.runDrain
    )
  )
  yield* kept(
    wanted.await.pipe(
      Effect.timeoutOption(refreshMillis),
      Effect.tap(() => Effect.sync(() => wanted.closeUnsafe())),
      Effect.andThen(refresh),
      Effect.andThen(rosters.retell),
      Effect.andThen(Effect.sleep(refreshMillisMin))
    )
  )
  yield* kept(
    Effect.andThen(
      rosters.untold,
      withCurrent(context, (info) => rosters.tell(info))
    )
  )
  yield* kept(Effect.andThen(context.current, Effect.sleep(lookMillis)))
})
