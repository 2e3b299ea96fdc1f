import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { createServer } from "node:http"
import * as HealthMemory from "../../src/layers/HealthMemory.ts"
import * as MetricsMemory from "../../src/layers/MetricsMemory.ts"
import { serveObservability } from "../../src/programs/httpApi/observability.ts"
import { IcnClient, IcnClientError } from "../../src/sdk/index.ts"
import { Health } from "../../src/services/Health.ts"

const failure = (port: number) =>
  Effect.promise(() => new IcnClient({ baseUrl: `http://127.0.0.1:${port}` }).health().catch((error) => error))

const services = HealthMemory.layer.pipe(Layer.provideMerge(MetricsMemory.layer))

describe("IcnClient", () => {
  it.live("tells the health and readiness of a real node's pages", () =>
    Effect.gen(function* () {
      const health = yield* Health
      const { url } = yield* serveObservability({ host: "127.0.0.1", port: 0, fallbackToFreePort: false })
      const client = new IcnClient({ baseUrl: `${url}/` })
      assert.isFalse(yield* Effect.promise(() => client.ready()))
      yield* health.setState("running")
      yield* health.setPart("turn", { status: "degraded", detail: "no answer" })
      assert.isTrue(yield* Effect.promise(() => client.ready()))
      assert.deepStrictEqual(yield* Effect.promise(() => client.health()), {
        status: "degraded",
        state: "running",
        parts: { turn: { status: "degraded", detail: "no answer" } }
      })
    }).pipe(Effect.provide(services))
  )

  it.live("rejects with its own error when nobody answers, or somebody who is no node", () =>
    Effect.gen(function* () {
      const server = yield* Effect.acquireRelease(
        Effect.callback<ReturnType<typeof createServer>>((resume) => {
          const server = createServer((_, response) => response.end("hello")).listen(0, "127.0.0.1", () =>
            resume(Effect.succeed(server))
          )
        }),
        (server) => Effect.sync(() => server.close().closeAllConnections())
      )
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      assert.instanceOf(yield* failure(port), IcnClientError)
      server.close().closeAllConnections()
      assert.instanceOf(yield* failure(port), IcnClientError)
    })
  )
})
