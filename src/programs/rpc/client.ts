/**
 * How a command talks to the node that runs on a data directory: one connection per command, a short wait, and "no node
 * is running there" as an answer of its own.
 */
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import { Cause, Effect, Layer, Schema } from "effect"
import { RpcClient, RpcClientError, RpcSerialization } from "effect/rpc"
import { userInfo } from "node:os"
import { systemErrorText } from "../../domain/systemError.ts"
import { version } from "../../domain/version.ts"
import { messageBytesMax, NodeRpcs } from "./Api.ts"
import { socketPath } from "./socketPath.ts"

/** A node answers from memory, so a longer silence means that it hangs. */
const answerSecondsMax = 5

export class NodeNotRunning extends Schema.TaggedError<NodeNotRunning>()("NodeNotRunning", {
  dataDir: Schema.String,
  socket: Schema.String
}) {
  override get message() {
    return `no node is running on ${this.dataDir} (nobody answers at ${this.socket}); start one with "icn-node run"`
  }
}

export class NodeNotAnswering extends Schema.TaggedError<NodeNotAnswering>()("NodeNotAnswering", {
  socket: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `the node at ${this.socket} does not answer as expected: ${this.detail}`
  }
}

export type Client = RpcClient.FromGroup<typeof NodeRpcs, RpcClientError.RpcClientError>

export type NodeUnavailable = NodeNotRunning | NodeNotAnswering

/** Fails when no answer came in time; what takes long is watched by the connection's own pings instead. */
const inTime = (socket: string) =>
  Effect.timeoutOrElse({
    duration: `${answerSecondsMax} seconds`,
    orElse: () => Effect.fail(new NodeNotAnswering({ socket, detail: `no answer within ${answerSecondsMax} s` }))
  })

/** How a connection that was there ended, in words. */
const lossText = (reason: RpcClientError.RpcClientError["reason"]): string | undefined => {
  if (reason._tag === "SocketCloseError") return "it closed the connection"
  return reason._tag === "SocketReadError" ? `it is silent or gone (${systemErrorText(reason.cause)})` : undefined
}

const connected = Effect.fnUntraced(function* <A, E, R>(
  dataDir: string,
  call: (client: Client, socket: string) => Effect.Effect<A, E | RpcClientError.RpcClientError, R>
) {
  const socket = socketPath(dataDir, userInfo().uid)
  const protocol = RpcClient.layerProtocolSocket().pipe(
    Layer.provide([
      NodeSocket.layerNet({ path: socket }),
      RpcSerialization.layerNdjsonWith({ maxBufferSize: messageBytesMax })
    ])
  )
  return yield* RpcClient.make(NodeRpcs).pipe(
    Effect.flatMap((client) => call(client, socket)),
    Effect.catchIf(
      (error) => error instanceof RpcClientError.RpcClientError,
      ({ message, reason }) =>
        Effect.fail(
          reason._tag === "SocketOpenError"
            ? new NodeNotRunning({ dataDir, socket })
            : new NodeNotAnswering({ socket, detail: lossText(reason) ?? message })
        )
    ),
    // The node ends what it was asked when it stops. An interruption of this command does not come by here.
    Effect.catchCauseIf(Cause.hasInterruptsOnly, () =>
      Effect.fail(new NodeNotAnswering({ socket, detail: "it stopped" }))
    ),
    // An answer that the schemas do not know, or a request that the node does not.
    Effect.catchDefect((defect) => {
      const detail = `${systemErrorText(defect)}; is it of another version than this command (${version})?`
      return Effect.fail(new NodeNotAnswering({ socket, detail }))
    }),
    Effect.scoped,
    Effect.provide(protocol)
  )
})

/** Asks the node that runs on `dataDir` what it answers from memory. */
export const withNode = <A, E, R>(
  dataDir: string,
  call: (client: Client) => Effect.Effect<A, E | RpcClientError.RpcClientError, R>
) => connected<A, E | NodeNotAnswering, R>(dataDir, (client, socket) => call(client).pipe(inTime(socket)))

/** Has the node that runs on `dataDir` do what takes its time; ends when the node hangs, since its pings stop then. */
export const workWithNode = <A, E, R>(
  dataDir: string,
  call: (client: Client) => Effect.Effect<A, E | RpcClientError.RpcClientError, R>
) => connected<A, E, R>(dataDir, call)
