import { assert, describe, it } from "@effect/vitest"
import { Duration, Result } from "effect"
import { assemble, leaves } from "../../src/domain/nodeConfig.ts"
import { propertyName } from "../../src/domain/nodeConfigNames.ts"
import { isKnownTable, knownPaths } from "../../src/domain/nodeConfigKnown.ts"
import { pairs } from "../../src/domain/nodeConfigSecretFiles.ts"
import { variableAt } from "../../src/domain/nodeConfigSources.ts"
import { sample } from "../../src/domain/nodeConfigToml.ts"

describe("every key", () => {
  it.each(leaves.map((leaf) => [leaf.path, leaf.key] as const))("%s has documentation of one line", (_, key) => {
    assert.match(key.doc, /^[^\n]{10,115}\.$/)
    assert.isNotEmpty(key.allowed)
  })

  it.each(leaves.map((leaf) => [leaf.path, leaf.key] as const))(
    "%s has a default that it accepts, is optional, or says where its default comes from",
    (_, key) => {
      if (key.default !== undefined) assert.isTrue(Result.isSuccess(key.decode(key.default)))
      else assert.isTrue(key.optional || key.computedDefault !== undefined)
    }
  )

  it("has an example that it accepts, or a default that serves as one", () => {
    for (const { key, path } of leaves) {
      assert.isTrue(Result.isSuccess(key.decode(sample(key))), path)
    }
  })

  it("has a variable and a property of its own", () => {
    assert.strictEqual(new Set(leaves.map(({ path }) => variableAt(path))).size, leaves.length)
    const properties = leaves.map(({ path }) => path.split(".").map(propertyName).join("."))
    assert.strictEqual(new Set(properties).size, leaves.length)
  })

  it("is not among the keys without effect, nor is its table", () => {
    for (const { path } of leaves) assert.isFalse(knownPaths.has(path), path)
    assert.isFalse(isKnownTable("observability.tracing"))
    assert.isTrue(isKnownTable("gateway.audit_retention"))
    assert.isFalse(isKnownTable("constructor"))
  })

  it("that names a secret's file has a secret to fill", () => {
    assert.deepStrictEqual(
      pairs.map(({ fileKey, secretKey }) => [fileKey, secretKey]),
      [
        ["network.turn_password_file", "network.turn_password"],
        ["identity.keystore_passphrase_file", "identity.keystore_passphrase"]
      ]
    )
  })
})

describe("the defaults", () => {
  it("are those of the protocols and of the reference", () => {
    const values = assemble(
      new Map(
        leaves.map(({ key, path }) => [
          path,
          key.default === undefined ? undefined : Result.getOrThrow(key.decode(key.default)).value
        ])
      )
    )
    assert.deepStrictEqual(
      { ...values, dataDir: "" },
      {
        dataDir: "",
        network: {
          listenAddr: [{ host: "127.0.0.1", port: 0 }],
          announceAddresses: "all",
          bootstrapPeers: [],
          mdnsEnabled: false,
          mdnsInterfaces: [],
          connectionsMax: 256,
          connectionsPerAddressMax: 16,
          handshakesMax: 64,
          dialsMax: 16,
          streamsPerPeerMax: 64,
          dialTimeout: Duration.seconds(10),
          linksEnabled: true,
          linkPort: 0,
          stunServers: [],
          linkRelayBytesPerSecond: 12_500_000,
          linkRelayTotalBytesPerSecond: 50_000_000,
          turnServer: undefined,
          turnTransport: "auto",
          turnUsername: undefined,
          turnPassword: undefined,
          turnPasswordFile: undefined,
          turnAllocationLifetime: Duration.seconds(600),
          turnKeepalive: Duration.seconds(25),
          turnTimeout: Duration.millis(39_500)
        },
        rateLimiting: {
          enabled: true,
          fallback: {
            maxMessagesPerSecond: 100,
            burstCapacity: 20,
            maxBytesPerSecond: 262_144,
            burstBytes: 1_048_576
          }
        },
        identity: { keystorePassphrase: undefined, keystorePassphraseFile: undefined },
        cooperative: { coop: "" },
        observability: {
          metricsPort: 9100,
          metricsBind: "127.0.0.1",
          logLevel: "info",
          logFormat: "auto",
          tracing: {
            enabled: false,
            otlpEndpoint: "http://localhost:4318",
            samplingRate: 0.1,
            serviceName: "icn-node"
          }
        },
        supervisor: {
          metricsUpdateInterval: Duration.seconds(10),
          shutdownTimeout: Duration.seconds(5),
          restartInitialDelay: Duration.millis(100),
          restartMaxDelay: Duration.seconds(30),
          restartLimit: 5,
          restartWindow: Duration.seconds(60),
          candidateCleanupInterval: Duration.minutes(5),
          peerExchangeDelay: Duration.millis(500),
          peerExchangeMaxPeers: 50
        }
      }
    )
  })
})
