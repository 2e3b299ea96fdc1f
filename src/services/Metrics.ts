/**
 * What the node measures, and the one place where errors that nobody handles further are logged and counted.
 * Implemented by layers/MetricsPrometheus.ts (Effect's metric registry as Prometheus text) and layers/MetricsMemory.ts
 * (values to assert on); the catalogue of metrics is domain/metrics.ts, that of operations domain/operations.ts.
 *
 * `Metrics` is a reference whose default measures nothing, so that a layer can be embedded without it.
 */
import { Cause, Context, Effect, Formatter, type Scope } from "effect"
import type { AnyMetric, Counter, Gauge, Histogram, LabelsOf } from "../domain/metrics.ts"
import type { Operation } from "../domain/operations.ts"

/** What a layer that measures offers; labels are checked against the catalogue by their types. */
export interface MetricsShape {
  /** Adds to a counter; `by` is 1 unless said, and never negative. */
  readonly inc: <M extends Counter>(metric: M, labels: LabelsOf<M>, by?: number) => Effect.Effect<void>
  readonly set: <M extends Gauge>(metric: M, labels: LabelsOf<M>, value: number) => Effect.Effect<void>
  readonly observe: <M extends Histogram>(metric: M, labels: LabelsOf<M>, value: number) => Effect.Effect<void>
  /**
   * Reads a figure that plain code keeps, whenever metrics are collected, until the scope closes. Several samples of
   * one series add up; a counter keeps what closed samples had reached, a gauge goes back to 0. A sample that throws is
   * reported once and keeps its latest value.
   */
  readonly sample: <M extends Counter | Gauge>(
    metric: M,
    labels: LabelsOf<M>,
    read: () => number
  ) => Effect.Effect<void, never, Scope.Scope>
  /** Reads all samples now; `exposition` and `value` do so by themselves. */
  readonly collect: Effect.Effect<void>
  /** Counts an error under an operation; `report` below also logs it. */
  readonly errorInc: (operation: Operation) => Effect.Effect<void>
  /** The present value of one series, 0 when nothing was recorded; the number of observations of a histogram. */
  readonly value: <M extends AnyMetric>(metric: M, labels: LabelsOf<M>) => Effect.Effect<number>
  /** Everything in the Prometheus text format 0.0.4. */
  readonly exposition: Effect.Effect<string>
}

const silent: MetricsShape = {
  inc: () => Effect.void,
  set: () => Effect.void,
  observe: () => Effect.void,
  sample: () => Effect.void,
  collect: Effect.void,
  errorInc: () => Effect.void,
  value: () => Effect.succeed(0),
  exposition: Effect.succeed("")
}

/** The metrics of this node; silent where nobody provides a layer. */
export const Metrics = Context.Reference<MetricsShape>("icn-node/services/Metrics", { defaultValue: () => silent })

/**
 * Errors that were told already. One error object is one occurrence, so whoever fails builds a new one; the set is per
 * process because an error is told once whoever tells it, and weak so that it keeps nothing alive.
 */
const reportedErrors = new WeakSet<object>()

/** Whether this reason is an error that was not reported before; marks it as reported. */
const claim = (reason: Cause.Reason<unknown>): boolean => {
  if (Cause.isInterruptReason(reason)) return false
  const error = Cause.isFailReason(reason) ? reason.error : reason.defect
  // A thrown string or number has no identity that could be remembered.
  if (typeof error !== "object" || error === null) return true
  if (reportedErrors.has(error)) return false
  reportedErrors.add(error)
  return true
}

const describe = (error: unknown): string =>
  error instanceof Error && error.message !== "" ? error.message : Formatter.format(error)

/**
 * Logs and counts an error that nobody handles further: call it exactly where the error ends. An error that passes two
 * reporters is told by the first one only, and an interruption is not an error. Expected errors are told by their
 * message; defects with the stack, since they are for whoever mends the code.
 */
export const report: (operation: Operation, cause: Cause.Cause<unknown>) => Effect.Effect<void> = Effect.fnUntraced(
  function* (operation, cause) {
    const reasons = cause.reasons.filter(claim)
    if (reasons.length === 0) return
    const metrics = yield* Metrics
    const expected = reasons.filter(Cause.isFailReason).map((reason) => describe(reason.error))
    const defects = Cause.fromReasons(reasons.filter(Cause.isDieReason))
    const message = expected.length > 0 ? expected.join("; ") : "unexpected error, please report it"
    yield* Effect.logError(message, defects).pipe(Effect.annotateLogs({ operation }))
    yield* metrics.errorInc(operation)
  }
)

/** Makes an effect end here: its errors are reported under `operation`, its result is dropped, interruption passes. */
export const reportAndIgnore =
  (operation: Operation) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<void, never, R> =>
    self.pipe(
      Effect.asVoid,
      Effect.catchCause((cause) => (Cause.hasInterruptsOnly(cause) ? Effect.interrupt : report(operation, cause)))
    )
