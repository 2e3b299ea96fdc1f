/**
 * The local socket as an actor: serves `NodeRpcs` on `<data_dir>/rpc.sock` to this user alone. Whoever calls this holds
 * the data directory's lock, so a socket file that is found there is left over from a killed node and may go.
 */
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import { Effect, Layer, References, Schema } from "effect"
import { RpcSerialization, RpcServer } from "effect/rpc"
import { chmodSync, lstatSync, rmSync } from "node:fs"
import { systemErrorText } from "../../domain/systemError.ts"
import { messageBytesMax, NodeRpcs } from "./Api.ts"

/** The socket could not be opened; the node cannot be controlled without it. */
export class RpcServerError extends Schema.TaggedError<RpcServerError>()("RpcServerError", {
  path: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `cannot listen on ${this.path}: ${this.detail}`
  }
}

const detailOf = (error: unknown): string =>
  systemErrorText(error instanceof Error && error.cause instanceof Error ? error.cause : error)

/** Removes a socket that a killed node left; anything else with its name was put there by somebody who may want it. */
const removeLeftover = (path: string): void => {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats === undefined) return
  if (!stats.isSocket()) throw new Error("something that is no socket is in its place; move it away")
  rmSync(path, { force: true })
}

/** Serves until interrupted; `ready` runs once the socket accepts connections. */
export const serve = Effect.fnUntraced(function* (path: string, ready: Effect.Effect<void>) {
  const failed = (error: unknown) => new RpcServerError({ path, detail: detailOf(error) })
  yield* Effect.try({ try: () => removeLeftover(path), catch: failed })
  const socket = yield* Layer.build(NodeSocketServer.layer({ path })).pipe(Effect.mapError(failed))
  yield* Effect.try({ try: () => chmodSync(path, 0o600), catch: failed })
  const protocol = yield* Layer.build(
    RpcServer.layerProtocolSocketServer.pipe(
      Layer.provide([
        Layer.succeedContext(socket),
        RpcSerialization.layerNdjsonWith({ maxBufferSize: messageBytesMax })
      ])
    )
    // A command that was interrupted leaves its connection with answers unread, which is no error of this node.
  ).pipe(Effect.provideService(References.UnhandledLogLevel, "Debug"))
  yield* ready
  return yield* RpcServer.make(NodeRpcs, { concurrency: 16 }).pipe(Effect.provideContext(protocol))
})
