/**
 * The end of a node: everything that was started is closed in reverse order, within `shutdown_timeout_secs`. What has
 * not ended by then is left behind, which is an error that is counted, and the caller ends the process.
 */
import { Cause, Deferred, Duration, Effect, Exit, Fiber, Option, Schema, Scope } from "effect"
import { report } from "../../services/Metrics.ts"
import type { Registry } from "./registry.ts"

export class ShutdownTimeout extends Schema.TaggedError<ShutdownTimeout>()("ShutdownTimeout", {
  seconds: Schema.Finite
}) {
  override get message() {
    return `not everything had stopped after ${this.seconds} s; ending by force`
  }
}

/**
 * Closes a scope and tells how that ended, or nothing when it took longer than `timeout`. Both halves are detached: the
 * caller was perhaps interrupted, and a finalizer that hangs cannot be.
 */
const closeWithin = Effect.fnUntraced(function* (scope: Scope.Closeable, timeout: Duration.Duration) {
  const outcome = yield* Deferred.make<Option.Option<Exit.Exit<void>>>()
  const closing = Effect.exit(Scope.close(scope, Exit.void)).pipe(Effect.asSome)
  yield* Effect.forkDetach(Effect.flatMap(closing, (exit) => Deferred.succeed(outcome, exit)))
  const timer = yield* Effect.forkDetach(
    Effect.andThen(Effect.sleep(timeout), Deferred.succeed(outcome, Option.none())).pipe(Effect.interruptible)
  )
  return yield* Effect.ensuring(Deferred.await(outcome), Fiber.interrupt(timer))
})

/** Closes `scope` and moves the state to stopping and stopped; true when it had to be forced. */
export const shutdown = Effect.fnUntraced(function* (
  registry: Registry,
  scope: Scope.Closeable,
  timeout: Duration.Duration
) {
  yield* registry.setState("stopping")
  yield* registry.publish({ _tag: "Stopping" })
  const outcome = yield* closeWithin(scope, timeout)
  if (Option.isNone(outcome)) {
    yield* report("shutdown_timeout", Cause.fail(new ShutdownTimeout({ seconds: Duration.toSeconds(timeout) })))
  } else if (Exit.isFailure(outcome.value)) {
    yield* report("shutdown", outcome.value.cause)
  }
  yield* registry.setState("stopped")
  const forced = Option.isNone(outcome)
  yield* registry.publish({ _tag: "Stopped", forced })
  return forced
})
