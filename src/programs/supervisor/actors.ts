/**
 * Named, supervised fibers. Every long-lived fiber of the node is an actor: when it ends, by failure, defect or simply
 * by returning, that is logged, counted and followed by a restart with back-off; an actor that keeps crashing is
 * degraded and says so, but is never given up and never silently dead. Which delay follows is decided in
 * domain/restartPolicy.ts.
 */
import { Cause, Clock, Deferred, Effect, Exit, Scope } from "effect"
import {
  type Actor,
  supervisorActorFlapping,
  supervisorActorRestarts,
  supervisorActorsSpawned,
  supervisorActorSpawnFailures,
  systemActorsActive
} from "../../domain/metrics.ts"
import * as RestartPolicy from "../../domain/restartPolicy.ts"
import { Health, type PartHealth } from "../../services/Health.ts"
import { Metrics, report } from "../../services/Metrics.ts"

export type ActorState = "starting" | "running" | "waiting" | "degraded"

export interface ActorStatus {
  readonly name: Actor
  /** `waiting`: crashed and waiting for its restart; `degraded`: restarted more often than the policy allows. */
  readonly state: ActorState
  readonly restarts: number
  /** Milliseconds since the epoch of the latest change of state. */
  readonly sinceMillis: number
  /** What ended the actor last. */
  readonly lastError: string | undefined
}

/** An actor's work. It calls `ready` once it does what it is for, and is expected to go on for ever. */
export type Task<E, R> = (ready: Effect.Effect<void>) => Effect.Effect<void, E, R | Scope.Scope>

/** The work ended although it should go on for ever; a new error each time, since each is told once. */
const ended = () => Cause.die(new Error("the task returned, although it should go on until it is stopped"))

export interface Actors {
  /**
   * Starts an optional actor and returns at once. Its failures degrade the node, but never stop it.
   */
  readonly spawn: <E, R>(name: Actor, task: Task<E, R>) => Effect.Effect<void, never, Exclude<R, Scope.Scope>>
  /**
   * Starts a required actor and waits until it is ready for the first time. A failure before that is the caller's; from
   * then on it is restarted like any other.
   */
  readonly spawnRequired: <E, R>(name: Actor, task: Task<E, R>) => Effect.Effect<void, E, Exclude<R, Scope.Scope>>
  readonly status: Effect.Effect<ReadonlyArray<ActorStatus>>
}

const healthOf = ({ lastError, restarts, state }: ActorStatus): PartHealth => {
  if (state === "running") return { status: "ok", detail: "running" }
  const restarted = restarts === 0 ? "" : `, restarted ${restarts} times`
  return { status: "degraded", detail: `${state}${restarted}${lastError === undefined ? "" : `: ${lastError}`}` }
}

/** Actors that end with `scope`, the last one started first. */
export const make = Effect.fnUntraced(function* (policy: RestartPolicy.RestartPolicy, scope: Scope.Scope) {
  const metrics = yield* Metrics
  const health = yield* Health
  const statuses = new Map<Actor, ActorStatus>()
  const active = () => Array.from(statuses.values()).filter(({ state }) => state === "running").length
  yield* metrics.sample(systemActorsActive, {}, active).pipe(Scope.provide(scope))

  const change = Effect.fnUntraced(function* (name: Actor, next: Partial<ActorStatus>) {
    const sinceMillis = yield* Clock.currentTimeMillis
    const present = statuses.get(name) ?? { name, state: "starting", restarts: 0, sinceMillis, lastError: undefined }
    const status = { ...present, ...next, sinceMillis }
    statuses.set(name, status)
    yield* health.setPart(name, healthOf(status))
  })

  /** One life of an actor, from start to crash; says how long it was up. */
  const live = Effect.fnUntraced(function* <E, R>(name: Actor, task: Task<E, R>, onReady: Effect.Effect<unknown>) {
    let readyAt: number | undefined
    const ready = (life: Scope.Scope) =>
      Effect.gen(function* () {
        if (readyAt !== undefined) return
        readyAt = yield* Clock.currentTimeMillis
        if (statuses.get(name)?.state === "degraded") {
          // A flapping actor has recovered only once it has stayed up for a whole window.
          yield* Effect.sleep(policy.windowMillis).pipe(
            Effect.andThen(change(name, { state: "running" })),
            Effect.forkIn(life, { startImmediately: true })
          )
        } else yield* change(name, { state: "running" })
        yield* onReady
      })
    const exit = yield* Effect.exit(
      Effect.scoped(Effect.flatMap(Effect.scope, (life) => Effect.asVoid(task(ready(life)))))
    )
    const now = yield* Clock.currentTimeMillis
    return { exit, upMillis: readyAt === undefined ? 0 : now - readyAt, wasReady: readyAt !== undefined }
  })

  const supervise = Effect.fnUntraced(function* <E, R>(
    name: Actor,
    task: Task<E, R>,
    onReady: Effect.Effect<unknown>,
    onFirstFailure: ((exit: Exit.Exit<void, E>) => Effect.Effect<boolean>) | undefined
  ) {
    let history = RestartPolicy.none
    let giveUp = onFirstFailure
    yield* change(name, { state: "starting" })
    while (true) {
      const { exit, upMillis, wasReady } = yield* live(name, task, onReady)
      if (giveUp !== undefined && !wasReady && (yield* giveUp(exit))) return
      giveUp = undefined
      const cause = Exit.isFailure(exit) ? exit.cause : ended()
      const decision = RestartPolicy.afterCrash(policy, history, { now: yield* Clock.currentTimeMillis, upMillis })
      history = decision.history
      const wasDegraded = statuses.get(name)?.state === "degraded"
      const lastError = Cause.pretty(cause).split("\n", 1)[0]
      yield* change(name, {
        state: decision.flapping ? "degraded" : "waiting",
        restarts: (statuses.get(name)?.restarts ?? 0) + 1,
        lastError
      })
      yield* report("actor_crash", cause).pipe(
        Effect.annotateLogs({ actor: name, restartInMillis: decision.delayMillis })
      )
      if (decision.flapping && !wasDegraded) yield* metrics.inc(supervisorActorFlapping, { actor: name })
      yield* Effect.sleep(decision.delayMillis)
      yield* metrics.inc(supervisorActorRestarts, { actor: name })
      if (!decision.flapping) yield* change(name, { state: "starting" })
    }
  })

  const fork = <E, R>(name: Actor, effect: Effect.Effect<E, never, R>) =>
    Effect.forkIn(effect.pipe(Effect.annotateLogs({ actor: name })), scope, { startImmediately: true })

  const actors: Actors = {
    spawn: Effect.fnUntraced(function* (name, task) {
      yield* fork(name, supervise(name, task, Effect.void, undefined))
      yield* metrics.inc(supervisorActorsSpawned, { actor: name })
    }),
    spawnRequired: Effect.fnUntraced(function* <E, R>(name: Actor, task: Task<E, R>) {
      const first = yield* Deferred.make<void, E>()
      const giveUp = (exit: Exit.Exit<void, E>) =>
        Deferred.done(first, Exit.isFailure(exit) ? exit : Exit.failCause(ended()))
      yield* fork(name, supervise(name, task, Deferred.succeed(first, undefined), giveUp))
      yield* Deferred.await(first).pipe(
        Effect.tapCause(() => metrics.inc(supervisorActorSpawnFailures, { actor: name }))
      )
      yield* metrics.inc(supervisorActorsSpawned, { actor: name })
    }),
    status: Effect.sync(() => Array.from(statuses.values()))
  }
  return actors
})
