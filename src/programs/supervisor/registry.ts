/**
 * What runs: the node's state, the phases it has been through, where it can be reached, and its relay. One place that
 * the status command, the health page and the log read; nothing here starts or stops anything.
 */
import { Clock, Deferred, Effect } from "effect"
import { type StartupPhase, supervisorStartupPhases, type SupervisorState } from "../../domain/metrics.ts"
import { Health } from "../../services/Health.ts"
import { Metrics } from "../../services/Metrics.ts"
import type { TurnAllocationState } from "../../services/TurnClient.ts"

/** What happens to a node as a whole, for whoever follows it: the log, `run --json`, an embedder. */
export type NodeEvent =
  | { readonly _tag: "PhaseCompleted"; readonly phase: StartupPhase; readonly detail: string }
  | {
      readonly _tag: "Running"
      readonly did: string
      /** Where it listens, as `icn://DID@host:port`. */
      readonly listen: ReadonlyArray<string>
      readonly metricsUrl: string
      readonly rpcSocket: string
    }
  | { readonly _tag: "RelayChanged"; readonly relay: TurnAllocationState | undefined }
  | { readonly _tag: "Stopping" }
  | { readonly _tag: "Stopped"; readonly forced: boolean }

export interface Facts {
  readonly state: SupervisorState
  readonly startedAtMillis: number
  readonly phases: ReadonlyArray<{ readonly name: StartupPhase; readonly completedAtMillis: number }>
  readonly did: string | undefined
  readonly listen: ReadonlyArray<string>
  readonly metricsUrl: string | undefined
  readonly rpcSocket: string | undefined
  readonly relay: TurnAllocationState | undefined
}

export interface Registry {
  readonly facts: () => Facts
  readonly setState: (state: SupervisorState) => Effect.Effect<void>
  /** Counts a completed phase and tells followers. `detail` is the readable half of its line. */
  readonly completed: (phase: StartupPhase, detail: string) => Effect.Effect<void>
  readonly learn: (facts: Partial<Pick<Facts, "did" | "listen" | "metricsUrl" | "rpcSocket">>) => Effect.Effect<void>
  readonly setRelay: (relay: TurnAllocationState | undefined) => Effect.Effect<void>
  readonly publish: (event: NodeEvent) => Effect.Effect<void>
  /** Asks the node to stop; `stopRequested` then completes. */
  readonly requestStop: Effect.Effect<void>
  readonly stopRequested: Effect.Effect<void>
}

export const make = Effect.fnUntraced(function* (publish: (event: NodeEvent) => Effect.Effect<void>) {
  const metrics = yield* Metrics
  const health = yield* Health
  const stop = yield* Deferred.make<void>()
  let facts: Facts = {
    state: "stopped",
    startedAtMillis: yield* Clock.currentTimeMillis,
    phases: [],
    did: undefined,
    listen: [],
    metricsUrl: undefined,
    rpcSocket: undefined,
    relay: undefined
  }
  const update = (next: Partial<Facts>) => Effect.sync(() => void (facts = { ...facts, ...next }))
  const registry: Registry = {
    facts: () => facts,
    setState: Effect.fnUntraced(function* (state) {
      yield* update({ state })
      yield* health.setState(state)
    }),
    completed: Effect.fnUntraced(function* (name, detail) {
      const completedAtMillis = yield* Clock.currentTimeMillis
      yield* update({ phases: [...facts.phases, { name, completedAtMillis }] })
      yield* metrics.inc(supervisorStartupPhases, { phase: name })
      yield* publish({ _tag: "PhaseCompleted", phase: name, detail })
    }),
    learn: update,
    setRelay: (relay) => Effect.andThen(update({ relay }), publish({ _tag: "RelayChanged", relay })),
    publish,
    requestStop: Effect.asVoid(Deferred.succeed(stop, undefined)),
    stopRequested: Deferred.await(stop)
  }
  return registry
})
