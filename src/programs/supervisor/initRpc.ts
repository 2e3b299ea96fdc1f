/**
 * The rpc phase: the local socket, last, so that whoever can reach it finds a node that has started. Required: a node
 * that cannot be asked or stopped is no use to its operator.
 */
import { Effect, Layer } from "effect"
import { userInfo } from "node:os"
import { DataDirectory } from "../../services/DataDirectory.ts"
import * as Handlers from "../rpc/handlers.ts"
import { serve } from "../rpc/server.ts"
import { prepareSocketPath } from "../rpc/socketPath.ts"
import type { Actors } from "./actors.ts"
import type { Registry } from "./registry.ts"

export const startRpc = Effect.fnUntraced(function* (actors: Actors, registry: Registry) {
  const dataDirectory = yield* DataDirectory
  const path = yield* prepareSocketPath(dataDirectory.path, userInfo().uid)
  const handlers = yield* Layer.build(Handlers.layer(registry, actors))
  yield* actors.spawnRequired("rpc_server", (ready) => serve(path, ready).pipe(Effect.provideContext(handlers)))
  yield* registry.learn({ rpcSocket: path })
  return path
})
