import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, SubscriptionRef } from "effect"
import * as DataDirectoryMemory from "../../../src/layers/DataDirectoryMemory.ts"
import * as HealthMemory from "../../../src/layers/HealthMemory.ts"
import * as IdentityMemory from "../../../src/layers/IdentityMemory.ts"
import * as MetricsMemory from "../../../src/layers/MetricsMemory.ts"
import * as NodeConfigMemory from "../../../src/layers/NodeConfigMemory.ts"
import * as TurnMemory from "../../../src/layers/TurnMemory.ts"
import * as UdpMemory from "../../../src/layers/UdpMemory.ts"
import { supervise } from "../../../src/programs/supervisor.ts"
import { memoryBooks, memorySessions } from "../../fixtures/memorySessions.ts"
import { temporaryDirectory } from "../../fixtures/temporaryDirectory.ts"

it.live("keeps the relay until sessions have said their last words", () =>
  Effect.gen(function* () {
    const dataDir = yield* temporaryDirectory
    const turnServer = { host: "127.0.0.1", port: 3478 }
    const relayed = Deferred.makeUnsafe<void>()
    let relayAtTheEnd: string | undefined
    const node = supervise(
      {
        observability: HealthMemory.layer.pipe(Layer.provideMerge(MetricsMemory.layer)),
        config: NodeConfigMemory.layer({ dataDir, network: { turnServer }, observability: { metricsPort: 0 } }),
        telemetry: Layer.empty,
        dataDirectory: DataDirectoryMemory.layer(dataDir),
        identity: IdentityMemory.layer(),
        turn: TurnMemory.layer.pipe(Layer.provide(UdpMemory.layer())),
        ledger: memoryBooks,
        sessions: (relay) => {
          const ended = Effect.sync(() => {
            relayAtTheEnd = SubscriptionRef.getUnsafe(relay)?.state()?.relayedAddress.host
          })
          return memorySessions(relay).pipe(Layer.merge(Layer.effectDiscard(Effect.addFinalizer(() => ended))))
        }
      },
      { onEvent: ({ _tag }) => (_tag === "RelayChanged" ? Deferred.succeed(relayed, undefined) : Effect.void) }
    )
    const fiber = yield* Effect.forkScoped(node)
    yield* Deferred.await(relayed)
    yield* Fiber.interrupt(fiber)
    assert.isDefined(relayAtTheEnd)
  }).pipe(Effect.scoped)
)
