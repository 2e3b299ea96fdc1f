import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as IdentityMemory from "../../../../src/layers/IdentityMemory.ts"
import * as PeerBookMemory from "../../../../src/layers/PeerBookMemory.ts"
import * as SessionLibp2p from "../../../../src/layers/SessionLibp2p.ts"
import { SessionManager } from "../../../../src/services/SessionManager.ts"

const manager = (options: SessionLibp2p.Libp2pSessionOptions) =>
  Layer.build(
    SessionLibp2p.layer(options).pipe(Layer.provide(PeerBookMemory.layer), Layer.provide(IdentityMemory.layer()))
  ).pipe(Effect.flatMap((context) => Effect.provideContext(SessionManager, context)))

describe("an address that is taken", () => {
  for (const transport of ["quic", "tcp"] as const) {
    it.live(`is named in one line with the system's reason, over ${transport}`, () =>
      Effect.gen(function* () {
        const transports = [transport]
        const [taken] = yield* (yield* manager({ transports })).listening
        if (taken === undefined) return yield* Effect.die(new Error("it does not listen"))
        const error = yield* Effect.flip(manager({ transports, listen: [taken] }))
        assert.match(
          error.message,
          new RegExp(
            `^cannot listen on 127\\.0\\.0\\.1:${taken.port} \\(${transport}\\): .*address already in use`,
            "i"
          )
        )
        assert.strictEqual(error.message.match(/cannot listen/g)?.length, 1)
        assert.notInclude(error.message, "\n")
        assert.notInclude(error.message, "transportManager")
      }).pipe(Effect.scoped)
    )
  }
})
