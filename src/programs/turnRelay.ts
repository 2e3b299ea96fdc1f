/**
 * The `turn` actor: holds a relayed address on the configured TURN server, for sessions to use, and tells the registry
 * when it changes. All
 * upkeep is the TurnClient's own; this only asks for the allocation, and is asked again by its supervisor when that
 * fails, so that a silent or wrong server costs nothing but its own line in the log.
 */
import { Effect, Stream, SubscriptionRef } from "effect"
import { equals, format, type TransportAddress } from "../domain/transportAddress.ts"
import type { TurnConfig } from "../domain/turnConfig.ts"
import { Health } from "../services/Health.ts"
import { type TurnAllocation, type TurnAllocationState, TurnClient, type TurnError } from "../services/TurnClient.ts"
import type { Registry } from "./supervisor/registry.ts"

/** Holds the allocation on the TURN server whenever there is one. */
export type RelayRef = SubscriptionRef.SubscriptionRef<TurnAllocation | undefined>

export const turnRelay = (config: TurnConfig, registry: Registry, relay: RelayRef) =>
  Effect.fnUntraced(function* (ready: Effect.Effect<void>) {
    const health = yield* Health
    // The client has logged and counted the loss.
    const lost = Effect.fnUntraced(function* (error: TurnError) {
      yield* registry.setRelay(undefined)
      yield* health.setPart("turn", {
        status: "degraded",
        detail: `relay lost, asking for a new one: ${error.message}`
      })
    })
    const relocated = Effect.fnUntraced(function* (previous: TransportAddress, state: TurnAllocationState) {
      yield* registry.setRelay(state)
      yield* health.setPart("turn", { status: "ok", detail: "running" })
      const now = `relay over ${state.transport.toUpperCase()} now, relayed address`
      yield* Effect.logInfo(
        equals(previous, state.relayedAddress)
          ? `${now} still ${format(previous)}`
          : `${now} changed from ${format(previous)} to ${format(state.relayedAddress)}`
      )
    })
    const client = yield* TurnClient
    yield* Effect.addFinalizer(() => registry.setRelay(undefined))
    const allocation = yield* client.allocate(config)
    // Taken out before the allocation closes.
    yield* Effect.acquireRelease(SubscriptionRef.set(relay, allocation), () => SubscriptionRef.set(relay, undefined))
    // Subscribed before the first state is read, so that no change falls between; the subscription is a fiber of its
    // own and gets its turn here.
    const events = yield* Stream.toQueue(allocation.events, { capacity: 64, strategy: "sliding" })
    yield* Effect.yieldNow
    const state = allocation.state()
    yield* registry.setRelay(state)
    if (state !== undefined) {
      yield* Effect.logInfo(`relayed address ${format(state.relayedAddress)} over ${state.transport.toUpperCase()}`)
    }
    yield* ready
    return yield* Stream.fromQueue(events).pipe(
      Stream.runForEach((event) => {
        switch (event._tag) {
          case "Lost":
            return lost(event.error)
          case "Relocated":
            return relocated(event.previous, event.state)
          case "PeerRefused":
            return Effect.logWarning(event.error.message)
        }
      })
    )
  })
