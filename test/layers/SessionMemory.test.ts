import { it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Scope } from "effect"
import * as IdentityMemory from "../../src/layers/IdentityMemory.ts"
import * as PeerBookMemory from "../../src/layers/PeerBookMemory.ts"
import * as SessionMemory from "../../src/layers/SessionMemory.ts"
import { PeerBook } from "../../src/services/PeerBook.ts"
import { SessionManager } from "../../src/services/SessionManager.ts"
import {
  sessionContract,
  type SessionFixture,
  type TestNode,
  type TestNodeOptions
} from "../contract/SessionManager.ts"
import { sessionNetworkContract } from "../contract/SessionManagerNetwork.ts"
import { inVirtualTime } from "../fixtures/virtualTime.ts"

const node = (network: SessionMemory.MemoryNetwork) =>
  Effect.fnUntraced(function* ({ at, seed, ...options }: TestNodeOptions = {}) {
    const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
    const identity = IdentityMemory.layer(seed === undefined ? undefined : new Uint8Array(32).fill(seed))
    const place = at === undefined ? {} : { host: at.address.host, port: at.address.port }
    const context = yield* Layer.buildWithScope(
      SessionMemory.layer({ network, ...place, ...options }).pipe(
        Layer.provideMerge(PeerBookMemory.layer),
        Layer.provideMerge(identity)
      ),
      scope
    )
    const manager = Context.get(context, SessionManager)
    const [address] = yield* manager.listening
    if (address === undefined) return yield* Effect.die(new Error("it does not listen"))
    const made: TestNode = {
      manager,
      book: Context.get(context, PeerBook),
      did: manager.did,
      uri: { did: manager.did, address },
      stop: Scope.close(scope, Exit.void)
    }
    return made
  })

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
