/**
 * The periodic update of metrics, the `metrics_update` actor: reads every sample, so that exporters which do not ask
 * see fresh figures, and tells how late the event loop ran since the update before.
 */
import { type Duration, Effect, Schedule } from "effect"
import { type ELDHistogram, monitorEventLoopDelay } from "node:perf_hooks"
import { systemEventLoopLag } from "../domain/metrics.ts"
import { Metrics } from "../services/Metrics.ts"

/** How often the event loop's delay is measured; each measurement wakes the process up. */
const resolutionMillis = 20
const nanosPerMilli = 1e6
const millisPerSecond = 1e3

/** Node records the time between two measurements: an event loop that is never late reads as the resolution. */
const lagSeconds = (nanos: number): number => Math.max(0, nanos / nanosPerMilli - resolutionMillis) / millisPerSecond

const eventLoopDelays = Effect.acquireRelease(
  Effect.sync(() => {
    const delays = monitorEventLoopDelay({ resolution: resolutionMillis })
    delays.enable()
    return delays
  }),
  (delays) => Effect.sync(() => delays.disable())
)

const update = Effect.fnUntraced(function* (delays: ELDHistogram) {
  const metrics = yield* Metrics
  // Without a measurement yet, Node's mean is not a number and its maximum is arbitrary.
  const seconds = (nanos: number) => (delays.count === 0 ? 0 : lagSeconds(nanos))
  yield* metrics.set(systemEventLoopLag, { statistic: "mean" }, seconds(delays.mean))
  yield* metrics.set(systemEventLoopLag, { statistic: "p99" }, seconds(delays.percentile(99)))
  yield* metrics.set(systemEventLoopLag, { statistic: "max" }, seconds(delays.max))
  delays.reset()
  yield* metrics.collect
})

/** Updates now and at each interval from now on, for ever; `ready` follows the first update. */
export const metricsUpdate = (interval: Duration.Input) =>
  Effect.fnUntraced(function* (ready: Effect.Effect<void>) {
    const delays = yield* eventLoopDelays
    yield* update(delays)
    yield* ready
    return yield* Effect.repeat(Effect.delay(update(delays), interval), Schedule.forever)
  })
