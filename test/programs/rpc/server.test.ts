import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Ref } from "effect"
import type { Rpc, RpcGroup } from "effect/rpc"
import { connect, type Socket } from "node:net"
import { join } from "node:path"
import { readFileSync, statSync, writeFileSync } from "node:fs"
import * as DataDirectoryMemory from "../../../src/layers/DataDirectoryMemory.ts"
import * as HealthMemory from "../../../src/layers/HealthMemory.ts"
import * as IdentityMemory from "../../../src/layers/IdentityMemory.ts"
import * as MetricsMemory from "../../../src/layers/MetricsMemory.ts"
import * as NodeConfigMemory from "../../../src/layers/NodeConfigMemory.ts"
import type { NodeRpcs } from "../../../src/programs/rpc/Api.ts"
import { withNode } from "../../../src/programs/rpc/client.ts"
import { serve } from "../../../src/programs/rpc/server.ts"
import { type NodeEvent, supervise } from "../../../src/programs/supervisor.ts"
import { Identity } from "../../../src/services/Identity.ts"
import { TurnClient } from "../../../src/services/TurnClient.ts"
import { memoryBooks, memorySessions } from "../../fixtures/memorySessions.ts"
import { temporaryDirectory } from "../../fixtures/temporaryDirectory.ts"

/** A node in this process with a real local socket. */
const startNode = Effect.gen(function* () {
  const dataDir = yield* temporaryDirectory
  const identity = yield* Layer.build(IdentityMemory.layer())
  const events = yield* Ref.make<ReadonlyArray<NodeEvent>>([])
  const fiber = yield* Effect.forkScoped(
    supervise(
      {
        observability: HealthMemory.layer.pipe(Layer.provideMerge(MetricsMemory.layer)),
        config: NodeConfigMemory.layer({ dataDir, observability: { metricsPort: 0 } }),
        telemetry: Layer.empty,
        dataDirectory: DataDirectoryMemory.layer(dataDir),
        identity: Layer.succeedContext(identity),
        sessions: memorySessions,
        turn: Layer.succeed(TurnClient, { allocate: () => Effect.never }),
        ledger: memoryBooks
      },
      { onEvent: (event) => Ref.update(events, (all) => [...all, event]) }
    )
  )
  yield* Ref.get(events).pipe(Effect.repeat({ until: (all) => all.some(({ _tag }) => _tag === "Running") }))
  return { dataDir, fiber, did: Context.get(identity, Identity).did.text, socket: join(dataDir, "rpc.sock") }
})

const opened = (path: string) =>
  Effect.acquireRelease(
    Effect.callback<Socket>((resume) => {
      const socket = connect(path, () => resume(Effect.succeed(socket)))
      socket.on("error", () => {})
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )

describe("the local socket", () => {
  it.live("belongs to this user alone and tells the node's state", () =>
    Effect.gen(function* () {
      const { dataDir, did, socket } = yield* startNode
      assert.strictEqual(statSync(socket).mode & 0o777, 0o600)
      const status = yield* withNode(dataDir, (client) => client.Status())
      assert.deepStrictEqual([status.did, status.state, status.pid, status.relay], [did, "running", process.pid, null])
      assert.includeDeepMembers(
        status.actors.map(({ name, state }) => [name, state]),
        [
          ["metrics_server", "running"],
          ["metrics_update", "running"],
          ["rpc_server", "running"]
        ]
      )
    })
  )

  it.live("says that no node runs where nobody listens", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporaryDirectory
      const error = yield* Effect.flip(withNode(dataDir, (client) => client.Status()))
      assert.strictEqual(error._tag, "NodeNotRunning")
      assert.include(error.message, dataDir)
    })
  )

  it.live("goes on answering after garbage, unknown requests and an endless line", () =>
    Effect.gen(function* () {
      const { dataDir, socket } = yield* startNode
      const hostile = [
        "\u0000\u0001garbage\n",
        "{}\n",
        "[[[\n",
        '{"_tag":"Request","id":"1","tag":"Nope"}\n',
        "x".repeat(2_000_000)
      ]
      for (const text of hostile) {
        const connection = yield* opened(socket)
        connection.write(text)
        const status = yield* withNode(dataDir, (client) => client.Status())
        assert.strictEqual(status.state, "running")
      }
    })
  )

  it.live("answers 20 callers at once, one of whom says nothing", () =>
    Effect.gen(function* () {
      const { dataDir, socket } = yield* startNode
      yield* opened(socket)
      const answers = yield* Effect.forEach(
        Array.from({ length: 20 }),
        () => withNode(dataDir, (client) => client.Status()),
        { concurrency: "unbounded" }
      )
      assert.lengthOf(answers, 20)
    })
  )

  it.live("refuses to take the place of a file that is no socket", () =>
    Effect.gen(function* () {
      const path = join(yield* temporaryDirectory, "rpc.sock")
      writeFileSync(path, "somebody's")
      // It fails before any request could come.
      const unused = Context.makeUnsafe<Rpc.ToHandler<RpcGroup.Rpcs<typeof NodeRpcs>>>(new Map())
      const error = yield* Effect.flip(Effect.scoped(serve(path, Effect.void)).pipe(Effect.provideContext(unused)))
      assert.strictEqual(error._tag, "RpcServerError")
      assert.include(error.message, `cannot listen on ${path}: something that is no socket is in its place`)
      assert.strictEqual(readFileSync(path, "utf8"), "somebody's")
    })
  )

  it.live("stops the node when asked", () =>
    Effect.gen(function* () {
      const { dataDir, fiber } = yield* startNode
      yield* Effect.ignore(withNode(dataDir, (client) => client.Stop()))
      assert.isFalse(yield* Fiber.join(fiber))
    })
  )
})
