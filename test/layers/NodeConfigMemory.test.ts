import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Redacted } from "effect"
import * as NodeConfigMemory from "../../src/layers/NodeConfigMemory.ts"
import { NodeConfig } from "../../src/services/NodeConfig.ts"

describe("NodeConfigMemory", () => {
  it.effect("has the defaults of every key that is left out", () =>
    Effect.gen(function* () {
      const { origins, values, warnings } = yield* NodeConfig
      assert.strictEqual(values.dataDir, "/data")
      assert.deepStrictEqual(values.supervisor.shutdownTimeout, Duration.seconds(5))
      assert.isFalse(values.observability.tracing.enabled)
      assert.isUndefined(values.network.turnServer)
      assert.deepStrictEqual(origins["supervisor.shutdown_timeout_secs"], { _tag: "Default" })
      assert.deepStrictEqual(warnings, [])
    }).pipe(Effect.provide(NodeConfigMemory.layer({ dataDir: "/data" })))
  )

  it.effect("takes what the program sets, with the program as origin", () =>
    Effect.gen(function* () {
      const { origins, values } = yield* NodeConfig
      assert.deepStrictEqual(values.network.turnServer, { host: "::1", port: 3478 })
      assert.strictEqual(values.network.turnPassword && Redacted.value(values.network.turnPassword), "secret")
      assert.strictEqual(values.observability.metricsPort, 0)
      assert.isTrue(values.observability.tracing.enabled)
      assert.strictEqual(values.observability.tracing.serviceName, "icn-node")
      assert.deepStrictEqual(origins["observability.metrics_port"], { _tag: "Program" })
      assert.deepStrictEqual(origins["observability.log_level"], { _tag: "Default" })
    }).pipe(
      Effect.provide(
        NodeConfigMemory.layer({
          dataDir: "/data",
          network: { turnServer: { host: "::1", port: 3478 }, turnPassword: Redacted.make("secret") },
          observability: { metricsPort: 0, tracing: { enabled: true } }
        })
      )
    )
  )
})
