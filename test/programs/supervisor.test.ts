import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Deferred, Duration, Effect, Fiber, Layer, Redacted, Ref, References, Stream } from "effect"
import { TestClock } from "effect/testing"
import {
  supervisorErrors,
  supervisorStartupPhases,
  systemActorsActive,
  turnRelayBytes
} from "../../src/domain/metrics.ts"
import type { Operation } from "../../src/domain/operations.ts"
import * as DataDirectoryMemory from "../../src/layers/DataDirectoryMemory.ts"
import * as HealthMemory from "../../src/layers/HealthMemory.ts"
import * as IdentityMemory from "../../src/layers/IdentityMemory.ts"
import * as MetricsMemory from "../../src/layers/MetricsMemory.ts"
import * as NodeConfigMemory from "../../src/layers/NodeConfigMemory.ts"
import { type NodeEvent, type Subsystems, supervise } from "../../src/programs/supervisor.ts"
import { DataDirectory, DataDirectoryInUse } from "../../src/services/DataDirectory.ts"
import { Health } from "../../src/services/Health.ts"
import { Identity, IdentityError } from "../../src/services/Identity.ts"
import { Metrics } from "../../src/services/Metrics.ts"
import { ConfigInvalid, NodeConfig } from "../../src/services/NodeConfig.ts"
import { SessionListenFailed } from "../../src/services/SessionManager.ts"
import { type TurnAllocation, TurnClient, TurnError, TurnTimeout } from "../../src/services/TurnClient.ts"
import { memoryBooks, memorySessions } from "../fixtures/memorySessions.ts"
import { temporaryDirectory } from "../fixtures/temporaryDirectory.ts"

const turnServer = { host: "127.0.0.1", port: 3478 }

/** A node in memory, except for its two servers, with everything that happened to it. */
const node = Effect.fnUntraced(function* (
  replace: Partial<Subsystems> = {},
  overrides: Omit<Parameters<typeof NodeConfigMemory.layer>[0], "dataDir"> = {}
) {
  const dataDir = yield* temporaryDirectory
  const observability = yield* Layer.build(HealthMemory.layer.pipe(Layer.provideMerge(MetricsMemory.layer)))
  const events = yield* Ref.make<ReadonlyArray<NodeEvent>>([])
  const subsystems: Subsystems = {
    observability: Layer.succeedContext(observability),
    config: NodeConfigMemory.layer({
      dataDir,
      ...overrides,
      observability: { metricsPort: 0, ...overrides.observability }
    }),
    telemetry: Layer.empty,
    dataDirectory: DataDirectoryMemory.layer(dataDir),
    identity: IdentityMemory.layer(),
    sessions: memorySessions,
    turn: Layer.succeed(TurnClient, { allocate: () => Effect.never }),
    ledger: memoryBooks,
    ...replace
  }
  const run = supervise(subsystems, { onEvent: (event) => Ref.update(events, (all) => [...all, event]) })
  return {
    run,
    subsystems,
    events,
    dataDir,
    metrics: Context.get(observability, Metrics),
    health: Context.get(observability, Health)
  }
})

type Node = Effect.Success<ReturnType<typeof node>>

/** Real sockets open in their own time, so this waits for the event and not for a while. */
const awaitEvent = ({ events }: Node, tag: NodeEvent["_tag"]) =>
  Effect.gen(function* () {
    while (!(yield* Ref.get(events)).some((event) => event._tag === tag)) {
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
    }
  })

const startedNode = Effect.fnUntraced(function* (node: Node) {
  const fiber = yield* Effect.forkScoped(node.run)
  yield* awaitEvent(node, "Running")
  return fiber
})

const tags = (node: Node) => Effect.map(Ref.get(node.events), (events) => events.map(({ _tag }) => _tag))

const phasesOf = (node: Node) =>
  Effect.map(Ref.get(node.events), (events) =>
    events.flatMap((event) => (event._tag === "PhaseCompleted" ? [event.phase] : []))
  )

describe("supervisor", () => {
  it.effect("goes through the phases in order, counts each, and is running", () =>
    Effect.gen(function* () {
      const one = yield* node()
      yield* startedNode(one)
      const phases = ["config", "metrics", "identity", "network", "ledger", "rpc", "running"] as const
      assert.deepStrictEqual(yield* phasesOf(one), [...phases])
      for (const phase of phases) {
        assert.strictEqual(yield* one.metrics.value(supervisorStartupPhases, { phase }), 1)
      }
      assert.strictEqual((yield* one.health.report).state, "running")
      assert.strictEqual(yield* one.metrics.value(systemActorsActive, {}), 9)
    })
  )

  it.effect("tells of every phase with the loggers that the configuration wants, its own included", () =>
    Effect.gen(function* () {
      const levels = yield* Ref.make<ReadonlyArray<string>>([])
      const { subsystems } = yield* node({ telemetry: Layer.succeed(References.MinimumLogLevel, "Error") })
      const running = yield* Deferred.make<void>()
      const onEvent = Effect.fnUntraced(function* (event: NodeEvent) {
        const level = yield* References.MinimumLogLevel
        if (event._tag === "PhaseCompleted") yield* Ref.update(levels, (all) => [...all, `${event.phase} ${level}`])
        if (event._tag === "Running") yield* Deferred.succeed(running, undefined)
      })
      yield* Effect.forkScoped(supervise(subsystems, { onEvent }))
      yield* Deferred.await(running)
      const phases = ["config", "metrics", "identity", "network", "ledger", "rpc", "running"]
      assert.deepStrictEqual(
        yield* Ref.get(levels),
        phases.map((phase) => `${phase} Error`)
      )
    })
  )

  it.effect("closes what it started in reverse order when it is interrupted, and ends in state stopped", () =>
    Effect.gen(function* () {
      const closed = yield* Ref.make<ReadonlyArray<string>>([])
      const noted = <I, S>(tag: Context.Service<I, S>, layer: Layer.Layer<I>) =>
        Layer.effect(
          tag,
          Effect.gen(function* () {
            yield* Effect.addFinalizer(() => Ref.update(closed, (all) => [...all, tag.key]))
            return Context.get(yield* Layer.build(layer), tag)
          })
        )
      const one = yield* node({
        dataDirectory: noted(DataDirectory, DataDirectoryMemory.layer(yield* temporaryDirectory)),
        identity: noted(Identity, IdentityMemory.layer())
      })
      const fiber = yield* startedNode(one)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* Ref.get(closed), [Identity.key, DataDirectory.key])
      assert.deepStrictEqual((yield* tags(one)).slice(-2), ["Stopping", "Stopped"])
      assert.strictEqual((yield* one.health.report).state, "stopped")
    })
  )

  const failures: ReadonlyArray<readonly [string, Partial<Subsystems>, ReadonlyArray<string>, Operation]> = [
    [
      "config",
      { config: Layer.effect(NodeConfig, new ConfigInvalid({ source: "icn.toml", problems: [], warnings: [] })) },
      [],
      "config"
    ],
    [
      "config",
      {
        dataDirectory: Layer.succeed(DataDirectory, {
          path: "/taken",
          lock: new DataDirectoryInUse({ path: "/taken" })
        })
      },
      [],
      "config"
    ],
    [
      "identity",
      {
        identity: Layer.effect(
          Identity,
          new IdentityError({ keyFile: "k", reason: "malformed", detail: "not a key file" })
        )
      },
      ["config", "metrics"],
      "identity"
    ],
    [
      "network",
      { turn: Layer.effect(TurnClient, Effect.die(new Error("no client"))) },
      ["config", "metrics", "identity"],
      "network"
    ],
    [
      "network",
      {
        sessions: () =>
          Layer.unwrap(Effect.fail(new SessionListenFailed({ address: "192.0.2.1:7777", detail: "EADDRNOTAVAIL" })))
      },
      ["config", "metrics", "identity"],
      "network"
    ]
  ]
  for (const [phase, replace, completed, operation] of failures) {
    it.effect(`stops with one error when ${phase} fails (${Object.keys(replace).join()})`, () =>
      Effect.gen(function* () {
        const one = yield* node(replace, { network: { turnServer } })
        const failure = yield* Effect.flip(one.run)
        assert.strictEqual(failure.phase, phase)
        assert.deepStrictEqual(yield* phasesOf(one), completed)
        assert.strictEqual(yield* one.metrics.value(supervisorErrors, { operation }), 1)
        assert.strictEqual((yield* one.health.report).state, "stopped")
      })
    )
  }

  it.effect("stops the start when the configured metrics port is taken, and falls back when it is the default", () =>
    Effect.gen(function* () {
      const first = yield* node()
      yield* startedNode(first)
      const running = (yield* Ref.get(first.events)).find((event) => event._tag === "Running")
      const metricsPort = Number(new URL(running?.metricsUrl ?? "").port)
      const second = yield* node({}, { observability: { metricsPort } })
      const failure = yield* Effect.flip(second.run)
      assert.strictEqual(failure.phase, "metrics")
      assert.include(failure.message, `port ${metricsPort}`)
    })
  )

  it.effect("stops the start when the local socket cannot be opened", () =>
    Effect.gen(function* () {
      const one = yield* node({ dataDirectory: DataDirectoryMemory.layer("/nowhere/at/all") })
      const failure = yield* Effect.flip(one.run)
      assert.strictEqual(failure.phase, "rpc")
      assert.deepStrictEqual(yield* phasesOf(one), ["config", "metrics", "identity", "network", "ledger"])
    })
  )

  it.effect("is running although the TURN server stays silent, says so in its health, and keeps asking", () =>
    Effect.gen(function* () {
      const asked = yield* Ref.make(0)
      const silent = Effect.gen(function* () {
        yield* Ref.update(asked, (n) => n + 1)
        yield* Effect.sleep("39500 millis")
        return yield* new TurnError({ server: "x:1", method: "allocate", reason: new TurnTimeout({ attempts: 7 }) })
      })
      const one = yield* node(
        { turn: Layer.succeed(TurnClient, { allocate: () => silent }) },
        { network: { turnServer } }
      )
      yield* startedNode(one)
      assert.strictEqual((yield* one.health.report).parts.turn?.status, "degraded")
      yield* TestClock.adjust("3 minutes")
      assert.strictEqual(yield* Ref.get(asked), 5)
      const { parts, state, status } = yield* one.health.report
      assert.deepStrictEqual([state, status, parts.turn?.status], ["running", "degraded", "degraded"])
      assert.include(parts.turn?.detail, "no answer after 7 attempts")
    })
  )

  it.effect("passes the [network] section on to the TURN client", () =>
    Effect.gen(function* () {
      const seen = yield* Ref.make<ReadonlyArray<unknown>>([])
      const one = yield* node(
        {
          turn: Layer.succeed(TurnClient, {
            allocate: ({ allocationLifetime, credentials, keepalive, server, timeout }) =>
              Effect.andThen(
                Ref.set(seen, [
                  server,
                  credentials?.username,
                  credentials && Redacted.value(credentials.password),
                  Duration.toSeconds(allocationLifetime),
                  Duration.toSeconds(keepalive),
                  Duration.toSeconds(timeout)
                ]),
                Effect.never
              )
          })
        },
        {
          network: {
            turnServer,
            turnUsername: "u",
            turnPassword: Redacted.make("p"),
            turnAllocationLifetime: Duration.seconds(300),
            turnKeepalive: Duration.seconds(11),
            turnTimeout: Duration.seconds(7)
          }
        }
      )
      yield* startedNode(one)
      assert.deepStrictEqual(yield* Ref.get(seen), [turnServer, "u", "p", 300, 11, 7])
    })
  )

  it.effect("tells the relay, its loss and its return", () =>
    Effect.gen(function* () {
      const state = (port: number) => ({
        server: turnServer,
        transport: "udp" as const,
        relayedAddress: { host: "192.0.2.1", port },
        mappedAddress: { host: "198.51.100.1", port: 9 },
        lifetimeSeconds: 600,
        expiresAtMillis: 600_000
      })
      const error = new TurnError({ server: "x:1", method: "refresh", reason: new TurnTimeout({ attempts: 7 }) })
      const allocation: TurnAllocation = {
        state: () => state(1),
        permit: () => Effect.die("unused"),
        revoke: () => Effect.void,
        bindChannel: () => Effect.die("unused"),
        send: () => false,
        onReceive: () => {},
        packets: Stream.never,
        events: Stream.make(
          { _tag: "Lost", error } as const,
          { _tag: "Relocated", previous: state(1).relayedAddress, state: state(2) } as const
        ).pipe(
          Stream.tap(() => Effect.sleep("1 second")),
          Stream.concat(Stream.never)
        ),
        statistics: () => ({ sentBytes: 0, sentPackets: 0, receivedBytes: 0, receivedPackets: 0, droppedPackets: 0 }),
        probe: Effect.void
      }
      const one = yield* node(
        { turn: Layer.succeed(TurnClient, { allocate: () => Effect.succeed(allocation) }) },
        { network: { turnServer } }
      )
      yield* startedNode(one)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* one.health.report).parts.turn?.status, "degraded")
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* one.health.report).parts.turn?.status, "ok")
      const relays = (yield* Ref.get(one.events)).flatMap((event) =>
        event._tag === "RelayChanged" ? [event.relay?.relayedAddress.port] : []
      )
      assert.deepStrictEqual(relays, [1, undefined, 2])
    })
  )

  it.effect("forces the end when a finalizer takes longer than shutdown_timeout_secs", () =>
    Effect.gen(function* () {
      const stuck = Layer.effect(
        Identity,
        Effect.gen(function* () {
          yield* Effect.addFinalizer(() => Effect.never)
          return Context.get(yield* Layer.build(IdentityMemory.layer()), Identity)
        })
      )
      const one = yield* node({ identity: stuck }, { supervisor: { shutdownTimeout: Duration.seconds(7) } })
      const fiber = yield* startedNode(one)
      const stopping = yield* Effect.forkScoped(Fiber.interrupt(fiber))
      yield* awaitEvent(one, "Stopping")
      yield* TestClock.adjust("6999 millis")
      assert.isUndefined(stopping.pollUnsafe())
      yield* TestClock.adjust(1)
      yield* Fiber.join(stopping)
      const last = (yield* Ref.get(one.events)).at(-1)
      assert.deepStrictEqual(last, { _tag: "Stopped", forced: true })
      assert.strictEqual(yield* one.metrics.value(supervisorErrors, { operation: "shutdown_timeout" }), 1)
    })
  )

  it.effect("restarts by the delays, the limit and the window of [supervisor]", () =>
    Effect.gen(function* () {
      const asked: Array<number> = []
      const refused = Effect.gen(function* () {
        asked.push(yield* Clock.currentTimeMillis)
        return yield* new TurnError({ server: "x:1", method: "allocate", reason: new TurnTimeout({ attempts: 7 }) })
      })
      const one = yield* node(
        { turn: Layer.succeed(TurnClient, { allocate: () => refused }) },
        {
          network: { turnServer },
          supervisor: {
            restartInitialDelay: Duration.millis(10),
            restartMaxDelay: Duration.millis(40),
            restartLimit: 2,
            restartWindow: Duration.millis(35)
          }
        }
      )
      yield* startedNode(one)
      const detail = Effect.map(one.health.report, ({ parts }) => parts.turn?.detail ?? "")
      yield* TestClock.adjust("10 millis")
      assert.notInclude(yield* detail, "degraded")
      yield* TestClock.adjust("20 millis")
      assert.include(yield* detail, "degraded, restarted 3 times")
      // The two crashes before are out of the window by then.
      yield* TestClock.adjust("40 millis")
      assert.notInclude(yield* detail, "degraded")
      yield* TestClock.adjust("80 millis")
      assert.deepStrictEqual(asked, [0, 10, 30, 70, 110, 150])
    })
  )

  it.effect("updates the metrics at metrics_update_interval_secs", () =>
    Effect.gen(function* () {
      const one = yield* node({}, { supervisor: { metricsUpdateInterval: Duration.seconds(3) } })
      let reads = 0
      yield* one.metrics.sample(turnRelayBytes, { direction: "sent" }, () => ++reads)
      yield* startedNode(one)
      const before = reads
      yield* TestClock.adjust("2999 millis")
      assert.strictEqual(reads, before)
      yield* TestClock.adjust(1)
      assert.strictEqual(reads, before + 1)
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(reads, before + 11)
    })
  )
})
