/**
 * Time that only goes forward, for whatever is measured between two moments of this process: a step of the system's
 * clock must neither end sessions nor make links wait. It says nothing about the time of day.
 */
import { Clock, Effect } from "effect"

/** Milliseconds since some moment, whole ones. */
export const steadyMillisOf = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n)

/** The same of the clock that is in use. */
export const steadyMillis: Effect.Effect<number> = Effect.map(Clock.Clock, steadyMillisOf)
