/**
 * What the node tells about its own process: memory, CPU time, uptime, handles, version. Read whenever metrics are
 * collected, so the figures are of the moment of the scrape; the event loop's lag, which needs an interval, is in
 * programs/metricsUpdate.ts.
 */
import { Clock, Effect, Layer } from "effect"
import {
  buildInfo,
  processActiveResources,
  processCpu,
  processHeapTotal,
  processHeapUsed,
  processResidentMemory,
  processStartTime,
  systemUptime
} from "../domain/metrics.ts"
import { version } from "../domain/version.ts"
import { Metrics } from "../services/Metrics.ts"

const microsPerSecond = 1e6
const millisPerSecond = 1e3

/** The figures of this process, for as long as the layer lives. Built once per process: two would add up. */
export const layer: Layer.Layer<never> = Layer.effectDiscard(
  Effect.gen(function* () {
    const metrics = yield* Metrics
    const nowMillis = yield* Clock.currentTimeMillis
    yield* metrics.set(buildInfo, { version }, 1)
    yield* metrics.set(processStartTime, {}, nowMillis / millisPerSecond - process.uptime())
    yield* metrics.sample(systemUptime, {}, () => process.uptime())
    yield* metrics.sample(processCpu, {}, () => {
      const { system, user } = process.cpuUsage()
      return (system + user) / microsPerSecond
    })
    yield* metrics.sample(processResidentMemory, {}, () => process.memoryUsage.rss())
    yield* metrics.sample(processHeapUsed, {}, () => process.memoryUsage().heapUsed)
    yield* metrics.sample(processHeapTotal, {}, () => process.memoryUsage().heapTotal)
    yield* metrics.sample(processActiveResources, {}, () => process.getActiveResourcesInfo().length)
  })
)
