/**
 * This project's client as a program that embeds it has it: `TurnClient` by its layer on node:dgram, one allocation
 * with a bound channel. Without the rest of the package, since what else a program has loaded is not the client's cost.
 */
import { Effect, Exit, ManagedRuntime, Redacted, Scope } from "effect"
import * as TurnConfig from "../../../src/domain/turnConfig.ts"
import * as TurnUdp from "../../../src/layers/TurnUdp.ts"
import { TurnClient } from "../../../src/services/TurnClient.ts"
import { type Client, password, username } from "./Client.ts"

const runtime = ManagedRuntime.make(TurnUdp.layerNode)

export const client: Client = {
  allocate: async (server) => {
    const config = TurnConfig.make(server).pipe(TurnConfig.withCredentials(username, Redacted.make(password)))
    const scope = Scope.makeUnsafe()
    const close = () => runtime.runPromise(Scope.close(scope, Exit.void))
    const allocation = await runtime.runPromise(
      TurnClient.use((turn) => turn.allocate(config)).pipe(
        Scope.provide(scope),
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
      )
    )
    return {
      relayTo: async (peer, payload, onEcho) => {
        await runtime.runPromise(allocation.bindChannel(peer))
        allocation.onReceive((received) => onEcho(received.length))
        return () => void allocation.send(peer, payload)
      },
      close
    }
  }
}
