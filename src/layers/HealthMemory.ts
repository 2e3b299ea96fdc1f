/**
 * The health of this process, in memory: there is nothing of it that would be worth more than the process.
 */
import { Effect, Layer, Ref } from "effect"
import { supervisorState, supervisorStates } from "../domain/metrics.ts"
import { Health, type HealthReport } from "../services/Health.ts"
import { Metrics } from "../services/Metrics.ts"

type Facts = Omit<HealthReport, "status">

/** A start takes its time and is no reason to kill the process, so a node that starts is judged by its parts. */
const statusOf = ({ parts, state }: Facts): HealthReport["status"] => {
  if (state === "stopped" || state === "stopping") return "down"
  return Object.values(parts).some(({ status }) => status === "degraded") ? "degraded" : "ok"
}

const make = Effect.gen(function* () {
  const metrics = yield* Metrics
  const facts = yield* Ref.make<Facts>({ state: "stopped", parts: {} })
  return Health.of({
    setState: (state) =>
      Ref.update(facts, (present) => ({ ...present, state })).pipe(
        Effect.andThen(metrics.set(supervisorState, {}, supervisorStates.indexOf(state)))
      ),
    setPart: (part, health) =>
      Ref.update(facts, ({ parts, state }) => ({ state, parts: { ...parts, [part]: health } })),
    report: Effect.map(Ref.get(facts), (present) => ({ status: statusOf(present), ...present }))
  })
})

export const layer: Layer.Layer<Health> = Layer.effect(Health, make)
