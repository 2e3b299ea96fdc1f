/** A TURN client in ten lines: allocates a relayed address, keeps it, and prints what a peer sends to it. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Redacted, Stream } from "effect"
// In a program of your own: import { TurnClient, TurnConfig, TurnUdpTcp } from "icn-node"
import { TurnClient, TurnConfig, TurnUdpTcp } from "../src/index.ts"

const program = Effect.gen(function* () {
  const config = TurnConfig.make({ host: "127.0.0.1", port: 3478 }).pipe(
    TurnConfig.withCredentials("user", Redacted.make("password"))
  )
  const allocation = yield* TurnClient.use((turn) => turn.allocate(config))
  yield* Console.log("relayed address", allocation.state()?.relayedAddress)
  yield* allocation.permit("127.0.0.1")
  yield* Stream.runForEach(allocation.packets, ({ payload, peer }) =>
    Console.log(peer, Buffer.from(payload).toString())
  )
})

// Ends at Ctrl-C, and then releases the allocation.
NodeRuntime.runMain(program.pipe(Effect.scoped, Effect.provide(TurnUdpTcp.layerNode)))
