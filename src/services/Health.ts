/**
 * How the node is, as `/health` and `/ready` tell it: the supervisor says in which state the node is, each part says by
 * its name whether it works or is degraded and why. Implemented by layers/HealthMemory.ts; served by
 * programs/httpApi/observability.ts.
 */
import { Context, type Effect } from "effect"
import type { Actor, SupervisorState } from "../domain/metrics.ts"

/** The health of one part; a degraded part is being retried and does not stop the others. */
export interface PartHealth {
  readonly status: "ok" | "degraded"
  /** For people: what works, or what does not and why. Never a secret. */
  readonly detail: string
}

/** The node as a whole, and its parts by name. */
export interface HealthReport {
  /** `degraded`: alive, but at least one part is not well; `down`: not started, stopping or stopped. */
  readonly status: "ok" | "degraded" | "down"
  readonly state: SupervisorState
  /** The parts that have reported so far, by name. */
  readonly parts: Readonly<Partial<Record<Actor, PartHealth>>>
}

/** Where the supervisor and the parts say how they are, and whoever watches asks. */
export class Health extends Context.Service<
  Health,
  {
    /** Says in which state the node is, here and in `icn_supervisor_state`. */
    setState(state: SupervisorState): Effect.Effect<void>
    /** Says how a part is, until it says otherwise. */
    setPart(part: Actor, health: PartHealth): Effect.Effect<void>
    /** How the node is now. */
    readonly report: Effect.Effect<HealthReport>
  }
>()("icn-node/services/Health") {}
