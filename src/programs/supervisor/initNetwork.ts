/**
 * The network phase: the TURN relay, when one is configured. Optional: the phase is over when the actor has been
 * started, whether or not its server answers.
 */
import { Effect, Layer } from "effect"
import * as TurnConfig from "../../domain/turnConfig.ts"
import { format } from "../../domain/turnServer.ts"
import { NodeConfig } from "../../services/NodeConfig.ts"
import type { TurnClient } from "../../services/TurnClient.ts"
import { turnRelay } from "../turnRelay.ts"
import type { Actors } from "./actors.ts"
import type { Registry } from "./registry.ts"

/** The `[network]` section as the client wants it; `undefined` when no server is configured. */
export const turnConfigOf = ({ values: { network } }: NodeConfig["Service"]): TurnConfig.TurnConfig | undefined => {
  if (network.turnServer === undefined) return undefined
  const config = TurnConfig.make(network.turnServer).pipe(
    TurnConfig.withAllocationLifetime(network.turnAllocationLifetime),
    TurnConfig.withKeepalive(network.turnKeepalive),
    TurnConfig.withTimeout(network.turnTimeout)
  )
  const { turnPassword, turnUsername } = network
  return turnUsername === undefined || turnPassword === undefined
    ? config
    : config.pipe(TurnConfig.withCredentials(turnUsername, turnPassword))
}

export const startNetwork = Effect.fnUntraced(function* (
  actors: Actors,
  registry: Registry,
  turn: Layer.Layer<TurnClient>
) {
  const config = turnConfigOf(yield* NodeConfig)
  if (config === undefined) return "no TURN server configured, so no relay"
  const client = yield* Layer.build(turn)
  yield* actors.spawn("turn", (ready) => turnRelay(config, registry)(ready).pipe(Effect.provideContext(client)))
  return `asking ${format(config.server)} for a relay`
})
