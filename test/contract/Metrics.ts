/**
 * What every implementation of the Metrics service must do. Each layer's test runs this suite on a fresh layer.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, type Layer, Scope } from "effect"
import {
  type Histogram,
  supervisorErrors,
  turnAllocations,
  turnDroppedPackets,
  turnLifetimeLeft,
  turnRelayBytes
} from "../../src/domain/metrics.ts"
import { Metrics } from "../../src/services/Metrics.ts"

const roundTrip = {
  kind: "histogram",
  name: "test_round_trip_seconds",
  help: "A histogram that only this test knows.",
  labels: {},
  boundaries: [0.1, 1]
} as const satisfies Histogram

export const metricsContract = (name: string, layer: Layer.Layer<never>) =>
  describe(`${name} as Metrics`, () => {
    it.effect("adds to a counter, one at a time or several at once", () =>
      Effect.gen(function* () {
        const metrics = yield* Metrics
        yield* metrics.inc(turnAllocations, {})
        yield* metrics.inc(turnAllocations, {}, 41)
        assert.strictEqual(yield* metrics.value(turnAllocations, {}), 42)
      }).pipe(Effect.provide(layer))
    )

    it.effect("never lets a counter fall", () =>
      Effect.gen(function* () {
        const metrics = yield* Metrics
        yield* metrics.inc(turnAllocations, {}, 2)
        yield* metrics.inc(turnAllocations, {}, -1)
        yield* metrics.inc(turnAllocations, {}, Number.NaN)
        assert.strictEqual(yield* metrics.value(turnAllocations, {}), 2)
      }).pipe(Effect.provide(layer))
    )

    it.effect("keeps the series of one metric apart by their labels", () =>
      Effect.gen(function* () {
        const metrics = yield* Metrics
        yield* metrics.inc(turnRelayBytes, { direction: "sent" }, 3)
        yield* metrics.inc(turnRelayBytes, { direction: "received" }, 5)
        assert.strictEqual(yield* metrics.value(turnRelayBytes, { direction: "sent" }), 3)
        assert.strictEqual(yield* metrics.value(turnRelayBytes, { direction: "received" }), 5)
      }).pipe(Effect.provide(layer))
    )

    it.effect("sets a gauge up and down and counts the observations of a histogram", () =>
      Effect.gen(function* () {
        const metrics = yield* Metrics
        yield* metrics.set(turnLifetimeLeft, {}, 600)
        yield* metrics.set(turnLifetimeLeft, {}, 599.5)
        assert.strictEqual(yield* metrics.value(turnLifetimeLeft, {}), 599.5)
        yield* metrics.observe(roundTrip, {}, 0.05)
        yield* metrics.observe(roundTrip, {}, 7)
        assert.strictEqual(yield* metrics.value(roundTrip, {}), 2)
        const text = yield* metrics.exposition
        assert.include(text, "test_round_trip_seconds_count 2\n")
        assert.include(text, "test_round_trip_seconds_sum 7.05\n")
      }).pipe(Effect.provide(layer))
    )

    it.effect("reads 0 for what was never recorded", () =>
      Effect.gen(function* () {
        const metrics = yield* Metrics
        assert.strictEqual(yield* metrics.value(turnAllocations, {}), 0)
      }).pipe(Effect.provide(layer))
    )

    it.effect("counts errors by operation", () =>
      Effect.gen(function* () {
        const metrics = yield* Metrics
        yield* metrics.errorInc("tracing")
        assert.strictEqual(yield* metrics.value(supervisorErrors, { operation: "tracing" }), 1)
        assert.strictEqual(yield* metrics.value(supervisorErrors, { operation: "config" }), 0)
      }).pipe(Effect.provide(layer))
    )

    it.effect("adds up the open samples of a counter and keeps the total of closed ones", () =>
      Effect.gen(function* () {
        const metrics = yield* Metrics
        const first = yield* Scope.make()
        let firstCount = 3
        let secondCount = 10
        yield* metrics.sample(turnDroppedPackets, {}, () => firstCount).pipe(Scope.provide(first))
        yield* metrics.sample(turnDroppedPackets, {}, () => secondCount)
        assert.strictEqual(yield* metrics.value(turnDroppedPackets, {}), 13)
        firstCount = 4
        yield* Scope.close(first, Exit.void)
        firstCount = 1000
        secondCount = 11
        assert.strictEqual(yield* metrics.value(turnDroppedPackets, {}), 15)
        yield* metrics.inc(turnDroppedPackets, {})
        assert.include(yield* metrics.exposition, "icn_turn_dropped_packets_total 16\n")
      }).pipe(Effect.provide(layer))
    )

    it.effect("takes the samples of a gauge as one sum and drops the share of closed ones", () =>
      Effect.gen(function* () {
        const metrics = yield* Metrics
        const scope = yield* Scope.make()
        yield* metrics.sample(turnLifetimeLeft, {}, () => 300).pipe(Scope.provide(scope))
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* metrics.sample(turnLifetimeLeft, {}, () => 30)
            assert.strictEqual(yield* metrics.value(turnLifetimeLeft, {}), 330)
          })
        )
        assert.strictEqual(yield* metrics.value(turnLifetimeLeft, {}), 300)
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual(yield* metrics.value(turnLifetimeLeft, {}), 0)
      }).pipe(Effect.provide(layer))
    )

    it.effect("reports a sample that throws once per outage and still tells everything else", () =>
      Effect.gen(function* () {
        const metrics = yield* Metrics
        let broken = true
        const read = () => {
          if (broken) throw new Error("no figure today")
          return 7
        }
        const errors = metrics.value(supervisorErrors, { operation: "metrics_update" })
        yield* metrics.sample(turnDroppedPackets, {}, read)
        yield* metrics.inc(turnAllocations, {})
        yield* metrics.collect
        assert.include(yield* metrics.exposition, "icn_turn_allocations_total 1\n")
        assert.strictEqual(yield* errors, 1)
        broken = false
        assert.strictEqual(yield* metrics.value(turnDroppedPackets, {}), 7)
        broken = true
        assert.strictEqual(yield* metrics.value(turnDroppedPackets, {}), 7)
        assert.strictEqual(yield* errors, 2)
      }).pipe(Effect.provide(layer))
    )
  })
