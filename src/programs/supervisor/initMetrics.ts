/**
 * The metrics phase: the HTTP server for `/metrics`, `/health` and `/ready`, and the periodic update of process
 * figures. A configured port that is taken stops the start; a default one gives way to a free one.
 */
import { Effect } from "effect"
import { NodeConfig } from "../../services/NodeConfig.ts"
import { type ObservabilityServerAddress, serveObservability } from "../httpApi/observability.ts"
import { metricsUpdate } from "../metricsUpdate.ts"
import type { Actors } from "./actors.ts"
import type { Registry } from "./registry.ts"

export const startMetrics = Effect.fnUntraced(function* (actors: Actors, registry: Registry) {
  const { origins, values } = yield* NodeConfig
  const { metricsBind, metricsPort } = values.observability
  // A restarted server comes back on the port that was announced, also when that was a free one.
  let address: ObservabilityServerAddress | undefined
  yield* actors.spawnRequired(
    "metrics_server",
    Effect.fnUntraced(function* (ready) {
      address = yield* serveObservability({
        host: metricsBind,
        port: address?.port ?? metricsPort,
        fallbackToFreePort: address === undefined && origins["observability.metrics_port"]._tag === "Default"
      })
      yield* registry.learn({ metricsUrl: `${address.url}/metrics` })
      yield* ready
      return yield* Effect.never
    })
  )
  yield* actors.spawn("metrics_update", metricsUpdate(values.supervisor.metricsUpdateInterval))
  return `${address?.url ?? ""}/metrics`
})
