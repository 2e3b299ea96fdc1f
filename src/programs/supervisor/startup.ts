/**
 * One phase of the start: what it is called, that it is counted, and what becomes of its failure. The order of the
 * phases is in programs/supervisor.ts.
 */
import { Cause, Effect, Schema } from "effect"
import { type StartupPhase, startupPhases } from "../../domain/metrics.ts"
import type { Operation } from "../../domain/operations.ts"
import { systemErrorText } from "../../domain/systemError.ts"
import { Metrics } from "../../services/Metrics.ts"
import type { Registry } from "./registry.ts"

/** A required phase failed and the node did not start. The caller tells the operator; it is counted already. */
export class StartupFailed extends Schema.TaggedError<StartupFailed>()("StartupFailed", {
  phase: Schema.Literals(startupPhases),
  cause: Schema.Defect()
}) {
  override get message() {
    return `the node did not start (phase ${this.phase}): ${systemErrorText(this.cause)}`
  }
}

/** Under which operation a phase's failure is counted. */
const operations: Readonly<Record<StartupPhase, Operation>> = {
  config: "config",
  metrics: "metrics_server_start",
  identity: "identity",
  network: "network",
  ledger: "ledger",
  rpc: "rpc_server",
  running: "startup"
}

/** Runs the body of a required phase; its failure is counted and ends the start. */
export const attempt = <A, E, R>(
  name: StartupPhase,
  body: Effect.Effect<A, E, R>
): Effect.Effect<A, StartupFailed, R> =>
  body.pipe(
    Effect.withSpan(`startup.${name}`),
    Effect.catchCause(
      Effect.fnUntraced(function* (cause) {
        if (Cause.hasInterruptsOnly(cause)) return yield* Effect.interrupt
        const metrics = yield* Metrics
        yield* metrics.errorInc(operations[name])
        return yield* new StartupFailed({ phase: name, cause: Cause.squash(cause) })
      })
    )
  )

/** Runs a required phase; `detail` turns its result into the readable half of the phase's line. */
export const phase = <A, E, R>(
  registry: Registry,
  name: StartupPhase,
  body: Effect.Effect<A, E, R>,
  detail: (result: A) => string
): Effect.Effect<A, StartupFailed, R> =>
  attempt(
    name,
    Effect.tap(body, (result) => registry.completed(name, detail(result)))
  )
