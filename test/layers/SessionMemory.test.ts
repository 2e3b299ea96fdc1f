import { it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import * as SessionMemory from "../../src/layers/SessionMemory.ts"
import { sessionContract, type SessionFixture } from "../contract/SessionManager.ts"
import { sessionNetworkContract } from "../contract/SessionManagerNetwork.ts"
import { sessionTestNode } from "../fixtures/sessionTestNode.ts"
import { inVirtualTime } from "../fixtures/virtualTime.ts"

const node = (network: SessionMemory.MemoryNetwork) =>
  sessionTestNode((at, options) =>
    SessionMemory.layer({
      network,
      ...(at === undefined ? {} : { host: at.address.host, port: at.address.port }),
      ...options
    })
  )

const silentHost = "192.0.2.99"

/** A network for each test. */
const test = (
  name: string,
  body: (network: SessionMemory.MemoryNetwork) => Effect.Effect<void, unknown, Scope.Scope>
) =>
  it.effect(name, () =>
    inVirtualTime(
      Effect.scoped(
        Effect.gen(function* () {
          const network = yield* SessionMemory.makeNetwork({ latencyMillis: 5, jitterMillis: 3, loss: 0.02 }, 7)
          network.partition([silentHost])
          yield* body(network)
        })
      )
    )
  )

let current: SessionMemory.MemoryNetwork | undefined
const present = Effect.suspend(() =>
  current === undefined ? Effect.die(new Error("no network")) : Effect.succeed(current)
)

const fixture: SessionFixture = {
  node: (options) => Effect.flatMap(present, (network) => node(network)(options)),
  silent: Effect.succeed({ host: silentHost, port: 1, transport: "any" }),
  test: (name, body) =>
    test(name, (network) =>
      Effect.suspend(() => {
        current = network
        return body
      })
    )
}

sessionContract("SessionMemory", fixture)
sessionNetworkContract("SessionMemory", fixture)
